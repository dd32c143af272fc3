"""What a platform tells of a call is read as far as it can be read."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.calling import begun, item, said

from voicemind.channels.webhooks import wire
from voicemind.store.values import Call, NewTurn

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "data", "transcript", "role", "message", "tool_calls", "conversation_id", "dynamic_variables"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def test_what_was_heard_and_what_was_meant_are_told_apart() -> None:
    told = wire.event(
        said(
            item("agent", "Hello."),
            item("user", " My cat is called Biscuit. "),
            item("agent", "What a", interrupted=True, original_message="What a lovely name for a cat."),
            item("agent", None, interrupted=True, original_message="Nobody heard this."),
            item("user", None),
            item("user", "   "),
            item("user", "And typed.", source_medium="text"),
            item(
                "agent",
                None,
                tool_calls=[
                    {"type": "system", "request_id": "r1", "tool_name": "end_call", "params_as_json": '{"a":1}'}
                ],
            ),
        )
    ).told
    assert told.turns == (
        NewTurn("agent", "Hello.", heard="Hello.", modality="speech"),
        NewTurn("user", "My cat is called Biscuit.", heard="My cat is called Biscuit.", modality="speech"),
        NewTurn("agent", "What a lovely name for a cat.", heard="What a", interrupted=True, modality="speech"),
        NewTurn("user", "And typed.", heard="And typed.", modality="text"),
        NewTurn("agent", "", heard="", modality="speech", calls=(Call("r1", "end_call", '{"a":1}'),)),
    )


def test_our_names_of_the_conversation_come_before_the_platforms() -> None:
    told = wire.event(
        said(
            conversation_id="conv_9",
            user_id="of-the-platform",
            **begun(
                extra={"conversation_id": "ours", "patient_id": "ada", "role_id": "thalia"},
                conversation_id="call-sid",
                role_id="marcus",
                user_id="+15550001234",
                system__caller_id="+1 (555) 000-1234",
            ),
        )
    ).told
    assert told.platform_id == "conv_9"
    assert told.conversations == ("ours", "call-sid", "conv_9")
    assert told.agents == ("thalia", "marcus", "agent_1")
    assert told.people == ("ada", "+15550001234", "of-the-platform", "+1 (555) 000-1234")


@pytest.mark.parametrize("withheld", ["anonymous", "Anonymous", "unknown", "", None, 7, "+266696687"])
def test_a_caller_who_keeps_the_number_back_is_nobody(withheld: Any) -> None:
    assert wire.event(said(**begun(system__caller_id=withheld))).told.people == ()


@pytest.mark.parametrize("name", ["\x07bell", "x" * 201, "  ", "{{secret__id}}", 7, None])
def test_an_id_that_can_be_none_of_ours_is_left_out(name: Any) -> None:
    told = wire.event(said(conversation_id=name, **begun(extra={"patient_id": name, "role_id": name}))).told
    assert (told.platform_id, told.conversations, told.people, told.agents) == ("", (), (), ("agent_1",))


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (said(), "over"),
        (said(status="processing"), "unfinished"),
        ({"type": "post_call_audio", "data": {}}, "audio"),
        ({"type": "call_initiation_failure", "data": {}}, "failed"),
        ({"type": "answering_machine_detection"}, "unknown"),
        ({}, "unknown"),
        ([], "unknown"),
        (None, "unknown"),
    ],
)
def test_events_are_told_apart(event: Any, kind: str) -> None:
    assert wire.event(event).kind == kind


@given(anything)
def test_any_event_can_be_read(content: Any) -> None:
    for event in (content, said(transcript=content), {"type": "post_call_transcription", "data": content}):
        told = wire.event(msgspec.json.decode(msgspec.json.encode(event))).told
        assert all(turn.generated or turn.calls for turn in told.turns)
        assert all(name.isprintable() and name for name in (*told.conversations, *told.agents, *told.people))
