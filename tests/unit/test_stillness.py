"""Since when it is silent, by loudness alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.engines.cascade.stillness import REMEMBERED_MS, STEP_MS, Stillness
from voicemind.speech.audio import from_floats

ROOM, VOICE = 0.001, 0.05
WINDOW = 512


def noise(level: float, ms: float) -> bytes:
    samples = np.random.default_rng(11).standard_normal(int(16 * ms)).astype(np.float32)
    return from_floats(samples * np.float32(level))


def listened(before: bytes, *sounds: bytes) -> Stillness:
    stillness = Stillness()
    stillness.begin(before)
    sound = b"".join(sounds)
    for start in range(0, len(sound), 2 * WINDOW):
        stillness.add(sound[start : start + 2 * WINDOW])
    return stillness


BEFORE = noise(ROOM, 300) + noise(VOICE, 96)


@given(st.integers(0, REMEMBERED_MS - STEP_MS))
def test_it_is_silent_since_the_voice_stopped_to_the_step(ms: int) -> None:
    stillness = listened(BEFORE, noise(VOICE, 384 - ms), noise(ROOM, ms))
    assert ms - STEP_MS < stillness.ms() <= ms


def test_a_voice_is_no_silence() -> None:
    stillness = listened(BEFORE, noise(VOICE, 320))
    assert stillness.ms() == 0
    assert not stillness.goes_on(noise(VOICE, 20))
    assert not stillness.goes_on(noise(ROOM, 15) + noise(VOICE, 5))
    assert stillness.goes_on(noise(ROOM, 20))


def test_what_is_as_loud_as_soft_speech_is_never_taken_for_a_room() -> None:
    stillness = listened(noise(0.02, 400), noise(0.2, 320), noise(0.02, 160))
    assert stillness.ms() == 0
    assert not stillness.goes_on(noise(0.02, 20))


def test_a_room_is_not_learned_from_what_may_be_speech() -> None:
    stillness = listened(noise(0.004, 96), noise(VOICE, 320))
    assert not stillness.goes_on(noise(0.004, 20))
    stillness.begin(BEFORE)
    stillness.begin(noise(VOICE, 96))
    assert not stillness.goes_on(noise(VOICE / 10, 20))


def test_a_room_that_is_known_stays_known_where_the_next_utterance_follows_at_once() -> None:
    stillness = listened(BEFORE, noise(VOICE, 320))
    stillness.begin(b"")
    assert stillness.goes_on(noise(ROOM, 20))
    assert stillness.ms() == 0


@pytest.mark.parametrize("before", [b"", noise(0.0, 400), BEFORE, noise(0.02, 400)])
def test_a_muted_microphone_is_silent_whatever_is_known_of_the_room(before: bytes) -> None:
    stillness = listened(before, noise(VOICE, 320), bytes(2 * WINDOW * 3))
    assert stillness.goes_on(bytes(640))
    assert stillness.ms() == 96
