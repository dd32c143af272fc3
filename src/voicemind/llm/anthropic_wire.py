"""Anthropic's Messages API in both directions: the chat as its blocks, and its events as pieces. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from voicemind.llm.calls import NO_RESULT, OpenCall, arguments, is_json, paired, parameters
from voicemind.llm.contract import Ask, Finished, Message, TextDelta, Tool, ToolCall, Usage
from voicemind.llm.refusals import Problem, meaning
from voicemind.llm.sse import Event

PROVIDER = "anthropic"

CACHED = {"type": "ephemeral"}
_ARRIVED = "[The person is here.]"
"""A chat begins with the person's side; ours often begins with the agent's greeting."""

_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_REASONS: Mapping[str, Literal["stop", "length", "tool_calls", "refusal"]] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
"""Every other reason is an end of the model's own (`end_turn`, `stop_sequence`; `pause_turn` comes with tools of the service's, which are not asked for)."""

Blocks = list[dict[str, Any]]
Thoughts = Mapping[str, Blocks]
"""What the model thought before a call, signed, by the call's id: a model that thinks wants it back with the result."""


def chat_of(messages: tuple[Message, ...], thoughts: Thoughts) -> tuple[str, Blocks]:
    """The system message and the chat, as the service wants them: no empty texts, the person first, results right behind their calls.

    A system message in the midst of the chat goes to the person's side, said to be a note: not every model takes it elsewhere.
    """
    leading = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
    system = "\n\n".join(message.content for message in messages[:leading] if message.content.strip())
    chat: Blocks = []
    for message in paired(messages[leading:]):
        if blocks := _blocks(message, thoughts):
            role = "assistant" if message.role == "assistant" else "user"
            if chat and chat[-1]["role"] == role:
                chat[-1]["content"] += blocks
            else:
                chat.append({"role": role, "content": blocks})
    if not chat or chat[0]["role"] == "assistant":
        chat.insert(0, {"role": "user", "content": [{"type": "text", "text": _ARRIVED}]})
    if len(chat) > 1:
        chat[-2]["content"][-1]["cache_control"] = CACHED
    return system, chat


def _blocks(message: Message, thoughts: Thoughts) -> Blocks:
    if message.role == "tool":
        text = message.content if message.content.strip() else NO_RESULT
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": text}]
    blocks: Blocks = []
    if message.tool_calls:
        blocks += thoughts.get(message.tool_calls[0].id, ())
    if message.content.strip():
        text = f"<note>\n{message.content}\n</note>" if message.role == "system" else message.content
        blocks.append({"type": "text", "text": text})
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments(call)} for call in message.tool_calls
    ]
    return blocks


def tools_of(ask: Ask) -> tuple[Blocks, dict[str, Any] | None]:
    """The tools, the last one marked for the cache, and which may be called; None for the service's own choice.

    A chat in which tools were called names them still, though no more may be called.
    """
    tools, choice = ask.tools, {"auto": None, "none": {"type": "none"}, "required": {"type": "any"}}[ask.tool_choice]
    if ask.must_call:
        choice = {"type": "tool", "name": ask.must_call}
    if not tools:
        names = dict.fromkeys(call.name for message in ask.messages for call in message.tool_calls)
        tools, choice = tuple(Tool(name) for name in names), {"type": "none"}
    blocks: Blocks = [
        {
            "name": tool.name,
            **({"description": tool.description} if tool.description else {}),
            "input_schema": parameters(tool),
        }
        for tool in tools
    ]
    if not blocks:
        return [], None
    blocks[-1]["cache_control"] = CACHED
    return blocks, choice


class _Tokens(msgspec.Struct):
    """Counts of so far; None where an event does not repeat one."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    stop_reason: str | None = None


class _Block(msgspec.Struct):
    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""
    data: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Started(msgspec.Struct):
    usage: _Tokens = msgspec.field(default_factory=_Tokens)


class _Happened(msgspec.Struct):
    """Any event of the stream; each has some of these."""

    type: str
    delta: _Delta | None = None
    content_block: _Block | None = None
    message: _Started | None = None
    usage: _Tokens | None = None
    error: dict[str, Any] | None = None


_DECODE = msgspec.json.Decoder(_Happened).decode


class MessagesReader:
    """Texts and calls are kept; thinking is kept aside for the service alone, everything unknown is passed over."""

    def __init__(self, on_thought: Callable[[str, Blocks], None]) -> None:
        """`on_thought` is told what the model thought before a call, with the call's id."""
        self.finished: Finished | None = None
        self.over = False
        self._on_thought = on_thought
        self._read_tokens = 0
        self._cached = 0
        self._open: OpenCall | None = None
        self._unsure: ToolCall | None = None
        self._thoughts: Blocks = []
        self._called = False

    def read(self, event: Event) -> Sequence[TextDelta | ToolCall]:
        """What an event adds."""
        if not event.data or event.name == "ping":
            return ()
        happened = _DECODE(event.data)
        match happened:
            case _Happened(type="content_block_delta", delta=_Delta(type="text_delta", text=text)):
                return (TextDelta(text),) if text else ()
            case _Happened(type="content_block_delta", delta=_Delta() as delta):
                self._add(delta)
            case _Happened(type="content_block_start", content_block=_Block() as block):
                return self._begin(block)
            case _Happened(type="content_block_stop"):
                return self._close()
            case _Happened(type="message_start", message=_Started(usage=usage)):
                self._count(usage)
            case _Happened(type="message_delta", delta=delta, usage=usage):
                self._count(usage or _Tokens())
                return self._end(delta.stop_reason if delta else None, usage.output_tokens if usage else None)
            case _Happened(type="message_stop"):
                self.over = True
            case _Happened(type="error"):
                problem = Problem.of(happened.error)
                raise meaning(PROVIDER, _STATUSES.get(problem.code, 500), problem)
            case _:
                pass
        return ()

    def _begin(self, block: _Block) -> Sequence[TextDelta]:
        match block.type:
            case "tool_use":
                self._open = OpenCall(block.id, block.name)
                if bytes(block.input) not in (b"{}", b"null"):  # a compatible server may give it whole
                    self._open.add(bytes(block.input).decode())
            case "thinking":
                self._thoughts.append({"type": "thinking", "thinking": "", "signature": ""})
            case "redacted_thinking":
                self._thoughts.append({"type": "redacted_thinking", "data": block.data})
            case "text" if block.text:
                return (TextDelta(block.text),)
            case _:
                pass
        return ()

    def _add(self, delta: _Delta) -> None:
        match delta.type:
            case "input_json_delta" if self._open is not None:
                self._open.add(delta.partial_json)
            case "thinking_delta" | "signature_delta" if self._thoughts and "thinking" in self._thoughts[-1]:
                self._thoughts[-1]["thinking"] += delta.thinking
                self._thoughts[-1]["signature"] += delta.signature
            case _:
                pass

    def _close(self) -> Sequence[ToolCall]:
        """The call that is whole now. One that cannot be read waits for the reason of the end: the answer may have been cut there."""
        if self._open is None:
            return ()
        call, self._open = self._open.whole(), None
        if is_json(call):
            return self._given(call)
        self._unsure = call
        return ()

    def _given(self, call: ToolCall) -> Sequence[ToolCall]:
        if self._thoughts and not self._called:
            self._on_thought(call.id, self._thoughts)
        self._called = True
        return (call,)

    def _count(self, usage: _Tokens) -> None:
        """What was read: the service counts cached, newly cached and other tokens apart."""
        if usage.input_tokens is not None:
            self._cached = usage.cache_read_input_tokens or 0
            self._read_tokens = usage.input_tokens + self._cached + (usage.cache_creation_input_tokens or 0)

    def _end(self, named: str | None, written: int | None) -> Sequence[ToolCall]:
        if named is None:
            return ()
        reason = _REASONS.get(named, "stop")
        self.finished = Finished(reason, Usage(self._read_tokens, self._cached, written or 0))
        if self._unsure is not None and reason == "tool_calls":
            return self._given(self._unsure)
        return ()
