"""Every recogniser keeps the promises of `speech/stt/contract.py`."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import numpy as np
import pytest
from tests.needs import leave_out

from voicemind.speech.audio import Pcm, from_floats, read_wav, resampled
from voicemind.speech.stt.contract import Stt
from voicemind.speech.stt.moonshine import MoonshineStt
from voicemind.speech.stt.scripted import ScriptedStt
from voicemind.speech.tts.contract import sound_of
from voicemind.speech.tts.piper import PiperTts

TWO_CITIES = "It was the best of times, it was the worst of times."
MAKERS: dict[str, Callable[[], Stt]] = {"scripted": lambda: ScriptedStt(text=TWO_CITIES), "moonshine": MoonshineStt}
RECORDED = importlib.util.find_spec("moonshine_voice")
NEEDS_WEIGHTS = pytest.mark.models

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the module, so that the weights are loaded once."""
    return "asyncio"


@pytest.fixture(scope="module", params=["scripted", pytest.param("moonshine", marks=NEEDS_WEIGHTS)])
async def stt(request: pytest.FixtureRequest) -> AsyncIterator[Stt]:
    async for started in _running(MAKERS[request.param]()):
        yield started


@pytest.fixture(scope="module")
async def moonshine() -> AsyncIterator[Stt]:
    async for started in _running(MoonshineStt()):
        yield started


async def _running(stt: Stt) -> AsyncIterator[Stt]:
    with anyio.fail_after(60):
        await stt.start()
    yield stt
    await stt.aclose()
    await stt.aclose()


def _recording(name: str, *, seconds: float) -> bytes:
    if RECORDED is None or RECORDED.origin is None:
        leave_out("moonshine-voice, which carries recorded speech, is not installed")
    wav = read_wav((Path(RECORDED.origin).parent / "assets" / name).read_bytes())
    return resampled(Pcm(wav.samples[: 2 * int(wav.rate_hz * seconds)], wav.rate_hz), 16_000).samples


async def _heard(stt: Stt, samples: bytes, *, step: int = 640) -> str:
    with anyio.fail_after(120):
        async with stt.utterance() as utterance:
            for start in range(0, len(samples), step):
                await utterance.feed(samples[start : start + step])
            return await utterance.finish()


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def _error_rate(said: str, heard: str) -> float:
    """Edits between the words, as a share of those that were said."""
    wanted, got = _words(said), _words(heard)
    row = list(range(len(got) + 1))
    for number, word in enumerate(wanted, 1):
        last, row[0] = row[0], number
        for column, other in enumerate(got, 1):
            last, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, last + (word != other))
    return row[-1] / len(wanted)


async def test_recorded_speech_gives_its_words_back(stt: Stt) -> None:
    assert _error_rate(TWO_CITIES, await _heard(stt, _recording("two_cities.wav", seconds=4.2))) <= 0.2


@pytest.mark.parametrize("level", [0.0, 0.0005])
async def test_where_nothing_was_said_there_are_no_words(stt: Stt, level: float) -> None:
    noise = (np.random.default_rng(3).standard_normal(16_000) * level).astype(np.float32)
    assert await _heard(stt, from_floats(noise)) == ""
    assert await _heard(stt, b"") == ""


async def test_partials_grow_towards_the_final_words(stt: Stt) -> None:
    speech = _recording("two_cities.wav", seconds=4.2)
    async with stt.utterance() as utterance:
        assert await utterance.partial() == ""
        counts: list[int] = []
        for start in range(0, len(speech), 32_000):
            await utterance.feed(speech[start : start + 32_000])
            counts.append(len(_words(await utterance.partial())))
        final = await utterance.finish()
    assert counts[0] < counts[-1]
    assert abs(counts[-1] - len(_words(final))) <= 2


async def test_utterances_at_once_do_not_mix(stt: Stt) -> None:
    speech = _recording("two_cities.wav", seconds=4.2)
    heard: dict[int, str] = {}

    async def listen(number: int) -> None:
        heard[number] = await _heard(stt, speech if number % 2 else bytes(32_000))

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(listen, number)
    assert all((_error_rate(TWO_CITIES, text) <= 0.2) if number % 2 else text == "" for number, text in heard.items())


async def test_an_utterance_that_is_given_up_leaves_the_recogniser_usable(stt: Stt) -> None:
    speech = _recording("two_cities.wav", seconds=4.2)
    with anyio.move_on_after(0.02):
        await _heard(stt, speech)
    async with stt.utterance() as utterance:
        await utterance.feed(speech)
    assert await _heard(stt, speech)


@pytest.mark.models
async def test_a_recogniser_that_is_used_again_adds_no_word_of_its_own(moonshine: Stt) -> None:
    speech = _recording("beckett.wav", seconds=4)
    answers = {await _heard(moonshine, speech) for _ in range(5)}
    assert len(answers) == 1
    assert _words(answers.pop())[:2] == ["ever", "tried"]


@pytest.mark.models
async def test_a_long_speech_is_heard_to_its_end(moonshine: Stt) -> None:
    heard = await _heard(moonshine, _recording("two_cities.wav", seconds=44.4))
    assert _error_rate(TWO_CITIES, " ".join(heard.split()[:12])) <= 0.25
    assert "superlative" in heard
    assert 105 <= len(_words(heard)) <= 130


@pytest.mark.models
async def test_what_piper_says_is_what_moonshine_hears(moonshine: Stt) -> None:
    sentences = (
        "My cat is called Biscuit and I live in Oslo.",
        "Tell me what happened at the harbour last night.",
        "I have been sleeping badly since the beginning of the week.",
        "Please remember that my sister arrives on Thursday.",
        "How many customers did we win in the second quarter?",
    )
    piper = PiperTts()
    with anyio.fail_after(120):
        await piper.start()
        rates: list[float] = []
        for sentence in sentences:
            spoken = b"".join([piece.samples async for piece in sound_of(piper.speak(sentence))])
            heard = await _heard(moonshine, resampled(Pcm(spoken, piper.rate_hz), 16_000).samples)
            assert heard[0].isalnum()
            rates.append(_error_rate(sentence, heard))
        await piper.aclose()
    assert sum(rates) / len(rates) <= 0.15
