"""Tools for embedded models that were never taught any: offered in words where they may matter, and called by grammar. Pure.

The library's own way was tried and left: templates of small models know no tools and drop them in silence, and the default model's template teaches
it a form that the library does not read back.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from voicemind.llm.calls import paired, parameters
from voicemind.llm.contract import Ask, Message, TextDelta, Tool, ToolCall

_WORDS = r"/[^{\s](.|\n)*/"
_WORD = re.compile(r"[^\W\d_]{3,}")
_SMALL_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
        about all also and any are ask asks back been but call called calls can could did does else for from get gets give gives given had has have
        her him his how its just let like may more most must not now off one only onto our out over own please return returns said say says
        shall she should some tell than that the their them then there these they this those tool tools use used user users uses using want wants
        was were what when where which who whom whose why will with would you your
        """,
    )
)

Way = Literal["words", "either", "any", "one"]
"""How an answer must look: words; words or a call; a call of any tool; the arguments of one tool."""


def way(ask: Ask) -> tuple[Way, tuple[Tool, ...]]:
    """How the ask has to be answered, and the tools that are offered for it.

    Where the model may choose, a tool is offered only if it shares a word with what the person said last, and not again once a result
    is there: a small model that sees a tool uses it, whatever it was told.
    """
    if ask.must_call:
        return "one", tuple(tool for tool in ask.tools if tool.name == ask.must_call)
    if not ask.tools or ask.tool_choice == "none":
        return "words", ()
    if ask.tool_choice == "required":
        return "any", ask.tools
    last = ask.messages[-1]
    said = _words(last.content) if last.role == "user" and ask.json_schema is None else frozenset[str]()
    offered = tuple(tool for tool in ask.tools if said & _words(f"{tool.name} {tool.description}"))
    return ("either", offered) if offered else ("words", ())


def _words(text: str) -> frozenset[str]:
    words = (word.lower() for word in _WORD.findall(text.replace("_", " ")))
    return frozenset(word.removesuffix("s") if len(word) > 3 else word for word in words if word not in _SMALL_WORDS)


def request(ask: Ask) -> dict[str, Any]:
    """The ask in the form of OpenAI's chat completions, as llama.cpp reads it."""
    chosen, tools = way(ask)
    fields: dict[str, Any] = {
        "messages": _chat(ask.messages, _offer(chosen, tools)),
        "max_tokens": ask.max_tokens,
        "temperature": ask.temperature,
        "stream_options": {"include_usage": True},
    }
    fields |= {name: value for name, value in (("top_p", ask.top_p), ("seed", ask.seed)) if value is not None}
    if ask.stop and chosen in ("words", "either"):
        fields["stop"] = list(ask.stop)
    has_called = any(message.tool_calls for message in ask.messages)
    if chosen != "words" or (has_called and ask.json_schema is None):
        fields["grammar"] = _grammar(chosen, tools)
    elif ask.json_schema is not None:
        schema = {"name": "answer", "strict": True, "schema": dict(ask.json_schema)}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    return fields


def _chat(messages: tuple[Message, ...], offer: str) -> list[dict[str, str]]:
    """Calls and results in words; the offer stands at the very end, so that everything before it stays cached."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    chat: list[dict[str, str]] = []
    for message in paired(messages):
        role, text = message.role, message.content
        if message.role == "tool":
            role, text = "user", f"[result of {names.get(message.tool_call_id, 'a tool')}] {message.content}"
        for call in message.tool_calls:
            text = f'{text}\n{{"tool":{json.dumps(call.name)},"arguments":{call.arguments}}}'.strip()
        chat.append({"role": role, "content": text})
    if offer:
        if chat[-1]["role"] == "user":
            chat[-1]["content"] += f"\n\n{offer}"
        else:
            chat.append({"role": "user", "content": offer})
    return chat


def _offer(chosen: Way, tools: tuple[Tool, ...]) -> str:
    if chosen == "words" or not tools:
        return ""
    lines = [
        f"- {tool.name}: {tool.description} Arguments: {json.dumps(parameters(tool)['properties'])}" for tool in tools
    ]
    if chosen == "one":
        return "\n".join(["[Use this tool now; answer with its arguments as JSON:", *lines]) + "]"
    how = 'answer with nothing but {"tool": its name, "arguments": {…}}'
    if chosen == "any":
        return "\n".join([f"[Use one of these tools now; {how}:", *lines]) + "]"
    rule = f"Never guess what a tool can tell or do. If the person asks for it, {how}. If not, answer in words.]"
    return "\n".join(["[Tools that you have:", *lines, rule])


def _grammar(chosen: Way, tools: tuple[Tool, ...]) -> str:
    """Words begin with anything but a brace: a small model that has seen a call would recite it."""
    if chosen == "words":
        return f"%llguidance {{}}\nstart: {_WORDS}\n"
    schemas = [_call_schema(tool) for tool in tools]
    schema = parameters(tools[0]) if chosen == "one" else {"anyOf": schemas} if len(schemas) > 1 else schemas[0]
    meant: dict[str, Any] = {name: what for tool in tools for name, what in tool.parameters.get("$defs", {}).items()}
    call = json.dumps({**schema, "$defs": meant, "x-guidance": {"whitespace_flexible": False}})
    if chosen == "either":
        return f"%llguidance {{}}\nstart: call | words\ncall: %json {call}\nwords: {_WORDS}\n"
    return f"%llguidance {{}}\nstart: %json {call}\n"


def _call_schema(tool: Tool) -> Mapping[str, Any]:
    return {
        "type": "object",
        "properties": {"tool": {"const": tool.name}, "arguments": parameters(tool)},
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }


class _Written(msgspec.Struct):
    tool: str
    arguments: msgspec.Raw


class Answer:
    """Tells calls from words, piece by piece."""

    def __init__(self, ask: Ask) -> None:
        self._way, self._tools = way(ask)
        self._written: list[str] | None = None if self._way in ("words", "either") else []
        self._is_open = self._way == "either"

    def feed(self, text: str) -> TextDelta | None:
        """What may be said of this piece."""
        if self._is_open:
            self._is_open = False
            if text.startswith("{"):
                self._written = []
        if self._written is None:
            return TextDelta(text)
        self._written.append(text)
        return None

    def call(self) -> ToolCall | None:
        """The call at the end; None where there is none, or where it was cut."""
        if self._written is None:
            return None
        text, call_id = "".join(self._written), f"call_{secrets.token_hex(12)}"
        try:
            if self._way == "one":
                return ToolCall(
                    call_id, self._tools[0].name, bytes(msgspec.json.decode(text, type=msgspec.Raw)).decode()
                )
            written = msgspec.json.decode(text, type=_Written)
        except msgspec.DecodeError:
            return None
        return ToolCall(call_id, written.tool, bytes(written.arguments).decode())
