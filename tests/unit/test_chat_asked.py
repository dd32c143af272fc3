"""What requests to chat completions mean: any JSON becomes a chat or is a mistake of the client's, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemind.channels.chat_completions import wire
from voicemind.channels.chat_completions.asked import Chat, chat
from voicemind.channels.chat_completions.messages import MAX_CALLS
from voicemind.channels.http import decoded
from voicemind.errors import BadRequest, ClientMistake
from voicemind.llm.contract import Message, Tool, ToolCall

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": {}}}
AGENT = {"model": "thalia"}


def read(body: dict[str, Any]) -> Chat:
    return chat(decoded(json.dumps(body).encode(), wire.Request), headers={}, query={})


def said(*messages: dict[str, Any], **more: Any) -> Chat:
    return read({**AGENT, "messages": list(messages), **more})


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str | None, *calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **({"tool_calls": list(calls)} if calls else {})}


def result(text: str, identity: str = "call_1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identity, "content": text}


def test_system_and_developer_messages_are_guidance_and_the_others_the_talk() -> None:
    asked = said({"role": "system", "content": "Be kind."}, {"role": "developer", "content": "Be short."}, user("Hi"))
    assert asked.guidance == "Be kind.\nBe short."
    assert asked.history == (Message("user", "Hi"),)


def test_parts_are_one_text() -> None:
    parts = [{"type": "text", "text": "Hello"}, {"type": "input_text", "text": "there"}]
    assert said(user(parts)).history == (Message("user", "Hello there"),)
    refused = {"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not."}]}
    assert said(user("Do it"), refused, user("Why?")).history[1] == Message("assistant", "I will not.")


def test_a_call_and_its_result_stay_together() -> None:
    asked = said(user("Weather?"), assistant(None, CALL), result("Rain"))
    assert asked.history == (
        Message("user", "Weather?"),
        Message("assistant", "", (ToolCall("call_1", "weather", '{"city": "Oslo"}'),)),
        Message("tool", "Rain", (), "call_1"),
    )


def test_a_result_that_comes_after_other_words_is_put_behind_its_call() -> None:
    asked = said(user("Weather?"), assistant("Wait.", CALL), user("Hurry!"), result("Rain"))
    assert [message.role for message in asked.history] == ["user", "assistant", "tool", "user"]


def test_a_call_that_was_never_answered_is_left_out() -> None:
    other = {**CALL, "id": "call_2"}
    asked = said(
        user("Weather?"), assistant("Let me see.", CALL, other), result("Rain"), assistant(None, CALL), user("?")
    )
    assert [[call.id for call in message.tool_calls] for message in asked.history] == [[], ["call_1"], [], []]


def test_the_same_id_in_two_rounds_means_the_newer_call() -> None:
    asked = said(user("A"), assistant(None, CALL), result("1"), user("B"), assistant(None, CALL), result("2"))
    assert [message.content for message in asked.history if message.role == "tool"] == ["1", "2"]
    assert [message.role for message in asked.history] == ["user", "assistant", "tool"] * 2


def test_the_older_names_of_calls_mean_the_same() -> None:
    older = {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}}
    asked = said(
        user("Weather?"),
        older,
        {"role": "function", "name": "weather", "content": "Rain"},
        functions=[{"name": "weather"}],
        function_call={"name": "weather"},
    )
    assert asked.history[1].tool_calls[0].id == asked.history[2].tool_call_id
    assert (asked.wishes.must_call, asked.wishes.tool_choice) == ("weather", "required")
    assert asked.wishes.tools == (Tool("weather"),)


def test_a_result_by_name_is_that_of_the_last_call_of_that_name() -> None:
    calls = [{**CALL, "id": f"call_{at}"} for at in range(3)]
    asked = said(user("Weather?"), assistant(None, *calls), {"role": "function", "name": "weather", "content": "Rain"})
    assert asked.history[-1] == Message("tool", "Rain", (), "call_2")
    with pytest.raises(BadRequest) as refused:
        said(user("Weather?"), assistant(None, *calls), {"role": "function", "name": "time", "content": "Noon"})
    assert refused.value.param == "messages[2].name"


def test_so_many_calls_are_asked_for_in_one_message_and_no_more() -> None:
    calls = [{**CALL, "id": f"call_{at}"} for at in range(MAX_CALLS + 1)]
    assert len(said(user("Weather?"), assistant("Well.", *calls[:-1])).history) == 2
    with pytest.raises(BadRequest) as refused:
        said(user("Weather?"), assistant("Well.", *calls))
    assert refused.value.param == "messages[1].tool_calls"


def test_results_by_name_take_no_longer_for_many_calls_before_them() -> None:
    many = [assistant(None, *({**CALL, "id": f"{at}-{n}"} for n in range(MAX_CALLS))) for at in range(900)]
    rain = {"role": "function", "name": "weather", "content": "Rain"}
    assert said(user("Weather?"), *many, *[rain] * 900).history[-1].tool_call_id == f"899-{MAX_CALLS - 1}"


@pytest.mark.parametrize("last", [assistant("I was saying"), user(""), user("..."), result("Rain")])
def test_a_chat_may_end_with_anybody(last: dict[str, Any]) -> None:
    assert said(user("Weather?"), assistant(None, CALL), result("Sun"), last).history


def test_nothing_said_in_the_middle_is_left_out_and_silence_at_the_end_is_kept() -> None:
    asked = said(user("Hi"), assistant("Hello."), user(""), assistant("Are you there?"), user(" "))
    assert [message.content for message in asked.history] == ["Hi", "Hello.", "Are you there?", ""]


def test_wishes_are_taken_over() -> None:
    wishes = said(
        user("Hi"), max_tokens=5, max_completion_tokens=7, temperature=0, top_p=0.5, seed=-1, stop="END", user="ada"
    ).wishes
    assert (wishes.max_tokens, wishes.temperature, wishes.top_p, wishes.seed, wishes.stop) == (7, 0, 0.5, -1, ("END",))


@pytest.mark.parametrize(
    ("form", "schema"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array"}}}, {"type": "array"}),
    ],
)
def test_the_form_of_the_answer_is_a_schema(form: dict[str, Any], schema: dict[str, Any] | None) -> None:
    assert said(user("Hi"), response_format=form).wishes.json_schema == schema


def allowed(mode: str) -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": "weather"}}]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


@pytest.mark.parametrize(
    ("choice", "tools", "whether", "must_call"),
    [
        (None, 2, "auto", ""),
        ("none", 2, "none", ""),
        ("required", 2, "required", ""),
        ({"type": "function", "function": {"name": "weather"}}, 2, "required", "weather"),
        (allowed("auto"), 1, "auto", ""),
        (allowed("required"), 1, "required", ""),
    ],
)
def test_the_choice_between_tools_is_understood(choice: Any, tools: int, whether: str, must_call: str) -> None:
    end = {"type": "function", "function": {"name": "end_call", "parameters": {"type": "object", "properties": {}}}}
    wishes = said(user("Hi"), tools=[WEATHER, end], tool_choice=choice, parallel_tool_calls=False).wishes
    assert (len(wishes.tools), wishes.tool_choice, wishes.must_call) == (tools, whether, must_call)


def test_a_schema_that_is_nested_without_end_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(40):
        schema = {"type": "object", "properties": {"inner": schema}}
    with pytest.raises(BadRequest):
        said(user("Hi"), response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool", "function", "king"])
CONTENTS = (
    st.none() | st.text(max_size=30) | st.lists(st.builds(lambda t: {"type": "text", "text": t}, st.text()), max_size=3)
)
NAMES = st.sampled_from(["weather", "end_call", "?", ""])
CALLS = st.builds(
    lambda identity, name, arguments: {"id": identity, "function": {"name": name, "arguments": arguments}},
    st.sampled_from("abc"),
    NAMES,
    st.text(max_size=10),
)
MESSAGES = st.fixed_dictionaries(
    {"role": ROLES, "content": CONTENTS},
    optional={"tool_calls": st.lists(CALLS, max_size=3), "tool_call_id": st.sampled_from("abcd"), "name": NAMES},
)
SCHEMAS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["object", "array", "string", "integer", ["string", "null"], 7]),
        "properties": st.dictionaries(st.text(max_size=5), st.booleans() | st.just({"type": "string"}), max_size=2),
        "enum": ANYTHING,
        "items": ANYTHING,
    },
)
FUNCTIONS = st.builds(lambda name, parameters: {"name": name, "parameters": parameters}, NAMES, SCHEMAS)
REQUESTS = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGES, max_size=6) | ANYTHING},
    optional={
        "model": st.text(max_size=5) | ANYTHING,
        "temperature": ANYTHING,
        "seed": ANYTHING,
        "max_tokens": ANYTHING,
        "stop": ANYTHING,
        "metadata": ANYTHING,
        "call": ANYTHING,
        "customer": ANYTHING,
        "elevenlabs_extra_body": ANYTHING,
        "tools": st.lists(st.builds(lambda f: {"type": "function", "function": f}, FUNCTIONS), max_size=3) | ANYTHING,
        "functions": st.lists(FUNCTIONS, max_size=2),
        "tool_choice": st.sampled_from(["auto", "none", "required", {"type": "function", "function": {"name": "weather"}}]) | ANYTHING,
        "response_format": st.builds(lambda s: {"type": "json_schema", "json_schema": {"name": "x", "schema": s}}, SCHEMAS) | ANYTHING,
    },
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(REQUESTS | ANYTHING)
def test_any_json_is_a_chat_or_a_mistake_of_the_clients(body: Any) -> None:
    try:
        asked = chat(decoded(msgspec.json.encode(body), wire.Request), headers={}, query={})
    except ClientMistake:
        return
    assert len(asked.history) <= 2 * len(body["messages"])
    calls: set[str] = set()
    for message in asked.history:
        if message.role == "tool":
            assert message.tool_call_id in calls
            calls.discard(message.tool_call_id)
        else:
            assert not calls, "every call is followed by its result"
            calls = {call.id for call in message.tool_calls}
    assert not calls
