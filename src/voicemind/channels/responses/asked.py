"""A request for a response as what is asked: the same request to chat completions, which is checked there. Pure."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from voicemind.channels.chat_completions import wire as chat_wire
from voicemind.channels.chat_completions.asked import Chat, chat
from voicemind.channels.responses import wire
from voicemind.errors import BadRequest, ClientMistake

_RENAMED = {
    "max_tokens": "max_output_tokens",
    "response_format.json_schema.schema": "text.format.schema",
    "messages": "input",
}


def asked(
    request: wire.Request,
    before: Sequence[chat_wire.ChatMessage],
    *,
    headers: Mapping[str, str],
    query: Mapping[str, str],
) -> Chat:
    """What is asked, `before` having been said already. Raises BadRequest or TooLarge, which name the field."""
    if request.background:
        raise BadRequest("A response is made while the client waits.", param="background")
    system = [chat_wire.ChatMessage("system", request.instructions)] if request.instructions else []
    messages, places = _messages(request.input)
    with _named(len(system) + len(before), places):
        return chat(_as_chat(request, [*system, *before, *messages]), headers=headers, query=query)


def _as_chat(request: wire.Request, messages: list[chat_wire.ChatMessage]) -> chat_wire.Request:
    return chat_wire.Request(
        messages=messages,
        model=request.model,
        temperature=request.temperature,
        top_p=request.top_p,
        max_tokens=request.max_output_tokens,
        response_format=_form(request.text),
        tools=[
            chat_wire.FunctionTool(chat_wire.Function(tool.name, tool.description, tool.parameters))
            for tool in request.tools or ()
        ],
        tool_choice=_choice(request.tool_choice),
        metadata=request.metadata,
        user=request.user,
        user_id=request.user_id,
        elevenlabs_extra_body=request.elevenlabs_extra_body,
    )


def _messages(said: str | list[wire.Item]) -> tuple[list[chat_wire.ChatMessage], list[str]]:
    """The input as messages, and where each of them stood. Calls belong to what the assistant said before them."""
    if isinstance(said, str):
        return ([chat_wire.ChatMessage("user", said)] if said.strip() else []), ["input"]
    messages: list[chat_wire.ChatMessage] = []
    places: list[str] = []
    for at, item in enumerate(said):
        where = f"input[{at}]"
        if item.type == "reasoning":
            continue
        if item.type == "function_call":
            call = chat_wire.AskedCall(
                _there(item.call_id, f"{where}.call_id"),
                chat_wire.FunctionCall(_there(item.name, f"{where}.name"), item.arguments or "{}"),
            )
            if messages and messages[-1].role == "assistant":
                messages[-1].tool_calls = [*(messages[-1].tool_calls or ()), call]
                continue
            messages.append(chat_wire.ChatMessage("assistant", tool_calls=[call]))
        elif item.type == "function_call_output":
            identity = _there(item.call_id, f"{where}.call_id")
            messages.append(chat_wire.ChatMessage("tool", item.output, tool_call_id=identity))
        elif item.role is None:
            raise BadRequest("The role is missing.", param=f"{where}.role")
        else:
            messages.append(chat_wire.ChatMessage(item.role, item.content))
        places.append(where)
    return messages, places


def _there(value: str | None, param: str) -> str:
    if not value:
        raise BadRequest("This is missing.", param=param)
    return value


def _form(text: wire.TextOptions | None) -> chat_wire.ResponseFormat | None:
    form = text.format if text else None
    return chat_wire.ResponseFormat(form.type, chat_wire.SchemaFormat(form.schema)) if form else None


def _choice(choice: wire.Choice) -> chat_wire.Choice:
    if choice is None or isinstance(choice, str):
        return choice
    if choice.type == "function":
        return chat_wire.ToolChoice("function", chat_wire.Named(choice.name) if choice.name else None)
    tools = [chat_wire.AllowedTool(chat_wire.Named(tool.name)) for tool in choice.tools or ()]
    return chat_wire.ToolChoice("allowed_tools", allowed_tools=chat_wire.AllowedTools(choice.mode, tools))


@contextmanager
def _named(before: int, places: Sequence[str]) -> Generator[None]:
    """What is wrong is named as it is here."""
    try:
        yield
    except ClientMistake as mistake:
        mistake.param = _here(mistake.param, before, places)
        raise


def _here(param: str | None, before: int, places: Sequence[str]) -> str | None:
    if param is None or param in _RENAMED:
        return _RENAMED.get(param or "")
    if match := re.match(r"messages\[(\d+)\]", param):
        at = int(match[1]) - before
        place = places[at] if 0 <= at < len(places) else "instructions"
        return place + param[match.end() :].replace("tool_call_id", "call_id").removesuffix(".tool_calls")
    return re.sub(r"^(tools\[\d+\])\.function", r"\1", param)
