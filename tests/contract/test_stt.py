"""Every recogniser keeps the promises of `speech/stt/contract.py`."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import numpy as np
import pytest
from tests.needs import leave_out
from tests.speech_services import elevenlabs_service, openai_audio_service
from tests.upstreams import KEY

from voicemind.speech.audio import Pcm, from_floats, read_wav, resampled
from voicemind.speech.elevenlabs import Account
from voicemind.speech.stt.contract import Stt, Utterance
from voicemind.speech.stt.elevenlabs import ElevenLabsStt
from voicemind.speech.stt.moonshine import MoonshineStt
from voicemind.speech.stt.openai import OpenAiStt
from voicemind.speech.stt.scripted import ScriptedStt
from voicemind.speech.tts.contract import sound_of
from voicemind.speech.tts.piper import PiperTts

TWO_CITIES = "It was the best of times, it was the worst of times."
HOSTED = ("elevenlabs", "openai")
AT_THE_END_ONLY = ("openai",)
"""Those that have no words before an utterance is over."""
RECORDED = importlib.util.find_spec("moonshine_voice")
NEEDS_WEIGHTS = pytest.mark.models

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the module, so that the weights are loaded once."""
    return "asyncio"


@pytest.fixture(scope="module", params=["scripted", *HOSTED, pytest.param("moonshine", marks=NEEDS_WEIGHTS)])
async def stt(request: pytest.FixtureRequest) -> AsyncIterator[Stt]:
    async with _made(request.param) as made, _running(made) as started:
        yield started


@pytest.fixture(scope="module")
async def moonshine() -> AsyncIterator[Stt]:
    async with _running(MoonshineStt()) as started:
        yield started


@asynccontextmanager
async def _made(name: str) -> AsyncIterator[Stt]:
    """A recogniser; what somebody else runs is here a peer on loopback."""
    match name:
        case "elevenlabs":
            async with elevenlabs_service(text=TWO_CITIES) as peer:
                yield ElevenLabsStt(Account(KEY, peer.url, limit_s=20))
        case "openai":
            async with openai_audio_service(text=TWO_CITIES) as service:
                yield OpenAiStt(api_key=KEY, model="gpt-4o-mini-transcribe", base_url=service.url, limit_s=20)
        case "moonshine":
            yield MoonshineStt()
        case _:
            yield ScriptedStt(text=TWO_CITIES)


@asynccontextmanager
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
    if stt.name in AT_THE_END_ONLY:
        async with stt.utterance() as utterance:
            await utterance.feed(_recording("two_cities.wav", seconds=4.2))
            assert await utterance.partial() == ""
        return
    speech = _recording("two_cities.wav", seconds=4.2)
    async with stt.utterance() as utterance:
        assert await utterance.partial() == ""
        await utterance.feed(speech[:32_000])
        first = len(_words(await utterance.partial()))
        await utterance.feed(speech[32_000:])
        last = await _more_words(utterance, than=first, waits=stt.name in HOSTED)
        final = await utterance.finish()
    assert abs(last - len(_words(final))) <= 2


async def _more_words(utterance: Utterance, *, than: int, waits: bool) -> int:
    """How many words there are by now; a service's are on their way, its last ones 10 or more."""
    with anyio.fail_after(20):
        while (count := len(_words(await utterance.partial()))) <= (10 if waits else than):
            assert waits
            await anyio.lowlevel.checkpoint()
    return count


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
