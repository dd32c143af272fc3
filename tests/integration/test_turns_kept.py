"""Fault 32 in a live conversation: a turn is stored once, or its loss is told; never neither, never twice."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from tests.cutting import close_code
from tests.integration.test_engine_fallback import Failing
from tests.serving import in_process
from tests.talking import Talk, talking

from voicemind.assembly.voices import Voices
from voicemind.conversation import backdrop
from voicemind.conversation.backdrop import Backdrop
from voicemind.conversation.relay import BuildEngine
from voicemind.conversation.session import Session
from voicemind.engines.cascade import mouth
from voicemind.engines.cascade.failures import Failures
from voicemind.engines.contract import NOW, Occasion, Scene
from voicemind.errors import ProviderUnavailable, StorageUnavailable
from voicemind.llm.contract import Piece
from voicemind.mind.agent import Agent
from voicemind.mind.prompt import Channel
from voicemind.store import database
from voicemind.store.values import Modality, NewTurn, Turn

pytestmark = pytest.mark.anyio


async def turns(client: httpx.AsyncClient, talk: Talk) -> list[tuple[str, str]]:
    """Who said what, as it is stored."""
    answer = await client.get(f"/api/v1/conversations/{talk.conversation_id}/turns")
    return [(turn["role"], turn["generated"]) for turn in answer.json()["items"]]


async def outcome(talk: Talk) -> tuple[str, dict[str, Any]]:
    """The next reply that is stored, or the error that is told in its place."""
    while True:
        name, body = await talk.next()
        if name == "error" or (name == "agent_response" and body["final"]):
            return name, body


def test_a_store_gives_up_before_a_session_does_and_a_session_before_its_engine() -> None:
    assert database.LOCK_WAIT_S < backdrop.KEEP_LIMIT_S < mouth.SAVE_LIMIT_S


@pytest.mark.parametrize("slow", ["store", "session", "engine"])
async def test_a_reply_that_cannot_be_stored_is_told_whoever_gives_up_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    if slow == "store":
        monkeypatch.setattr(database, "LOCK_WAIT_S", 1)
    elif slow == "session":
        monkeypatch.setattr(backdrop, "KEEP_LIMIT_S", 0.2)
    else:
        monkeypatch.setattr(mouth, "SAVE_LIMIT_S", 0.2)
    async with in_process(tmp_path) as client:
        async with talking(client, agent="thalia", channel="text", greet=False) as talk:
            await talk.send(type="text", text="Hello")
            assert (await outcome(talk))[0] == "agent_response"
            file = next((tmp_path / "data").glob("*.db"))
            with closing(sqlite3.connect(file, isolation_level=None, timeout=5)) as neighbour:
                real = Session.answer

                async def answer(session: Session, occasion: Occasion = NOW) -> AsyncGenerator[Piece, None]:
                    async for piece in real(session, occasion):
                        yield piece
                    neighbour.execute("BEGIN IMMEDIATE")

                with monkeypatch.context() as patch:
                    patch.setattr(Session, "answer", answer)
                    await talk.send(type="text", text="And then?")
                    with anyio.fail_after(30):
                        name, body = await outcome(talk)
                assert (name, body["code"]) == ("error", "storage_unavailable")
                assert await close_code(talk) == 1011
                neighbour.execute("ROLLBACK")
        async with talking(
            client, agent="thalia", channel="text", greet=False, conversation_id=talk.conversation_id
        ) as again:
            await again.send(type="text", text="Still there?")
            assert (await outcome(again))[0] == "agent_response"


class FailsWhileStoring(Failing):
    """Fails at the moment at which it hands over what was typed."""

    text = message_id = ""

    async def run(self) -> None:
        await self.asked.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.fail)
            await self.scene.user_said(self.text, modality="text", message_id=self.message_id)

    async def read(self, text: str, *, message_id: str = "") -> None:
        self.text, self.message_id = text, message_id
        self.asked.set()


@pytest.mark.parametrize("message_id", ["one", ""])
async def test_what_was_typed_is_one_turn_and_answered_where_the_engine_fails_while_it_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message_id: str
) -> None:
    engines = Voices.engines

    def lined_up(self: Voices, agent: Agent, channel: Channel) -> Sequence[BuildEngine]:
        return [FailsWhileStoring, *engines(self, agent, channel)]

    monkeypatch.setattr(Voices, "engines", lined_up)
    async with (
        in_process(tmp_path) as client,
        talking(client, agent="thalia", channel="text", greet=False) as talk,
    ):
        await talk.send(type="text", text="My cat is Biscuit.", id=message_id)
        assert (await talk.until("agent_response", final=True))["turn"] == 2
        await talk.send(type="text", text="Her sister is Waffle.")
        assert (await talk.until("agent_response", final=True))["turn"] == 4
        said = [text for role, text in await turns(client, talk) if role == "user"]
        assert said == ["My cat is Biscuit.", "Her sister is Waffle."]


async def test_the_same_holds_for_the_engine_that_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Failures] = []
    begin, keep = Failures.__init__, Session.user_said

    def noted(self: Failures, scene: Scene) -> None:
        begin(self, scene)
        made.append(self)

    async def user_said(self: Session, text: str, *, modality: Modality, message_id: str = "") -> None:
        made[0].last = ProviderUnavailable("The voice is gone.", provider="scripted")
        made[0].too_many.set()
        await keep(self, text, modality=modality, message_id=message_id)

    monkeypatch.setattr(Failures, "__init__", noted)
    monkeypatch.setattr(Session, "user_said", user_said)
    async with in_process(tmp_path) as client, talking(client, agent="thalia", greet=False) as talk:
        await talk.send(type="text", text="My cat is Biscuit.", id="one")
        assert (await talk.until("error"))["code"] == "engine_changed"
        assert (await talk.until("agent_response", final=True))["turn"] == 2
        assert [role for role, _ in await turns(client, talk)] == ["user", "agent"]


async def test_what_is_sent_again_after_its_session_broke_counts_once_and_what_was_lost_with_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with in_process(tmp_path) as client:
        async with talking(client, agent="thalia", channel="text", greet=False) as talk:
            await talk.send(type="text", text="My cat is Biscuit.", id="one")
            await talk.until("agent_response", final=True)
            with monkeypatch.context() as patch:
                patch.setattr(Backdrop, "keep", gone)
                await talk.send(type="text", text="Her sister is Waffle.", id="two")
                assert await close_code(talk) == 1011
        async with talking(
            client, agent="thalia", channel="text", greet=False, conversation_id=talk.conversation_id
        ) as again:
            await again.send(type="text", text="My cat is Biscuit.", id="one")
            assert (await again.until("ack"))["id"] == "one"
            await again.send(type="text", text="Her sister is Waffle.", id="two")
            assert (await again.until("agent_response", final=True))["turn"] == 4
            assert [role for role, _ in await turns(client, talk)] == ["user", "agent"] * 2


async def gone(self: Backdrop, turn: NewTurn) -> Turn:
    raise StorageUnavailable("The database is gone.")
