"""Requests and ids of responses: any JSON is a chat or a mistake of the client's, and an id says where its response stands."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response as OfficialResponse

from voicemind.channels.chat_completions.asked import Chat
from voicemind.channels.http import decoded
from voicemind.channels.responses import wire
from voicemind.channels.responses.answer import Response
from voicemind.channels.responses.asked import asked
from voicemind.channels.responses.naming import Place, as_messages, place_after, place_of, response_id, until
from voicemind.clock import utc_now
from voicemind.errors import ClientMistake, ProviderUnavailable
from voicemind.llm.contract import Finished, Message, TextDelta, ToolCall
from voicemind.ops.keys import Keys
from voicemind.ops.marks import FILE, Marks
from voicemind.store.values import Call, Turn


def read(**body: Any) -> Chat:
    return asked(decoded(json.dumps(body).encode(), wire.Request), (), headers={}, query={})


CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "Rain"}


def test_items_are_the_messages_of_a_chat() -> None:
    chat = read(
        instructions="Be kind.",
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Wait."}]},
            CALL,
            OUTPUT,
        ],
    )
    call = ToolCall("c1", "weather", "{}")
    assert chat.guidance == "Be kind."
    assert chat.history == (
        Message("user", "Weather?"),
        Message("assistant", "Wait.", (call,)),
        Message("tool", "Rain", (), "c1"),
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": "x" * 32_001}, "input.content"),
        ({"input": [{"role": "user", "content": "Hi"}, OUTPUT]}, "input[1].call_id"),
        ({"input": [{"content": "Hi"}]}, "input[0].role"),
        ({"input": [{"type": "function_call", "name": "x"}]}, "input[0].call_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content"),
        ({"input": "Hi", "max_output_tokens": 0}, "max_output_tokens"),
        ({"input": "Hi", "text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"input": "Hi", "tools": [{"type": "function", "name": "?"}]}, "tools[0].name"),
        ({"input": "Hi", "tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": "Hi", "background": True}, "background"),
    ],
)
def test_what_is_wrong_is_named_as_it_was_sent(body: dict[str, Any], param: str) -> None:
    with pytest.raises(ClientMistake) as refused:
        read(**body)
    assert refused.value.param == param


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["message", "function_call", "function_call_output", "reasoning", "item_reference"]),
        "role": st.sampled_from(["user", "assistant", "system", "developer", "tool"]),
        "content": st.text(max_size=9) | ANYTHING,
        "call_id": st.sampled_from("ab"),
        "name": st.sampled_from(["weather", ""]),
        "arguments": st.text(max_size=5),
        "output": st.text(max_size=5) | ANYTHING,
    },
)
REQUESTS = st.fixed_dictionaries(
    {"input": st.lists(ITEMS, max_size=6) | st.text(max_size=20) | ANYTHING},
    optional=dict.fromkeys(
        ("text", "tools", "tool_choice", "metadata", "instructions", "conversation", "user"), ANYTHING
    ),
)


@settings(max_examples=150, deadline=None)
@given(REQUESTS | ANYTHING)
def test_any_json_is_a_chat_or_a_mistake_of_the_clients(body: Any) -> None:
    try:
        chat = asked(decoded(msgspec.json.encode(body), wire.Request), (), headers={}, query={})
    except ClientMistake:
        return
    assert all(message.tool_call_id for message in chat.history if message.role == "tool")


MARKS = Marks(Keys("acme:ann-key-1,acme:ann-key-2,globex:bob-key-1"), folder=Path("nowhere"))
MARK = partial(MARKS.of, "acme")
IS_OURS = partial(MARKS.is_ours, "acme")


@given(st.text(min_size=1, max_size=200), st.integers(0, 9999), st.integers(0, 99))
def test_an_id_says_where_its_response_stands(conversation: str, said: int, replies: int) -> None:
    place = Place(conversation, said, replies)
    identity = response_id(place, mark=MARK)
    assert place_of(identity, is_ours=IS_OURS) == place
    assert place_of(identity, is_ours=partial(MARKS.is_ours, "globex")) is None


@given(st.text(max_size=60) | st.from_regex(r"resp_\d{1,3}_\d_[0-9a-f]{64}_[\w-]{1,9}", fullmatch=True))
def test_an_id_that_was_made_up_says_nothing(identity: str) -> None:
    assert place_of(identity, is_ours=IS_OURS) is None


def test_no_part_of_an_id_can_be_changed() -> None:
    identity = response_id(Place("talk-1", 1, 1), mark=MARK)
    other = response_id(Place("talk-2", 1, 1), mark=MARK)
    head, tail = identity.rsplit("_", 1)
    for forged in (
        identity.replace("resp_1_1", "resp_9_1"),
        identity.replace("resp_1_1", "resp_1_9"),
        f"{head}_{other.rsplit('_', 1)[1]}",
        f"{head[:-1]}{'1' if head[-1] == '0' else '0'}_{tail}",
    ):
        assert place_of(forged, is_ours=IS_OURS) is None


def test_an_id_outlives_a_restart_and_a_further_key_but_not_its_own(tmp_path: Path) -> None:
    place = Place("talk-1", 1, 1)
    identity = response_id(place, mark=MARK)
    for keys, known in (("acme:ann-key-3,acme:ann-key-1", True), ("acme:ann-key-3", False), ("", False)):
        marks = Marks(Keys(keys), folder=tmp_path)
        assert (place_of(identity, is_ours=partial(marks.is_ours, "acme")) == place) is known
    own = response_id(place, mark=partial(Marks(Keys(""), folder=tmp_path).of, "default"))
    assert place_of(own, is_ours=partial(Marks(Keys(""), folder=tmp_path).is_ours, "default")) == place
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_nothing_goes_on_from_a_response_that_is_not_kept() -> None:
    assert place_of(response_id(None, mark=MARK), is_ours=IS_OURS) is None


def turn(seq: int, role: Any, text: str, **more: Any) -> Turn:
    return Turn(seq=seq, role=role, generated=text, heard=text, created_at=utc_now(), **more)


TURNS = [
    turn(1, "agent", "Hello."),
    turn(2, "user", "Weather?"),
    turn(3, "agent", "", calls=(Call("c1", "weather", "{}"),)),
    turn(4, "agent", "Rain."),
    turn(5, "user", "Thanks."),
    turn(6, "agent", "Gladly."),
]


@pytest.mark.parametrize(("said", "replies", "last"), [(0, 1, 1), (1, 1, 3), (1, 2, 4), (2, 1, 6), (9, 9, 6)])
def test_what_was_said_until_a_response_is_found_again(said: int, replies: int, last: int) -> None:
    assert [turn.seq for turn in until(TURNS, Place("c", said, replies))] == list(range(1, last + 1))


def test_the_answer_to_a_talk_stands_behind_it() -> None:
    assert place_after("c", ()) == Place("c", 0, 1)
    assert place_after("c", (Message("user", "a"),)) == Place("c", 1, 1)
    assert place_after("c", (Message("user", "a"), Message("assistant", "b"), Message("tool", "c"))) == Place("c", 1, 2)


def test_turns_are_told_as_a_client_would() -> None:
    told = as_messages(TURNS[:3])
    assert [message.role for message in told] == ["assistant", "user", "assistant"]
    assert told[2].tool_calls is not None
    assert told[2].tool_calls[0].function.name == "weather"


SETTLED = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "thalia",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "error": None,
    "incomplete_details": None,
}


def official(response: Response) -> OfficialResponse:
    return OfficialResponse.model_validate_json(json.dumps(response.whole()))


def test_an_answer_of_words_and_calls_is_one_response() -> None:
    response = Response(SETTLED)
    for piece in (TextDelta("Let me "), TextDelta("see."), ToolCall("c1", "weather", "{}"), TextDelta("Rain.")):
        response.tell(piece)
    response.tell(Finished())
    done = official(response)
    assert [item.type for item in done.output] == ["message", "function_call", "message"]
    assert done.output_text == "Let me see.Rain."
    assert done.status == "completed"


@pytest.mark.parametrize("speaks", [True, False])
def test_a_refusal_is_one_unless_it_is_spoken(speaks: bool) -> None:
    response = Response(SETTLED, speaks=speaks)
    raw = response.tell(TextDelta("I cannot.", is_refusal=True)) + response.tell(Finished("refusal"))
    assert (official(response).output_text == "I cannot.") == speaks
    assert (b"response.refusal.done" in raw) != speaks


def test_a_response_that_breaks_off_has_failed() -> None:
    response = Response(SETTLED)
    response.tell(TextDelta("I was"))
    raw = response.broken(ProviderUnavailable("secret words", provider="x"))
    assert b"secret words" not in raw
    done = official(response)
    assert (done.status, done.output[0].status) == ("failed", "incomplete")  # type: ignore[union-attr]
