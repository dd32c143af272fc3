"""Every voice-activity detector keeps the promises of `speech/vad/contract.py`."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import numpy as np
import pytest
from tests.needs import leave_out

from voicemind.speech.audio import Pcm, from_floats, read_wav, resampled
from voicemind.speech.vad.contract import Vad
from voicemind.speech.vad.energy import EnergyVad
from voicemind.speech.vad.silero import SileroVad

MAKERS: dict[str, Callable[[], Vad]] = {"energy": EnergyVad, "silero": SileroVad}
NEEDS_WEIGHTS = pytest.mark.models

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["energy", pytest.param("silero", marks=NEEDS_WEIGHTS)])
async def vad(request: pytest.FixtureRequest) -> AsyncIterator[Vad]:
    started = MAKERS[request.param]()
    with anyio.fail_after(60):
        await started.start()
        yield started
        await started.aclose()


def _speech() -> bytes:
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        leave_out("moonshine-voice, which carries recorded speech, is not installed")
    wav = read_wav((Path(spec.origin).parent / "assets" / "two_cities.wav").read_bytes())
    return resampled(Pcm(wav.samples[: 2 * wav.rate_hz * 8], wav.rate_hz), 16_000).samples


def _noise(level: float, seconds: float) -> bytes:
    return from_floats((np.random.default_rng(7).standard_normal(int(16_000 * seconds)) * level).astype(np.float32))


async def _heard(vad: Vad, samples: bytes, *, step: int = 640) -> list[float]:
    likelihoods: list[float] = []
    async with vad.track() as track:
        for start in range(0, len(samples), step):
            track.hear(samples[start : start + step])
            while track.unjudged:
                likelihoods += await track.judged()
    return likelihoods


async def test_every_whole_window_gets_one_likelihood(vad: Vad) -> None:
    likelihoods = await _heard(vad, _noise(0.05, 1.0), step=998)
    assert len(likelihoods) == 16_000 // 512
    assert all(0 <= likelihood <= 1 for likelihood in likelihoods)


async def test_recorded_speech_is_noticed_and_its_pauses_too(vad: Vad) -> None:
    likelihoods = await _heard(vad, _speech())
    speaking = sum(likelihood > 0.5 for likelihood in likelihoods) / len(likelihoods)
    assert 0.4 < speaking < 0.98


@pytest.mark.parametrize("level", [0.0, 0.0003, 0.002])
async def test_silence_and_a_quiet_room_are_no_speech(vad: Vad, level: float) -> None:
    likelihoods = await _heard(vad, _noise(level, 2.0))
    assert sum(likelihood > 0.5 for likelihood in likelihoods) <= 1


async def test_how_the_samples_are_cut_does_not_matter(vad: Vad) -> None:
    speech = _speech()[: 2 * 512 * 60]
    small, large = await _heard(vad, speech, step=250), await _heard(vad, speech, step=len(speech))
    assert small == pytest.approx(large, abs=1e-3)


async def test_tracks_do_not_hear_one_another(vad: Vad) -> None:
    speech, hush = _speech()[: 2 * 512 * 90], _noise(0.002, 512 * 90 / 16_000)
    alone = await _heard(vad, speech), await _heard(vad, hush)
    together: dict[int, list[float]] = {}

    async def listen(number: int) -> None:
        together[number] = await _heard(vad, (speech, hush)[number % 2])

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(listen, number)
    for number, likelihoods in together.items():
        assert likelihoods == pytest.approx(alone[number % 2], abs=1e-3)


async def test_a_track_that_is_given_up_does_not_stop_the_others(vad: Vad) -> None:
    speech = _speech()[: 2 * 512 * 40]
    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(0.001):
            await _heard(vad, speech)
        tasks.cancel_scope.cancel()
    with anyio.fail_after(10):
        assert len(await _heard(vad, speech)) == 40


async def test_closing_twice_is_harmless(vad: Vad) -> None:
    await vad.aclose()
    await vad.aclose()
