"""Tools, the choice between them, and schemas, as far as a request may ask for them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from voicemind.channels.chat_completions import wire
from voicemind.errors import BadRequest
from voicemind.llm import contract

MAX_TOOLS = 128
MAX_SCHEMA_DEPTH = 32
PLATFORM_TOOLS = frozenset(
    {
        "end_call",
        "skip_turn",
        "language_detection",
        "transfer_to_agent",
        "transfer_to_number",
        "voicemail_detection",
        "play_keypad_touch_tone",
    }
)
"""Tools that voice platforms offer of their own accord (ElevenLabs, "System tools", read 2026-11)."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SCHEMAS = ("properties", "$defs", "definitions", "patternProperties")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")

Choice = tuple[tuple[contract.Tool, ...], contract.ToolChoice, str]
"""The tools that may be called, whether one has to be, and which one; empty where any will do."""


def chosen(
    functions: Sequence[wire.Function],
    choice: wire.Choice,
    *,
    param: str = "tools",
) -> Choice:
    """What may be called. Raises BadRequest, which names the field."""
    tools = offered(functions, param=param)
    if choice is None or isinstance(choice, str):
        if choice == "required" and not tools:
            raise BadRequest("A tool must be called, but there is none.", param="tool_choice")
        return tools, choice or "auto", ""
    if choice.type == "allowed_tools":
        allowed = choice.allowed_tools
        if allowed is None or not allowed.tools:
            raise BadRequest("allowed_tools names no tool.", param="tool_choice.allowed_tools")
        names = [tool.function.name for tool in allowed.tools]
        _known(names, tools)
        return tuple(tool for tool in tools if tool.name in names), allowed.mode, ""
    if choice.function is None:
        raise BadRequest("tool_choice names no function.", param="tool_choice.function")
    _known([choice.function.name], tools)
    return tools, "required", choice.function.name


def offered(functions: Sequence[wire.Function], *, param: str) -> tuple[contract.Tool, ...]:
    """The tools, if they can be offered to a model. Raises BadRequest."""
    if len(functions) > MAX_TOOLS:
        raise BadRequest(f"There are more than {MAX_TOOLS} tools.", param=param)
    tools: dict[str, contract.Tool] = {}
    for at, function in enumerate(functions):
        where = f"{param}[{at}]" if param == "functions" else f"{param}[{at}].function"
        if not _NAME.fullmatch(function.name):
            raise BadRequest("A name has 1 to 64 letters, digits, _ or -.", param=f"{where}.name")
        if function.name in tools:
            raise BadRequest("Two tools have the same name.", param=f"{where}.name")
        parameters = function.parameters or {}
        check_schema(parameters, param=f"{where}.parameters")
        if parameters and parameters.get("type", "object") != "object":
            raise BadRequest("The parameters of a function are an object.", param=f"{where}.parameters")
        tools[function.name] = contract.Tool(function.name, function.description or "", parameters)
    return tuple(tools.values())


def answer_schema(form: wire.ResponseFormat | None) -> Mapping[str, Any] | None:
    """What the whole answer must satisfy; None for plain text. Raises BadRequest."""
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "object"}
    schema = form.json_schema.schema if form.json_schema else None
    if schema is None:
        raise BadRequest("There is no schema.", param="response_format.json_schema.schema")
    check_schema(schema, param="response_format.json_schema.schema")
    return schema


def check_schema(schema: Mapping[str, Any], *, param: str) -> None:
    """Raises BadRequest for what cannot be a JSON Schema, or is nested deeper than a model can follow. Not a validator: models refuse the rest."""
    waiting: list[tuple[Any, int]] = [(schema, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, bool):
            continue
        node = object_of(value)
        if node is None or depth > MAX_SCHEMA_DEPTH or not _is_plain(node):
            raise BadRequest("This is no JSON Schema that can be used.", param=param)
        for name in _SCHEMAS:
            waiting.extend((inner, depth + 1) for inner in node.get(name, {}).values())
        for name in _LISTS:
            waiting.extend((inner, depth + 1) for inner in node.get(name, ()))
        waiting.extend((node[name], depth + 1) for name in ("items", "additionalProperties", "not") if name in node)


def object_of(value: Any) -> dict[str, Any] | None:
    """A JSON object; None for any other value."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _is_plain(node: Mapping[str, Any]) -> bool:
    """Whether the keywords that are walked through have the types that JSON Schema gives them."""
    kinds = node.get("type", "object")
    named = isinstance(kinds, str) or (bool(kinds) and _all(kinds, str))
    numbers = ("minLength", "minItems", "minimum", "maximum")
    return (
        named
        and all(isinstance(node.get(name, {}), dict) for name in _SCHEMAS)
        and all(isinstance(node.get(name, []), list) for name in (*_LISTS, "enum"))
        and _all(node.get("required", []), str)
        and all(_is_number(node.get(name, 0)) for name in numbers)
    )


def _all(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in cast("Sequence[Any]", values))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _known(names: Sequence[str], tools: Sequence[contract.Tool]) -> None:
    offered_names = {tool.name for tool in tools}
    if not offered_names.issuperset(names):
        raise BadRequest("tool_choice names a function that is not among the tools.", param="tool_choice")
