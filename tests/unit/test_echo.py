"""The agent's own voice is told from the person's, whatever the loudspeaker and the room do to it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.needs import leave_out

from voicemind.engines.cascade.echo import OwnVoice, likeness
from voicemind.speech.audio import Pcm, as_floats, from_floats, read_wav, resampled

Floats = npt.NDArray[np.float32]
WINDOW, FRAME, LEAD_S = 512, 960, 0.4


@pytest.fixture(scope="module")
def recording() -> Floats:
    """Forty seconds of one person reading, 16 kHz."""
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        leave_out("moonshine-voice, which carries recorded speech, is not installed")
    wav = read_wav((Path(spec.origin).parent / "assets" / "two_cities.wav").read_bytes())
    return as_floats(resampled(wav, 16_000).samples)


@pytest.fixture(scope="module")
def agent(recording: Floats) -> Floats:
    return recording[: 8 * 16_000]


@pytest.fixture(scope="module")
def person(recording: Floats) -> Floats:
    """The same voice, saying something else: the hardest case."""
    return recording[20 * 16_000 : 28 * 16_000]


def explained(microphone: Floats, agent: Floats) -> float:
    """The share of loud windows that are taken for the agent's own voice, of those that VAD would ask about."""
    own, frames = OwnVoice(), resampled(Pcm(from_floats(agent), 16_000), 24_000).samples
    sent, loud, own_ones = 0, 0, 0
    for at in range(0, microphone.size - WINDOW, WINDOW):
        end_s = (at + WINDOW) / 16_000
        while sent * FRAME / 24_000 < end_s + LEAD_S and sent * FRAME * 2 < len(frames):
            own.spoke(frames[sent * FRAME * 2 : (sent + 1) * FRAME * 2], 24_000, sent * FRAME / 24_000)
            sent += 1
        window = microphone[at : at + WINDOW]
        own.hears(from_floats(window), end_s)
        if float(np.sqrt(np.mean(window * window))) > 0.003:
            loud += 1
            own_ones += own.explains()
    assert loud > 30
    return own_ones / loud


def echo(agent: Floats, *, ms: int, gain: float) -> Floats:
    late = np.zeros_like(agent)
    late[ms * 16 :] = agent[: -ms * 16] * gain
    return late


@pytest.mark.parametrize("ms", [80, 150, 250, 400])
@pytest.mark.parametrize("gain", [0.7, 0.25])
def test_the_same_sound_later_and_softer_is_the_agents_own(agent: Floats, ms: int, gain: float) -> None:
    assert explained(echo(agent, ms=ms, gain=gain), agent) > 0.95


def test_an_echo_in_a_room_with_noise_is_the_agents_own(agent: Floats) -> None:
    random = np.random.default_rng(3)
    tail = random.standard_normal(4800) * np.exp(-6.9 * np.arange(4800) / 4800)
    tail *= np.sqrt(10 ** (-3 / 10) / np.sum(tail**2))
    room = np.convolve(echo(agent, ms=200, gain=0.4), np.concatenate(([1.0], tail)))[: agent.size]
    noise = random.standard_normal(agent.size) * np.sqrt(np.mean(room**2) / 100)
    assert explained((room + noise).astype(np.float32), agent) > 0.9


def test_a_person_is_not_taken_for_the_agent_though_the_voice_is_the_same(agent: Floats, person: Floats) -> None:
    assert explained(person, agent) < 0.05
    assert explained(person * 0.3, agent) < 0.05


def test_a_person_who_speaks_over_the_echo_is_heard(agent: Floats, person: Floats) -> None:
    assert explained(echo(agent, ms=150, gain=0.3) + person, agent) < 0.2


def test_nothing_is_explained_before_the_agent_has_spoken(person: Floats) -> None:
    assert explained(person, np.zeros(0, dtype=np.float32)) == 0


@given(st.integers(0, 3000), st.floats(0.01, 10), st.integers(0, 10))
def test_likeness_is_one_for_a_part_of_the_sound_at_any_loudness(first: int, gain: float, seed: int) -> None:
    said = np.random.default_rng(seed).standard_normal(4096).astype(np.float32)
    assert likeness(said[first : first + 1024] * gain, said) == pytest.approx(1, abs=1e-3)


def test_silence_is_like_nothing() -> None:
    hush, sound = np.zeros(2048, dtype=np.float32), np.ones(4096, dtype=np.float32)
    assert likeness(hush, sound) == 0
    assert likeness(sound[:2048], np.zeros(4096, dtype=np.float32)) == 0
