"""Who asks, and in which conversation: found in what platforms send, and hidden from the model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.channels.chat_completions import wire
from voicemind.channels.chat_completions.asked import Chat, chat
from voicemind.channels.chat_completions.identity import MAX_LINE_CHARS, untagged
from voicemind.channels.http import decoded
from voicemind.errors import BadRequest

TAG = "voicemind: conversation=conv_1 user=+4712345678"


def read(*system: str, headers: dict[str, str] | None = None, query: dict[str, str] | None = None, **more: Any) -> Chat:
    messages = [*({"role": "system", "content": text} for text in system), {"role": "user", "content": "Hi"}]
    body = decoded(json.dumps({"messages": messages, **more}).encode(), wire.Request)
    return chat(body, headers=headers or {}, query=query or {})


def test_a_tagged_line_names_conversation_and_person_and_is_never_seen_by_the_model() -> None:
    asked = read(f"{TAG} meeting=m1 intent='small talk'\nYou are a kind host.")
    assert (asked.caller.conversation_id, asked.caller.person) == ("conv_1", "+4712345678")
    assert (asked.caller.meeting_id, asked.caller.intent, asked.wishes.intent) == ("m1", "small talk", "small talk")
    assert asked.caller.channel == "voice"
    assert asked.guidance == "You are a kind host."


def test_a_tagged_line_is_removed_whatever_it_says() -> None:
    assert untagged(["Before.\n  VoiceMind:\nAfter."])[0] == "Before.\nAfter."
    assert untagged(["voicemind: nonsense = = \x07"])[0] == ""


def test_the_person_cannot_say_who_they_are_with_a_tagged_line() -> None:
    body = decoded(json.dumps({"messages": [{"role": "user", "content": TAG}]}).encode(), wire.Request)
    asked = chat(body, headers={}, query={})
    assert asked.caller.conversation_id is asked.caller.person is None
    assert asked.history[0].content == TAG


def test_of_two_tagged_lines_that_agree_on_who_it_is_the_first_counts() -> None:
    asked = read(f"{TAG} intent=one", f"{TAG} intent=two")
    assert (asked.caller.person, asked.caller.intent) == ("+4712345678", "one")


@pytest.mark.parametrize("name", ["conversation", "user", "meeting"])
@pytest.mark.parametrize("first", ["ada", "", "{{system__caller_id}}", '"ada"'])
@pytest.mark.parametrize("between", [" ", " intent=Mallory\t", "\nvoicemind: "])
def test_a_variable_that_a_caller_chose_makes_them_nobody_else(name: str, first: str, between: str) -> None:
    for line in (f"{name}={first}{between}{name}=victim", f"{name}=victim{between}{name.upper()}={first}"):
        with pytest.raises(BadRequest) as refused:
            read(f"voicemind: {line}")
        assert refused.value.param == "messages"
        assert "victim" not in str(refused.value)


@pytest.mark.parametrize("nobody", ["{{system__caller_id}}", "{{ system__caller_id }}", "", "anonymous", "Unknown"])
def test_a_caller_whom_nobody_knows_is_nobody(nobody: str) -> None:
    asked = read(f"voicemind: user={nobody} conversation=c1")
    assert asked.caller.person is None
    assert asked.caller.conversation_id == "c1"
    assert read(headers={"x-user-id": nobody}).caller.person is None
    for extra in ({"user_id": nobody}, {"patient_id": nobody}):
        assert read(elevenlabs_extra_body=extra, user=nobody, metadata={"user_id": nobody}).caller.person is None


def test_a_number_is_the_same_person_however_it_is_written() -> None:
    assert read('voicemind: user="+47 12 34 56 78"').caller.person == "+4712345678"
    assert read(customer={"number": "sip:+4712345678@carrier.example"}).caller.person == "+4712345678"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12-345", "123-45"),
        ("1.10", "11.0"),
        ("00123", "+123"),
        ("sip:anna@clinic-a.example", "sip:anna@clinic-b.example"),
        ("sip:1001@clinic-a.example", "sip:1001@clinic-b.example"),
    ],
)
def test_two_ids_are_two_people_wherever_they_stand(one: str, other: str) -> None:
    headed = [read(headers={"x-user-id": name}).caller.person for name in (one, other)]
    tagged = [read(f"voicemind: user={name}").caller.person for name in (one, other)]
    assert headed == tagged
    assert None not in headed
    assert len(set(headed)) == 2


def test_an_unresolved_conversation_is_none() -> None:
    asked = read("voicemind: conversation={{system__conversation_id}}", metadata={"conversation_id": "other"})
    assert asked.caller.conversation_id == "other"


SOURCES: list[tuple[dict[str, Any], str | None, str | None]] = [
    ({"elevenlabs_extra_body": {"conversation_id": "c0", "patient_id": 7}}, "c0", "7"),
    ({"elevenlabs_extra_body": {"user_id": "u0"}}, None, "u0"),
    ({"headers": {"x-conversation-id": "c1", "x-user-id": "u1"}}, "c1", "u1"),
    ({"call": {"id": "c2", "customer": {"number": "+47"}}}, "c2", "+47"),
    ({"call": {"id": "c2"}, "customer": {"number": "+48"}}, "c2", "+48"),
    ({"query": {"custom_session_id": "c3"}}, "c3", None),
    ({"metadata": {"conversation_id": "c4", "user_id": "u4"}}, "c4", "u4"),
    ({"user": "u5"}, None, "u5"),
    ({"user_id": "u6", "user": "u5"}, None, "u6"),
    ({"call": "c", "customer": [], "metadata": {"user_id": {"x": 1}}}, None, None),
    ({}, None, None),
]


@pytest.mark.parametrize(("sent", "conversation", "person"), SOURCES)
def test_every_source_is_understood(sent: dict[str, Any], conversation: str | None, person: str | None) -> None:
    asked = read(**sent)
    assert (asked.caller.conversation_id, asked.caller.person) == (conversation, person)


def test_where_sources_disagree_the_first_wins() -> None:
    everything: dict[str, Any] = {}
    for sent, _, _ in SOURCES[2:7]:
        everything.update(sent)
    assert read(TAG, **everything).caller.conversation_id == "c1"
    del everything["headers"]
    assert read(TAG, **everything).caller.conversation_id == "conv_1"
    assert read(**everything).caller.conversation_id == "c2"


@pytest.mark.parametrize(
    ("sent", "channel"),
    [
        ({}, "text"),
        ({"headers": {"x-conversation-id": "c"}}, "text"),
        ({"user": "ada", "metadata": {"user_id": "ada"}}, "text"),
        ({"elevenlabs_extra_body": {}}, "voice"),
        ({"call": {"id": "c"}}, "voice"),
        ({"query": {"custom_session_id": "c"}}, "voice"),
        ({"query": {"channel": "voice"}}, "voice"),
        ({"headers": {"x-voicemind-channel": "voice"}}, "voice"),
        ({"query": {"channel": "text"}, "elevenlabs_extra_body": {}}, "text"),
        ({"tools": [{"type": "function", "function": {"name": "end_call"}}]}, "voice"),
        ({"tools": [{"type": "function", "function": {"name": "weather"}}]}, "text"),
    ],
)
def test_a_voice_platform_is_recognised(sent: dict[str, Any], channel: str) -> None:
    assert read(**sent).caller.channel == channel


def test_a_channel_that_there_is_not_is_a_mistake() -> None:
    with pytest.raises(BadRequest) as refused:
        read(query={"channel": "smoke signals"})
    assert refused.value.param == "channel"


def test_an_id_that_cannot_be_one_is_named() -> None:
    with pytest.raises(BadRequest) as refused:
        read(headers={"x-user-id": "x" * 201})
    assert refused.value.param == "X-User-Id"


@pytest.mark.parametrize("piece", ["a", "a={{ ", "a=' ", 'a="', "{{", "a=", "\u00e4", "a\u00b7"])
def test_a_tagged_line_takes_no_longer_for_being_long(piece: str) -> None:
    line = ("voicemind: " + piece * MAX_LINE_CHARS)[:MAX_LINE_CHARS]
    guidance, _ = untagged(["\n".join([line] * 1_000)])
    assert guidance == ""
    with pytest.raises(BadRequest) as refused:
        read("voicemind: " + piece * 1_000_000)
    assert refused.value.param == "messages"


@given(st.lists(st.text(max_size=60), max_size=4))
def test_no_tagged_line_is_left_and_no_other_line_is_lost(lines: list[str]) -> None:
    lines = [line.replace("\n", " ") for line in lines]
    mixed = [text for line in lines for text in ("voicemind: user=u", line)]
    guidance, said = untagged(["\n".join(mixed)])
    assert "voicemind: user=u" not in guidance
    assert "".join(guidance.split()) == "".join("".join(
        line for line in lines if not line.strip(" \t").lower().startswith("voicemind:")).split()
    )  # fmt: skip
    assert said.get("user", "u") == "u"
