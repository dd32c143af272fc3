"""A server on which a provider cannot start still looks after what it keeps."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from tests.reflecting import LIMIT_S
from tests.serving import scripted_settings

from voicemind.assembly.house import House
from voicemind.embedding.scripted import ScriptedEmbedder
from voicemind.errors import ProviderUnavailable
from voicemind.llm.scripted import ScriptedLlm
from voicemind.speech.tts.scripted import ScriptedTts
from voicemind.store.values import ConversationStatus, MindKey, NewTurn

pytestmark = pytest.mark.anyio

KEY = MindKey("default", "thalia")


async def fails() -> None:
    raise ProviderUnavailable("There is no such model.", provider="broken")


def half_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch, broken: type) -> House:
    monkeypatch.setattr(broken, "start", lambda self: fails())
    return House.build(scripted_settings(folder, stale_minutes=0.001, sweep_every_s=0.02))


async def left_behind(house: House) -> None:
    """An erasure whose bytes are in the file still, and a conversation that nobody ended."""
    for name in ("erased", "left"):
        await house.store.open_conversation(KEY, name, user_id="anna", channel="chat")
        await house.store.append_turn("default", name, NewTurn("user", "My cat is called Biscuit."))
    await house.store.erase_conversation("default", "erased")


async def until(house: House, status: ConversationStatus) -> None:
    """Wait until the conversation is in that state and nothing has to be scrubbed."""
    with anyio.fail_after(LIMIT_S):
        while True:
            receipts = await house.store.erasures("default")
            talk = await house.store.conversation("default", "left")
            if talk.status == status and all(receipt.scrubbed for receipt in receipts):
                return
            await anyio.sleep(0.01)


@pytest.mark.parametrize("broken", [ScriptedLlm, ScriptedEmbedder])
async def test_without_a_model_to_think_with_what_is_stale_ends_and_what_is_erased_leaves_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: type
) -> None:
    house = half_loaded(tmp_path, monkeypatch, broken)
    async with house.open():
        await left_behind(house)
        await until(house, "ended")
        reflection = await house.store.reflection("default", "left")
        assert reflection is not None
        assert (reflection.status, reflection.attempts) == ("waiting", 0)
        assert await house.why_not_ready() == "provider_unavailable"


async def test_without_a_voice_the_mind_still_reflects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = half_loaded(tmp_path, monkeypatch, ScriptedTts)
    async with house.open():
        await left_behind(house)
        await until(house, "reflected")
        assert await house.why_not_ready() == "provider_unavailable"
