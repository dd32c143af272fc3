"""What a server says, as a client understands it."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.channels.browser import events, frames
from voicemind.cli.answers import OpenedConversation, Remembered, ReplySound, decoded, event_of, refusal
from voicemind.errors import BadMessage, Busy, ClientMistake, ProviderUnavailable, Unauthenticated, UnknownAgent
from voicemind.speech.audio import Pcm

EXAMPLES: dict[type[events.Event], events.Event] = {
    type(event): event
    for event in (
        events.Ready("s", "c", "c", "counsellor", "Mara", "text", 16_000, 24_000),
        events.State("listening"),
        events.Transcript("Hello", final=True, turn=1),
        events.AgentResponse("Hi", final=True, generation=3, turn=2),
        events.Interrupted(3),
        events.Error("No.", "bad_message"),
        events.Complete("c", "end", 2),
        events.Ducked(1, 0.3),
        events.Heard(1, 2, "Good", "day.", interrupted=True),
        events.ToolCall("c", "look", "{}", "ok", 3.5),
        events.Timed(1, {"spoke_first": 4.5}),
        events.Acknowledged("m"),
        events.Queued(1, 0.5),
        events.Resumed("s", "c", 2, "listening"),
        events.Draining(30),
    )
}


@pytest.mark.parametrize("kind", [kind for kind in events.EVENTS if kind is not events.AudioChunk])
def test_every_event_arrives_as_it_was_sent(kind: type[events.Event]) -> None:
    assert event_of(events.serialise(EXAMPLES[kind], timestamp_ms=1)) == EXAMPLES[kind]


def test_sound_is_the_same_whichever_way_it_travels() -> None:
    pcm = Pcm(b"\x01\x02" * 480, 24_000)
    as_json = events.serialise(events.audio_chunk(pcm, generation=2, position=24_000), timestamp_ms=1)

    assert (
        event_of(as_json)
        == event_of(frames.server_audio(pcm, generation=2, position=24_000))
        == ReplySound(pcm, 2, 24_000)
    )


def test_a_kind_from_a_newer_server_is_passed_over() -> None:
    assert event_of('{"type":"weather","data":{"sky":"blue"},"timestamp":1}') is None


@given(st.one_of(st.text(), st.binary()))
def test_what_is_no_message_is_refused_and_nothing_else_happens(frame: str | bytes) -> None:
    with pytest.raises(ClientMistake):
        event_of(frame)


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8)))
def test_an_event_without_its_fields_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(BadMessage):
        event_of(json.dumps({"type": "ready", "data": content, "timestamp": 1}))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Unauthenticated), (404, UnknownAgent), (503, Busy), (500, ProviderUnavailable), (418, ClientMistake)],
)
def test_a_refusal_says_who_must_act(status: int, kind: type[Exception]) -> None:
    assert isinstance(refusal(status, b'{"error":"not_found","detail":"There is no agent of that name."}'), kind)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"error":"model_not_found","detail":"No such agent."}', "No such agent."),
        (b'{"error":{"message":"No such agent.","type":"x","param":null,"code":null}}', "No such agent."),
        (b"<html>", "The server answered with status 404."),
        (b"[]", "The server answered with status 404."),
    ],
)
def test_the_sentence_of_a_refusal_is_found_in_both_forms(body: bytes, sentence: str) -> None:
    assert str(refusal(404, body)) == sentence


def test_only_what_is_new_counts_as_remembered() -> None:
    ended = Remembered(
        "success",
        before={"memory": "- Has a cat.", "goals": "[nothing yet]"},
        after={"memory": "- Has a cat.\n- Lives in Oslo.", "goals": "[nothing yet]"},
    )

    assert ended.news() == {"memory": ["Lives in Oslo."]}


def test_an_answer_that_is_still_pending_is_told_from_a_finished_one() -> None:
    assert decoded(b'{"status":"pending","conversation_id":"c","detail":"Ask again."}', Remembered).is_pending
    assert not decoded(b'{"status":"success","before":{},"after":{}}', Remembered).is_pending


def test_an_answer_of_another_program_is_refused() -> None:
    with pytest.raises(BadMessage, match="another version"):
        decoded(msgspec.json.encode({"conversation": 1}), OpenedConversation)
