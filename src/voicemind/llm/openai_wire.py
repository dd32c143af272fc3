"""OpenAI's Chat Completions interface in both directions: the chat as its messages, and its chunks as pieces. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from voicemind.llm.calls import OpenCall, is_json, paired, parameters
from voicemind.llm.contract import Ask, Finished, Message, TextDelta, ToolCall, Usage
from voicemind.llm.refusals import Problem, meaning, refused
from voicemind.llm.sse import Event

PROVIDER = "openai"

_STATUSES = {
    "invalid_request_error": 400,
    "invalid_api_key": 401,
    "insufficient_quota": 402,
    "context_length_exceeded": 413,
    "rate_limit_exceeded": 429,
}


def chat_of(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """The chat, results right behind their calls."""
    return [_message(message) for message in paired(messages)]


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.content}
    if not message.tool_calls:
        return {"role": message.role, "content": message.content}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.tool_calls
    ]
    return {"role": message.role, "content": message.content or None, "tool_calls": calls}


def tools_of(ask: Ask, *, takes_choice: bool) -> dict[str, Any]:
    """The fields that offer tools; none where there are none, or where they cannot be forbidden otherwise."""
    if not ask.tools or (ask.tool_choice == "none" and not ask.must_call and not takes_choice):
        return {}
    functions = [
        {
            "name": tool.name,
            **({"description": tool.description} if tool.description else {}),
            "parameters": parameters(tool),
        }
        for tool in ask.tools
    ]
    fields: dict[str, Any] = {"tools": [{"type": "function", "function": function} for function in functions]}
    if takes_choice and ask.must_call:
        fields["tool_choice"] = {"type": "function", "function": {"name": ask.must_call}}
    elif takes_choice and ask.tool_choice != "auto":
        fields["tool_choice"] = ask.tool_choice
    return fields


def in_words(ask: Ask, *, takes_choice: bool) -> list[dict[str, Any]]:
    """What the fields cannot say, as messages for the end of the chat: JSON mode wants to be named, and some servers take no order to call."""
    notes: list[str] = []
    is_any = ask.json_schema is not None and _is_any_object(ask.json_schema)
    if is_any and not any("json" in message.content.lower() for message in ask.messages):
        notes.append("Answer with one JSON object and nothing else.")
    if ask.tools and not takes_choice and (ask.must_call or ask.tool_choice == "required"):
        notes.append(f"Answer by calling {ask.must_call or 'one of the tools'}.")
    return [{"role": "system", "content": note} for note in notes]


def form_of(schema: Mapping[str, Any], *, loosely: bool) -> dict[str, Any]:
    """The `response_format` for a schema; one that says nothing but "an object" is JSON mode."""
    if _is_any_object(schema):
        return {"type": "json_object"}
    strict = is_strict(schema) and not loosely
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": strict, "schema": dict(schema)}}


def _is_any_object(schema: Mapping[str, Any]) -> bool:
    return dict(schema) == {"type": "object"}


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether OpenAI can hold a model to every word of the schema: objects list all their fields as required and allow no others.

    >>> is_strict({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False})
    True
    >>> is_strict({"type": "object", "properties": {"a": {"type": "string"}}})
    False
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    is_object = schema.get("type") == "object" or bool(properties)
    closed = schema.get("additionalProperties") is False and set(schema.get("required", ())) == set(properties)
    if is_object and not closed:
        return False
    inner = [*properties.values(), *schema.get("anyOf", ()), *schema.get("$defs", {}).values()]
    return all(is_strict(part) for part in (*inner, *filter(None, [schema.get("items")])))


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Tokens(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Call(msgspec.Struct):
    """A piece of a call; servers leave out whatever they can."""

    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    """One chunk; Azure and others send some without choices."""

    choices: list[_Choice] | None = None
    usage: _Tokens | None = None
    error: dict[str, Any] | str | None = None


_DECODE = msgspec.json.Decoder(_Chunk).decode


class ChunksReader:
    """Reads up to `[DONE]`; where that is missing, the reason for the end is enough."""

    def __init__(self) -> None:
        self.finished: Finished | None = None
        self.over = False
        self._usage = Usage()
        self._calls: list[tuple[int | None, OpenCall]] = []
        self._has_called = False
        self._declined = False

    def read(self, event: Event) -> Sequence[TextDelta | ToolCall]:
        """What an event adds."""
        data = event.data.strip()
        if data == "[DONE]":
            self.over = True
        if not data or self.over:
            return ()
        chunk = _DECODE(data)
        if chunk.error is not None:
            problem = Problem.of(chunk.error)
            raise meaning(PROVIDER, _STATUSES.get(problem.code, 500), problem)
        if chunk.usage is not None:
            self._count(chunk.usage)
        said: list[TextDelta | ToolCall] = []
        for choice in chunk.choices or ():
            self._take(choice, said)
        return said

    def _take(self, choice: _Choice, said: list[TextDelta | ToolCall]) -> None:
        delta = choice.delta
        if delta is not None:
            if delta.content:
                said.append(TextDelta(delta.content))
            if delta.refusal:
                self._declined = True
                said.append(TextDelta(delta.refusal, is_refusal=True))
            for part in delta.tool_calls or ():
                self._add(part)
        if choice.finish_reason is not None:
            said += self._end(choice.finish_reason)

    def _add(self, part: _Call) -> None:
        function = part.function or _Function()
        call = self._meant(part, function.name)
        if call is None:
            call = OpenCall(part.id or "", function.name or "")
            self._calls.append((part.index, call))
        call.call_id = call.call_id or part.id or ""
        call.name = call.name or function.name or ""
        given = function.arguments
        call.add(msgspec.json.encode(given).decode() if isinstance(given, dict) else given or "")

    def _meant(self, part: _Call, name: str | None) -> OpenCall | None:
        """The call that a piece goes on with; None where it begins another. Some servers number no calls, some give all of them the same number."""
        numbered = [call for index, call in self._calls if index == part.index]
        if not numbered:
            return None
        is_another = bool(name and part.id and numbered[-1].call_id not in ("", part.id))
        return None if is_another or (part.index is None and name) else numbered[-1]

    def _end(self, named: str) -> list[ToolCall]:
        """The calls that are whole: the last one may have been cut."""
        if named == "content_filter":
            raise refused(PROVIDER, "to answer this")
        calls = [call.whole() for _, call in self._calls if call.name]
        self._calls = []
        if named == "length" and calls and not is_json(calls[-1]):
            calls.pop()
        self._has_called = self._has_called or bool(calls)
        if named == "length":
            self.finished = Finished("length", self._usage)
        elif self._declined:
            self.finished = Finished("refusal", self._usage)
        else:  # some servers say "stop" although they called
            self.finished = Finished("tool_calls" if self._has_called else "stop", self._usage)
        return calls

    def _count(self, usage: _Tokens) -> None:
        """The usage comes with the last chunk, or with one of its own after the end."""
        details = usage.prompt_tokens_details
        self._usage = Usage(
            prompt=usage.prompt_tokens or 0,
            cached=(details.cached_tokens if details else None) or 0,
            completion=usage.completion_tokens or 0,
        )
        if self.finished is not None:
            self.finished = Finished(self.finished.reason, self._usage)
