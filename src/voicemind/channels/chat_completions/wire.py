"""What a request to chat completions looks like (OpenAI API reference, "Chat", read 2026-11): types alone. Pure."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]


class Part(msgspec.Struct):
    """One part of a message's content; only text can be used."""

    type: str
    text: str = ""
    refusal: str = ""


Content = str | list[Part] | None


class FunctionCall(msgspec.Struct):
    """What was called, with the JSON text of its arguments."""

    name: str
    arguments: str = "{}"


class AskedCall(msgspec.Struct):
    """A call that the assistant asked for."""

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class ChatMessage(msgspec.Struct):
    """A message as it is sent. `function_call` and the role `function` are older names of calls and their results."""

    role: Role
    content: Content = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[AskedCall] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None


class StreamOptions(msgspec.Struct):
    """Asks for the usage at the end of a stream."""

    include_usage: bool | None = None


class Function(msgspec.Struct):
    """A function that may be called. `parameters` is a JSON Schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class FunctionTool(msgspec.Struct):
    """The only kind of tool that there is here."""

    function: Function
    type: Literal["function"] = "function"


class Named(msgspec.Struct):
    """Names a function."""

    name: str


class AllowedTool(msgspec.Struct):
    """One of the tools that may be called this time."""

    function: Named
    type: Literal["function"] = "function"


class AllowedTools(msgspec.Struct):
    """The tools that may be called this time, and whether one has to be."""

    mode: Literal["auto", "required"]
    tools: list[AllowedTool]


class ToolChoice(msgspec.Struct):
    """Which tool has to be called, or which ones may be."""

    type: Literal["function", "allowed_tools"]
    function: Named | None = None
    allowed_tools: AllowedTools | None = None


Choice = Literal["auto", "none", "required"] | ToolChoice | None


class SchemaFormat(msgspec.Struct):
    """The JSON Schema that an answer has to satisfy."""

    schema: dict[str, Any] | None = None


class ResponseFormat(msgspec.Struct):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaFormat | None = None


Word = str | int | None
"""An id: some platforms send numbers."""


class ExtraBody(msgspec.Struct):
    """`elevenlabs_extra_body`: which conversation this is, whose, and what about."""

    conversation_id: Word = None
    patient_id: Word = None
    user_id: Word = None
    role_id: str | None = None
    meeting_id: Word = None
    intent: str | None = None


class Request(msgspec.Struct):
    """The body of a request; what is not named here is ignored. `call`, `customer` and `metadata` are read as far as they can be."""

    messages: list[ChatMessage]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    response_format: ResponseFormat | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Choice = None
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = None
    function_call: Literal["auto", "none"] | Named | None = None
    user: Word = None
    user_id: Word = None
    elevenlabs_extra_body: ExtraBody | None = None
    call: Any = None
    customer: Any = None
    metadata: Any = None
