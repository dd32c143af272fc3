"""The messages of a request as the talk so far, and what the caller's own system messages say. Pure.

A call and its result belong together: results are put behind the message with their call, and a call whose result never came (the person spoke
first, say) is left out, since no model goes on from it. A result of a call that nobody made is a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from voicemind.channels.chat_completions.wire import ChatMessage, Content
from voicemind.conversation.opening import MAX_SAID_CHARS
from voicemind.errors import BadRequest, TooLarge
from voicemind.llm.contract import Message, ToolCall

MAX_MESSAGES = 2_000
MAX_CALLS = 128
"""Calls in one message; OpenAI takes as many tools."""
_SYSTEM = frozenset({"system", "developer"})
_WORDS = frozenset({"text", "input_text", "output_text"})


@dataclass(slots=True)
class _Calling:
    """A message with calls, and their results by their ids."""

    message: Message
    results: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class _Asked:
    """The calls so far: by their ids the message with each, and the id of the newest of each name."""

    ids: dict[str, _Calling] = field(default_factory=dict[str, _Calling])
    names: dict[str, str] = field(default_factory=dict[str, str])

    def take(self, line: _Calling) -> None:
        self.ids.update((call.id, line) for call in line.message.tool_calls)
        self.names.update((call.name, call.id) for call in line.message.tool_calls)


@dataclass(frozen=True, slots=True)
class Talk:
    """`history` is what was said, oldest first; it may end with anybody's message. `system` is what each of the caller's system messages says."""

    history: tuple[Message, ...]
    system: tuple[str, ...]


def talk(messages: Sequence[ChatMessage], *, place: Callable[[int], str], field_name: str = "messages") -> Talk:
    """Read the messages; `place` names the one at an index. Raises BadRequest or TooLarge, which name the field."""
    if not messages:
        raise BadRequest("There are no messages.", param=field_name)
    if len(messages) > MAX_MESSAGES:
        raise BadRequest(f"There are more than {MAX_MESSAGES} messages.", param=field_name)
    lines: list[Message | _Calling] = []
    system: list[str] = []
    asked = _Asked()
    for at, message in enumerate(messages):
        text = _text(message.content, at, place)
        if message.role in _SYSTEM:
            system.append(text)
        elif message.role == "user":
            if len(text) > MAX_SAID_CHARS:
                raise TooLarge(f"A message is longer than {MAX_SAID_CHARS} characters.", param=f"{place(at)}.content")
            lines.append(Message("user", text))
        elif message.role == "assistant":
            said = Message("assistant", text or message.refusal or "", _calls(message, at, place))
            line = _Calling(said) if said.tool_calls else said
            lines.append(line)
            if isinstance(line, _Calling):
                asked.take(line)
        else:
            _answer(message, text, asked, place(at))
    return Talk(_flat(lines), tuple(text for text in system if text))


def _calls(message: ChatMessage, at: int, place: Callable[[int], str]) -> tuple[ToolCall, ...]:
    if not message.tool_calls and not message.function_call:
        return ()
    if len(message.tool_calls or ()) > MAX_CALLS:
        raise BadRequest(f"There are more than {MAX_CALLS} calls in one message.", param=f"{place(at)}.tool_calls")
    asked = [(call.id, call.function) for call in message.tool_calls or ()]
    if message.function_call and not asked:
        asked = [(f"function-{at}", message.function_call)]
    return tuple(ToolCall(identity, function.name, function.arguments or "{}") for identity, function in asked)


def _answer(message: ChatMessage, text: str, asked: _Asked, where: str) -> None:
    """Put a result to its call."""
    if message.role == "tool":
        identity, param = message.tool_call_id, f"{where}.tool_call_id"
    else:
        identity, param = asked.names.get(message.name or ""), f"{where}.name"
    line = asked.ids.get(identity or "")
    if identity is None or line is None:
        raise BadRequest("This is the result of a call that no message before it asks for.", param=param)
    line.results[identity] = text


def _flat(lines: Sequence[Message | _Calling]) -> tuple[Message, ...]:
    """Every call with its result; messages that say nothing are left out, except for a silence at the end."""
    flat: list[Message] = []
    for line in lines:
        if isinstance(line, Message):
            if line.content or (line is lines[-1] and line.role == "user"):
                flat.append(line)
            continue
        calls = tuple(call for call in line.message.tool_calls if call.id in line.results)
        if line.message.content or calls:
            flat.append(Message("assistant", line.message.content, calls))
        flat.extend(Message("tool", line.results[call.id], (), call.id) for call in calls)
    return tuple(flat)


def _text(content: Content, at: int, place: Callable[[int], str]) -> str:
    if content is None or isinstance(content, str):
        return (content or "").strip()
    for part in content:
        if part.type not in _WORDS and part.type != "refusal":
            raise BadRequest(
                f"Content of type {part.type[:40]!r} cannot be used here, only text.", param=f"{place(at)}.content"
            )
    return " ".join(part.refusal or part.text for part in content).strip()
