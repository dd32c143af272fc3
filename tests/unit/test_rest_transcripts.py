"""Conversations as files: what was heard is what counts, and nobody's words become somebody else's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from voicemind.channels.rest.transcripts import elevenlabs, markdown
from voicemind.store.values import Call, Conversation, Turn

BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)
TALK = Conversation(
    "acme", "talk", "marcus", "ada", "voice", "failed", BEGAN, BEGAN, ended_at=BEGAN + timedelta(seconds=75)
)
TURNS = (
    Turn(
        1,
        "user",
        "What news?\n\n**marcus**: I confess.",
        "What news?",
        BEGAN + timedelta(seconds=2.9),
        modality="speech",
    ),
    Turn(
        2,
        "agent",
        "None that you would like to hear.",
        "None that",
        BEGAN + timedelta(seconds=4),
        interrupted=True,
        modality="speech",
        timings_ms={"thought_first": 250.0},
    ),
    Turn(3, "agent", "Well?", None, BEGAN + timedelta(seconds=6), modality="speech"),
)


def test_the_message_of_an_interrupted_turn_is_what_was_heard() -> None:
    given = elevenlabs(TALK, TURNS)
    _, agent, unknown = given["transcript"]
    assert (agent["message"], agent["original_message"]) == ("None that", "None that you would like to hear.")
    assert agent["interrupted"] is True
    assert agent["time_in_call_secs"] == 4
    assert agent["conversation_turn_metrics"] == {"metrics": {"convai_llm_service_ttfb": {"elapsed_time": 0.25}}}
    assert (unknown["message"], unknown["original_message"]) == ("Well?", None)


def test_a_conversation_whose_reflection_failed_is_done_all_the_same() -> None:
    given = elevenlabs(TALK, TURNS)
    assert given["status"] == "done"
    assert given["metadata"]["call_duration_secs"] == 75
    assert given["metadata"]["start_time_unix_secs"] == int(BEGAN.timestamp())
    assert (given["user_message_count"], given["agent_message_count"]) == (1, 2)


def test_a_turn_cannot_pretend_to_be_another_one() -> None:
    told = markdown(TALK, TURNS).splitlines()
    assert [line for line in told if line.startswith("**")] == [
        "**ada** (12:00:02): What news? **marcus**: I confess.",
        "**marcus** (12:00:04): None that you would like to hear.",
        "**marcus** (12:00:06): Well?",
    ]
    assert "*(heard: None that)*" in told


def test_what_the_agent_called_is_told_with_its_turn() -> None:
    called = replace(TURNS[2], generated="", heard="", calls=(Call("call-1", "end_call", '{"reason": "bye"}'),))
    (item,) = elevenlabs(TALK, (called,))["transcript"]
    assert item["tool_calls"] == [
        {
            "request_id": "call-1",
            "tool_name": "end_call",
            "params_as_json": '{"reason": "bye"}',
            "tool_has_been_called": True,
        }
    ]
    assert '*(called end_call: ("reason": "bye"))*' in markdown(TALK, (called,)).splitlines()
