"""Whatever comes on the wire is a message, or one of our own mistakes: never a crash. Ten thousand frames and more."""

from __future__ import annotations

import base64
import json
import random
import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.malformed import malformed

from voicemind.channels.browser import wire
from voicemind.errors import BadAudio, BadMessage

FRAMES_AT_A_TIME = 150
EXAMPLES = 100


def judged(frame: str | bytes) -> object:
    """The message, or the mistake; anything else fails the test."""
    try:
        message = wire.parse_text(frame) if isinstance(frame, str) else wire.parse_binary(frame)
    except (BadMessage, BadAudio) as mistake:
        return mistake
    assert isinstance(message, (*wire.MESSAGES, wire.Sound))
    return message


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32))
def test_fifteen_thousand_malformed_frames_are_messages_or_mistakes(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(FRAMES_AT_A_TIME):
        frame = malformed(chance)
        try:
            judged(frame)
        except Exception as crash:
            raise AssertionError(f"{frame!r} is neither a message nor a mistake") from crash


@given(st.text(max_size=300) | st.binary(max_size=64))
def test_anything_at_all_is_a_message_or_a_mistake(frame: str | bytes) -> None:
    judged(frame)


@given(st.binary(max_size=64))
def test_a_binary_frame_that_is_taken_is_whole_samples(rest: bytes) -> None:
    found = judged(struct.pack("<IId", 1, 0, 0.0) + rest)
    assert isinstance(found, BadAudio) if len(rest) % 2 else found == wire.Sound(rest)


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.strip() and text.isprintable()))
def test_a_mistake_never_repeats_what_was_said(said: str) -> None:
    mistake = judged(json.dumps({"type": "text", "txt": said, "text": [said]}))
    assert isinstance(mistake, BadMessage)
    if len(said) > 12:
        assert said not in str(mistake)


@given(st.binary(max_size=100))
def test_sound_in_text_is_what_it_was_or_half_a_sample(samples: bytes) -> None:
    message: Any = judged(json.dumps({"type": "audio", "data": base64.b64encode(samples).decode()}))
    assert isinstance(message, BadAudio) if len(samples) % 2 else message.samples == samples
