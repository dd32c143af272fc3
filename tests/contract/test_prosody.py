"""Every judge of prosody keeps the promises of `speech/prosody/contract.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import anyio
import numpy as np
import pytest
from tests.needs import leave_out

from voicemind.config import Settings
from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.models import catalog
from voicemind.models.pull import pull
from voicemind.speech.audio import Pcm, as_floats, from_floats, resampled
from voicemind.speech.prosody.contract import Prosody
from voicemind.speech.prosody.scripted import ScriptedProsody
from voicemind.speech.prosody.smart_turn import SmartTurnProsody
from voicemind.speech.tts.contract import sound_of
from voicemind.speech.tts.piper import PiperTts

MAKERS: dict[str, Callable[[], Prosody]] = {
    "scripted": ScriptedProsody,
    "smart-turn": lambda: SmartTurnProsody(Settings.load().cache_dir),
}

pytestmark = pytest.mark.anyio


TAKES = 5
"""The voice says nothing twice in the same way, and what it says depends on what it said before."""
SMART_TURN = pytest.param("smart-turn", marks=pytest.mark.models)


@pytest.fixture(params=["scripted", SMART_TURN])
async def prosody(request: pytest.FixtureRequest) -> AsyncIterator[Prosody]:
    cache_dir = Settings.load().cache_dir
    if request.param == "smart-turn" and catalog.located(catalog.SMART_TURN, cache_dir) is None:
        try:
            with anyio.fail_after(120):
                await pull(catalog.SMART_TURN, cache_dir=cache_dir)
        except (ProviderUnavailable, TimeoutError):
            leave_out("the weights of smart-turn cannot be fetched")
    started = MAKERS[request.param]()
    with anyio.fail_after(60):
        await started.start()
        yield started
        await started.aclose()


async def spoken(*sentences: str) -> list[bytes]:
    """Each as a microphone hears it, to its last sound and a moment of silence after it."""
    piper = PiperTts()
    await piper.start()
    said: list[bytes] = []
    for sentence in sentences:
        samples = b"".join([pcm.samples async for pcm in sound_of(piper.speak(sentence))])
        sound = as_floats(resampled(Pcm(samples, piper.rate_hz), 16_000).samples)
        said.append(from_floats(sound[: int(np.flatnonzero(np.abs(sound) > 0.01)[-1])]) + bytes(1600))
    await piper.aclose()
    return said


async def test_a_likelihood_lies_between_0_and_1_for_every_length(prosody: Prosody) -> None:
    for seconds in (0, 0.02, 1, 8, 20):
        assert 0 <= await prosody.finished(bytes(round(seconds * 16_000) * 2)) <= 1


async def test_questions_may_overlap(prosody: Prosody) -> None:
    sound = b"\x01\x02" * 16_000
    alone, answers = await prosody.finished(sound), list[float]()

    async def ask() -> None:
        answers.append(await prosody.finished(sound))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(ask)
    assert answers == pytest.approx([alone] * 4)


async def test_closing_twice_is_harmless(prosody: Prosody) -> None:
    await prosody.aclose()
    await prosody.aclose()


@pytest.mark.parametrize("prosody", [SMART_TURN], indirect=True)
async def test_a_question_sounds_more_finished_than_a_sentence_that_breaks_off(prosody: Prosody) -> None:
    sentences = "Because I wanted to, uh", "I think that the", "What time is it?", "Hello there."
    said = await spoken(*(sentence for sentence in sentences for _ in range(TAKES)))
    likelihoods = np.reshape([await prosody.finished(sound) for sound in said], (len(sentences), TAKES))
    *broken, whole, short = np.median(likelihoods, axis=1)
    assert min(whole, short) > max(broken) + 0.3, likelihoods


async def test_weights_that_were_never_pulled_are_asked_for_in_plain_words(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with pytest.raises(Misconfigured, match="voicemind models pull smart-turn"):
        await SmartTurnProsody(tmp_path_factory.mktemp("empty")).start()
