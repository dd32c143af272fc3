"""Server-sent events come out the same however the network cuts them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.llm.sse import Event, EventTooLong, SseParser

STREAM = (
    "\ufeff: hello\n"
    'event: message_start\r\ndata: {"a": "é"}\r\n\r\n'
    "event: ping\rdata: {}\r\r"
    ":keep-alive\n\n"
    "data: 漢字 🐈\ndata:second line\nid: 7\nretry: 10\nnonsense\n\n"
    "event: nameless and empty\n\n"
    "data\n\n"
    "data: [DONE]\n\n"
).encode()
EVENTS = [
    Event("message_start", '{"a": "é"}'),
    Event("ping", "{}"),
    Event("message", "漢字 🐈\nsecond line"),
    Event("message", ""),
    Event("message", "[DONE]"),
]

lines = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
names = st.text("abcdefgh_", min_size=1, max_size=10)


def read(chunks: list[bytes]) -> list[Event]:
    parser = SseParser()
    return [*(event for chunk in chunks for event in parser.feed(chunk)), *parser.end()]


def cut(stream: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted({place % (len(stream) + 1) for place in at}), len(stream)]
    return [stream[start:end] for start, end in pairwise(places)]


def test_a_stream_is_read_whole() -> None:
    assert read([STREAM]) == EVENTS


def test_a_stream_is_read_byte_by_byte() -> None:
    assert read([STREAM[at : at + 1] for at in range(len(STREAM))]) == EVENTS


@given(st.lists(st.integers(0, 10_000), max_size=30))
def test_no_cut_changes_the_events(at: list[int]) -> None:
    assert read(cut(STREAM, at)) == EVENTS


@given(
    st.lists(st.tuples(names, st.lists(lines, min_size=1, max_size=3), st.sampled_from(["\n", "\r\n", "\r"]))),
    st.lists(st.integers(0, 10_000), max_size=30),
)
def test_what_is_written_is_read(events: list[tuple[str, list[str], str]], at: list[int]) -> None:
    written = "".join(
        end.join([f"event: {name}", *(f"data: {line}" for line in data), "", ""]) for name, data, end in events
    )
    assert read(cut(written.encode(), at)) == [Event(name, "\n".join(data)) for name, data, _ in events]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_garbage_is_survived(chunks: list[bytes]) -> None:
    assert read(chunks) == read([b"".join(chunks)])


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r", b"\r\n"])
def test_the_last_event_needs_no_blank_line(tail: bytes) -> None:
    assert read([b"data: [DONE]" + tail]) == [Event("message", "[DONE]")]


def test_half_a_character_is_waited_for_and_a_broken_one_replaced() -> None:
    cat = "data: 🐈\n\n".encode()
    assert read([cat[:8], cat[8:]]) == [Event("message", "🐈")]
    assert read([b"data: \xf0\x9f\n\n"]) == [Event("message", "\ufffd")]


@pytest.mark.parametrize("line", [b"x", b"data: x\n"])
def test_an_event_without_an_end_is_given_up(line: bytes) -> None:
    parser = SseParser(longest=1000)
    for _ in range(1000 // len(line)):
        parser.feed(line)
    with pytest.raises(EventTooLong):
        parser.feed(line * 1000)


def test_a_long_stream_of_short_events_is_not_too_long() -> None:
    parser = SseParser(longest=1000)
    assert sum(len(parser.feed(b"data: {}\n\n")) for _ in range(2_000)) == 2_000
