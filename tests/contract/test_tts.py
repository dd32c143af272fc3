"""Every synthesiser keeps the promises of `speech/tts/contract.py`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import anyio
import numpy as np
import pytest
from tests.speech_services import VOICE, elevenlabs_service, openai_audio_service
from tests.upstreams import KEY

from voicemind.errors import ProviderRefused
from voicemind.speech.audio import Pcm, as_floats
from voicemind.speech.elevenlabs import Account
from voicemind.speech.tts.contract import Mark, Sounding, Tts, sound_of
from voicemind.speech.tts.elevenlabs import ElevenLabsTts
from voicemind.speech.tts.openai import OpenAiTts
from voicemind.speech.tts.piper import PiperTts
from voicemind.speech.tts.scripted import ScriptedTts

HOSTED = ("elevenlabs", "openai")
NEEDS_WEIGHTS = pytest.mark.models

pytestmark = pytest.mark.anyio

SENTENCE = "Good morning, my old friend."
STORY = "The road is long. The night is cold. But there is a fire in the tower, and someone waits for us there."


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the module, so that the weights are loaded once."""
    return "asyncio"


@pytest.fixture(scope="module", params=["scripted", *HOSTED, pytest.param("piper", marks=NEEDS_WEIGHTS)])
async def tts(request: pytest.FixtureRequest) -> AsyncIterator[Tts]:
    async with _made(request.param) as started:
        with anyio.fail_after(60):
            await started.start()
        yield started
        await started.aclose()
        await started.aclose()


@asynccontextmanager
async def _made(name: str) -> AsyncIterator[Tts]:
    """A synthesiser; what somebody else runs is here a peer on loopback."""
    match name:
        case "elevenlabs":
            async with elevenlabs_service() as peer:
                yield ElevenLabsTts(Account(KEY, peer.url, limit_s=20), voice=VOICE)
        case "openai":
            async with openai_audio_service() as service:
                yield OpenAiTts(api_key=KEY, model="gpt-4o-mini-tts", voice="alloy", base_url=service.url, limit_s=20)
        case "piper":
            yield PiperTts()
        case _:
            yield ScriptedTts()


async def _said(tts: Tts, text: str, *, voice: str | None = None, speed: float = 1.0) -> list[Pcm]:
    with anyio.fail_after(60):
        return [piece async for piece in sound_of(tts.speak(text, voice=voice, speed=speed))]


def _seconds(pieces: list[Pcm]) -> float:
    return sum(piece.duration_ms for piece in pieces) / 1000


async def test_a_sentence_is_audible_at_the_promised_rate(tts: Tts) -> None:
    pieces = await _said(tts, SENTENCE)
    assert all(piece.samples and len(piece.samples) % 2 == 0 and piece.rate_hz == tts.rate_hz for piece in pieces)
    assert tts.rate_hz in {16_000, 24_000}
    sound = as_floats(b"".join(piece.samples for piece in pieces))
    assert float(np.sqrt(np.mean(sound * sound))) > 0.02
    assert 0.8 < _seconds(pieces) < 4


async def test_a_longer_text_takes_longer_and_starts_with_its_first_piece(tts: Tts) -> None:
    story = await _said(tts, STORY)
    assert _seconds(story) > 1.8 * _seconds(await _said(tts, SENTENCE))
    assert story[0].duration_ms < 0.6 * 1000 * _seconds(story)


@pytest.mark.parametrize(
    "text", [SENTENCE, STORY, "  It was in 1999, of course.", "[[ oops ]] dear 🎻 fiddle", "one\ntwo"]
)
async def test_marks_rise_within_the_text_and_its_sound_and_come_before_what_they_are_about(
    tts: Tts, text: str
) -> None:
    sounded, marks = 0.0, [Mark(-1, -1.0)]
    with anyio.fail_after(60):
        async for piece in tts.speak(text):
            if isinstance(piece, Mark):
                assert piece.chars > marks[-1].chars
                assert piece.ms > marks[-1].ms
                marks.append(piece)
            else:
                assert piece.samples
                sounded += piece.duration_ms
                assert marks[-1].chars <= len(text)
    assert marks[-1].ms <= sounded + 1


UNMARKED = frozenset({"openai"})
"""Voices whose service does not tell when they say what."""


async def test_whoever_marks_marks_nearly_every_word(tts: Tts) -> None:
    with anyio.fail_after(60):
        marks = [piece async for piece in tts.speak(STORY) if isinstance(piece, Mark)]
    words = [word.end() for word in re.finditer(r"\S+", STORY)]
    if tts.name in UNMARKED:
        assert not marks, "this voice has learned to mark: take it off the list"
        return
    marked = {mark.chars for mark in marks}
    assert sum(end in marked for end in words) >= 0.9 * len(words)
    assert marks[-1].ms - marks[0].ms > 0.7 * 1000 * _seconds(await _said(tts, STORY))


async def test_a_text_takes_as_long_as_its_speed_says_and_its_marks_with_it(tts: Tts) -> None:
    slowest, quickest = tts.speeds
    assert 0.25 <= slowest < 1 < quickest <= 4
    usual = _seconds(await _said(tts, STORY))
    for speed in tts.speeds:
        with anyio.fail_after(60):
            pieces = [piece async for piece in tts.speak(STORY, speed=speed)]
        sounding = _seconds([piece for piece in pieces if isinstance(piece, Pcm)])
        marks = [piece for piece in pieces if isinstance(piece, Mark)]
        assert sounding == pytest.approx(usual / speed, rel=0.2)
        assert bool(marks) != (tts.name in UNMARKED)
        assert not marks or 0.8 * 1000 * sounding < marks[-1].ms <= 1000 * sounding + 1


async def test_pieces_join_without_a_click(tts: Tts) -> None:
    pieces = await _said(tts, STORY)
    sound = as_floats(b"".join(piece.samples for piece in pieces))
    steps = np.abs(np.diff(sound))
    usual = float(np.quantile(steps, 0.9999))
    seams = np.cumsum([len(piece.samples) // 2 for piece in pieces])[:-1]
    assert all(steps[seam - 1] <= max(usual, 0.02) for seam in seams)


@pytest.mark.parametrize("text", ["", "   ", "…", "?!", "\n\t", "—"])
async def test_what_cannot_be_spoken_is_silence(tts: Tts, text: str) -> None:
    assert await _said(tts, text) == []


@pytest.mark.parametrize("text", ["[[ oops ]] dear", "nul\x00byte", "42", "naïve café 🎻 fiddle", "a" * 300])
async def test_odd_text_is_spoken_all_the_same(tts: Tts, text: str) -> None:
    assert _seconds(await _said(tts, text)) > 0.1


async def test_the_voices_it_names_speak_and_others_are_refused(tts: Tts) -> None:
    assert tts.voices or tts.name in HOSTED
    assert await _said(tts, "Yes.", voice=tts.voices[0] if tts.voices else "another")
    with pytest.raises(ProviderRefused):
        await _said(tts, "Yes.", voice="nobody")


async def test_marks_rise_and_lie_within_the_text_and_its_sound(tts: Tts) -> None:
    with anyio.fail_after(60):
        said: list[Sounding] = [piece async for piece in tts.speak(STORY)]
    marks: list[Mark] = []
    sounding_ms = soonest = 0.0
    for piece in said:
        if isinstance(piece, Mark):
            assert piece.ms > soonest
            assert not marks or piece.chars > marks[-1].chars
            marks.append(piece)
            soonest = piece.ms
            assert piece.ms >= sounding_ms - 1  # at the latest with its sound
        else:
            sounding_ms += piece.duration_ms
    assert all(0 <= mark.chars <= len(STORY) and mark.ms <= sounding_ms + 1 for mark in marks)
    if tts.name == "elevenlabs":
        assert [STORY[mark.chars - 1] for mark in marks[:3]] == ["e", "d", "s"]
        assert marks[-1].chars == len(STORY)


async def test_speech_that_is_left_early_leaves_the_voice_usable(tts: Tts) -> None:
    with anyio.fail_after(20):
        async with aclosing(tts.speak(STORY)) as pieces:
            async for _ in pieces:
                break
        with anyio.move_on_after(0.01):
            await _said(tts, STORY)
        assert await _said(tts, SENTENCE)


async def test_sentences_at_once_are_all_spoken(tts: Tts) -> None:
    lengths: list[float] = []

    async def say() -> None:
        lengths.append(_seconds(await _said(tts, SENTENCE)))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(say)
    assert len(lengths) == 4
    assert min(lengths) > 0.8
