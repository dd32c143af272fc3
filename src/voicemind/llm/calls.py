"""Calls of tools: put together from the pieces that a wire brings, and told with their results in the order on which every service insists."""

from __future__ import annotations

import secrets
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from voicemind.llm.contract import Message, Tool, ToolCall

LONGEST_ARGUMENTS = 1_000_000
"""Characters after which the arguments of a call are given up: no tool takes that many."""

NO_RESULT = "[no result]"


class OpenCall:
    """A call whose arguments are still coming."""

    def __init__(self, call_id: str = "", name: str = "") -> None:
        self.call_id = call_id
        self.name = name
        self._parts: list[str] = []
        self._size = 0

    def add(self, part: str) -> None:
        """Append some of the arguments. Raises ValueError where they do not end."""
        self._size += len(part)
        if self._size > LONGEST_ARGUMENTS:
            raise ValueError
        self._parts.append(part)

    def whole(self) -> ToolCall:
        """The call as it is now; an id is made up where the service gave none."""
        return ToolCall(
            self.call_id or f"call_{secrets.token_hex(12)}", self.name, "".join(self._parts).strip() or "{}"
        )


def is_json(call: ToolCall) -> bool:
    """Whether the arguments can be read: those of an answer that was cut cannot.

    >>> is_json(ToolCall("a", "look", '{"where": "here"}')), is_json(ToolCall("a", "look", '{"where": "he'))
    (True, False)
    """
    try:
        msgspec.json.decode(call.arguments, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return True


def arguments(call: ToolCall) -> dict[str, Any]:
    """The arguments as a mapping; empty where the model wrote something else.

    >>> arguments(ToolCall("a", "look", '{"where": "here"}')), arguments(ToolCall("a", "look", "[1"))
    ({'where': 'here'}, {})
    """
    try:
        found = msgspec.json.decode(call.arguments)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def parameters(tool: Tool) -> dict[str, Any]:
    """The schema of a tool's arguments, which is always one of an object.

    >>> parameters(Tool("hang_up"))
    {'type': 'object', 'properties': {}}
    """
    given: Mapping[str, Any] = tool.parameters
    return {"type": "object", **({} if "properties" in given else {"properties": {}}), **given}


def paired(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The chat with the results of each message's calls right behind it, one for each call; services refuse any other order.

    A call without a result gets one that says so. A result without a call, whose beginning was cut off, is told by the person's side.
    """
    if not any(message.tool_calls or message.role == "tool" for message in messages):
        return messages
    results: defaultdict[str, deque[int]] = defaultdict(deque)
    for at, message in enumerate(messages):
        if message.role == "tool":
            results[message.tool_call_id].append(at)
    told: set[int] = set()
    chat: list[Message] = []
    for at, message in enumerate(messages):
        if message.role != "tool":
            chat.append(message)
        elif at not in told:
            chat.append(Message("user", f"[result of a tool] {message.content}"))
        for call in message.tool_calls:
            found = _next_after(at, results[call.id])
            told |= {found} if found is not None else set()
            chat.append(Message("tool", NO_RESULT if found is None else messages[found].content, tool_call_id=call.id))
    return tuple(chat)


def _next_after(at: int, places: deque[int]) -> int | None:
    """Take the first place behind `at`."""
    while places:
        place = places.popleft()
        if place > at:
            return place
    return None
