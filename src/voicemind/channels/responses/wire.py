"""What a request for a response looks like (OpenAI API reference, "Responses", read 2026-11): types alone. Pure."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from voicemind.channels.chat_completions.wire import Content, ExtraBody, Role, Word


class Item(msgspec.Struct):
    """One thing of the input: a message, a call, or the result of one. What the model thought is passed over."""

    type: Literal["message", "function_call", "function_call_output", "reasoning"] = "message"
    role: Role | None = None
    content: Content = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: Content = None


class FunctionTool(msgspec.Struct):
    """The only kind of tool that there is here. `parameters` is a JSON Schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    type: Literal["function"] = "function"


class AllowedTool(msgspec.Struct):
    """One of the tools that may be called this time."""

    name: str
    type: Literal["function"] = "function"


class ToolChoice(msgspec.Struct):
    """Which tool has to be called, or which ones may be."""

    type: Literal["function", "allowed_tools"]
    name: str | None = None
    mode: Literal["auto", "required"] = "auto"
    tools: list[AllowedTool] | None = None


Choice = Literal["auto", "none", "required"] | ToolChoice | None


class Format(msgspec.Struct):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class TextOptions(msgspec.Struct):
    """How text is answered."""

    format: Format | None = None


class Conversation(msgspec.Struct):
    """Names a conversation."""

    id: str


class Request(msgspec.Struct):
    """The body of a request; what is not named here is ignored."""

    input: str | list[Item] = ""
    model: str | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: str | Conversation | None = None
    store: bool | None = None
    stream: bool | None = None
    background: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    text: TextOptions | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Choice = None
    parallel_tool_calls: bool | None = None
    metadata: Any = None
    user: Word = None
    user_id: Word = None
    elevenlabs_extra_body: ExtraBody | None = None
