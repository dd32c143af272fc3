"""What happens in a conversation, as a client is told of it."""

import doctest
from datetime import UTC, datetime

from voicemind.channels.browser import events, shown
from voicemind.engines import contract as happening
from voicemind.speech.audio import Pcm
from voicemind.store.values import Turn


def turn(generated: str, heard: str | None, *, interrupted: bool = False) -> Turn:
    return Turn(4, "agent", generated, heard, datetime.now(UTC), interrupted=interrupted)


def test_the_plain_protocol_is_type_and_data_and_timestamp_and_a_number_only_where_it_is_asked_for() -> None:
    state = events.State(state="listening")
    plain = '{"type":"state","data":{"state":"listening"},"timestamp":7}'
    assert events.serialise(state, timestamp_ms=7) == plain
    assert events.encoded(state, timestamp_ms=7).decode() == plain
    assert events.serialise(state, timestamp_ms=7, sequence=3) == plain[:-1] + ',"sequence":3}'


def test_a_number_does_not_break_words_of_any_language() -> None:
    frame = events.encoded(events.Transcript(text="Grüße 💥", final=True), timestamp_ms=1)
    assert events.parse_event(events.numbered(frame, 9))[1]["text"] == "Grüße 💥"


def test_how_a_reply_ended_is_told_with_what_was_not_heard_of_it() -> None:
    said, heard = shown.messages(happening.AgentTurn(2, turn("One two three.", "One two", interrupted=True)))
    assert said == (
        events.AgentResponse(text="One two", final=True, generation=2, interrupted=True, turn=4),
        "reply 2",
        True,
    )
    assert heard[0] == events.Heard(generation=2, turn=4, text="One two", unheard="three.", interrupted=True)


def test_an_unfinished_reply_is_replaced_by_the_next_word_of_the_same_reply_alone() -> None:
    ((_, key, final),) = shown.messages(happening.AgentText(2, "One"))
    ((_, other, _),) = shown.messages(happening.AgentText(3, "One"))
    ended, _ = shown.messages(happening.AgentTurn(2, turn("One.", "One.")))
    assert (key, final) == (ended[1], False)
    assert other != key


def test_sound_has_no_number_whichever_way_it_travels() -> None:
    sound = happening.AgentSound(1, 480, Pcm(b"\x00\x01" * 10, 24_000))
    assert isinstance(shown.sound(sound, timestamp_ms=1, binary=True), bytes)
    frame = shown.sound(sound, timestamp_ms=1, binary=False)
    assert '"positionMs":20' in str(frame)
    assert "sequence" not in str(frame)


def test_what_was_not_heard_is_the_rest() -> None:
    assert doctest.testmod(shown) == doctest.TestResults(failed=0, attempted=1)
