"""Answers in the form of chat completions: whole, or as the frames of a stream (OpenAI API reference, "Chat", read 2026-11). Pure.

A stream's frames differ in a few bytes only, so what is the same in all of them is encoded once: this is written for every word of every answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from voicemind import __version__
from voicemind.errors import VoicemindError
from voicemind.llm.contract import Finished, Piece, TextDelta, ToolCall, Usage

FINGERPRINT = f"voicemind-{__version__}"
DONE = b"data: [DONE]\n\n"
_REASONS = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "refusal": "content_filter"}
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Head:
    """What every part of an answer says: its id, when it was made (seconds since 1970), and by which agent."""

    id: str
    created: int
    model: str


@dataclass(slots=True)
class Collected:
    """The pieces of an answer, put together. A refusal that will be spoken is said like anything else: with `speaks`."""

    speaks: bool = False
    text: str = ""
    refusal: str = ""
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    finished: Finished = field(default_factory=Finished)

    def take(self, piece: Piece) -> None:
        """The next piece."""
        if isinstance(piece, Finished):
            self.finished = piece
        elif isinstance(piece, ToolCall):
            self.calls.append(piece)
        elif piece.is_refusal and not self.speaks:
            self.refusal += piece.text
        else:
            self.text += piece.text


def completion(head: Head, answer: Collected) -> dict[str, Any]:
    """A whole answer."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if (answer.calls or answer.refusal) and not answer.text else answer.text,
        "refusal": answer.refusal or None,
        "annotations": [],
    }
    if answer.calls:
        message["tool_calls"] = [_call(call) for call in answer.calls]
    return {
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(answer.finished, answer.speaks)}
        ],
        "usage": usage(answer.finished.usage),
        "system_fingerprint": FINGERPRINT,
    }


def usage(spent: Usage) -> dict[str, Any]:
    """Tokens, with those from the prompt cache."""
    return {
        "prompt_tokens": spent.prompt,
        "completion_tokens": spent.completion,
        "total_tokens": spent.prompt + spent.completion,
        "prompt_tokens_details": {"cached_tokens": spent.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


class Chunks:
    """The frames of one streamed answer, in the order of its pieces."""

    def __init__(self, head: Head, *, speaks: bool = False, wants_usage: bool = False) -> None:
        opening = {"id": head.id, "object": "chat.completion.chunk", "created": head.created, "model": head.model}
        start = b"data: " + _encode({**opening, "system_fingerprint": FINGERPRINT})[:-1] + b',"choices":['
        self._speaks, self._wants_usage = speaks, wants_usage
        self._start = start
        self._before = start + b'{"index":0,"delta":'
        self._after = (
            b',"logprobs":null,"finish_reason":null}]' + (b',"usage":null}' if wants_usage else b"}") + b"\n\n"
        )
        self._words = self._before + b'{"content":'
        self._words_end = b"}" + self._after
        self._calls = 0

    def begin(self) -> bytes:
        """Before anything is said."""
        return self._before + b'{"role":"assistant","content":"","refusal":null}' + self._after

    def tell(self, piece: Piece) -> bytes:
        """One piece; with the Finished the stream is complete."""
        if isinstance(piece, TextDelta):
            if piece.is_refusal and not self._speaks:
                return self._before + b'{"refusal":' + _encode(piece.text) + self._words_end
            return self._words + _encode(piece.text) + self._words_end
        if isinstance(piece, ToolCall):
            delta = {"tool_calls": [{"index": self._calls, **_call(piece)}]}
            self._calls += 1
            return self._before + _encode(delta) + self._after
        return self._end(piece)

    def broken(self, error: VoicemindError) -> bytes:
        """The answer breaks off. What was said aloud until then stands; a program is told."""
        if self._speaks:
            return self._end(Finished())
        problem = {"message": "The answer broke off.", "type": "server_error", "param": None, "code": error.code}
        return b"data: " + _encode({"error": problem}) + b"\n\n"

    def _end(self, finished: Finished) -> bytes:
        reason = _encode(_reason(finished, self._speaks))
        tail = b',"usage":null}' if self._wants_usage else b"}"
        last = self._before + b'{},"logprobs":null,"finish_reason":' + reason + b"}]" + tail + b"\n\n"
        if self._wants_usage:
            last += self._start + b'],"usage":' + _encode(usage(finished.usage)) + b"}\n\n"
        return last + DONE


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _reason(finished: Finished, speaks: bool) -> str:
    return "stop" if speaks and finished.reason == "refusal" else _REASONS[finished.reason]
