"""An answer in the form of a response, built up piece by piece with the event of each step (OpenAI API reference, "Responses", read 2026-11). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import uuid_utils

from voicemind.clock import epoch_ms
from voicemind.errors import VoicemindError
from voicemind.llm.contract import Finished, Piece, ToolCall, Usage

_encode = msgspec.json.Encoder().encode
_KINDS = {"output_text": "text", "refusal": "refusal"}


@dataclass(slots=True)
class _Open:
    """The message that is being said: its one part, and what comes before and behind the words of its events."""

    item: dict[str, Any]
    kind: str
    said: list[str]
    before: bytes
    after: bytes


class Response:
    """One answer. `settled` is what its object says from the beginning. With `speaks` a refusal is said like anything else."""

    def __init__(self, settled: dict[str, Any], *, speaks: bool = False) -> None:
        self._object = {**settled, "status": "in_progress"}
        self._speaks = speaks
        self._output: list[dict[str, Any]] = []
        self._open: _Open | None = None
        self._sequence = 0

    def whole(self) -> dict[str, Any]:
        """The response as it is now."""
        return {**self._object, "output": self._output}

    def begin(self) -> bytes:
        """Before anything is said."""
        return self._state("response.created") + self._state("response.in_progress")

    def tell(self, piece: Piece) -> bytes:
        """The events of the next piece; with the Finished the response is complete."""
        if isinstance(piece, Finished):
            return self._end(piece)
        if isinstance(piece, ToolCall):
            return self._close("completed") + self._call(piece)
        kind = "refusal" if piece.is_refusal and not self._speaks else "output_text"
        begun = b""
        if self._open is None or self._open.kind != kind:
            begun = self._close("completed") + self._begin_message(kind)
        assert self._open is not None
        self._open.said.append(piece.text)
        self._sequence += 1
        return b"".join(
            (
                begun,
                self._open.before,
                _encode(piece.text),
                self._open.after,
                str(self._sequence - 1).encode(),
                b"}\n\n",
            )
        )

    def broken(self, error: VoicemindError) -> bytes:
        """The answer breaks off. What was said aloud until then stands; a program is told."""
        if self._speaks:
            return self._end(Finished())
        closed = self._close("incomplete")
        self._object |= {"status": "failed", "error": {"code": "server_error", "message": "The answer broke off."}}
        self._object["usage"] = None
        return closed + self._state("response.failed")

    def _begin_message(self, kind: str) -> bytes:
        item: dict[str, Any] = {
            "id": f"msg_{uuid_utils.uuid7().hex}",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        at = len(self._output)
        self._output.append(item)
        name = f"response.{kind}.delta"
        fixed = {"type": name, "item_id": item["id"], "output_index": at, "content_index": 0}
        before = f"event: {name}\ndata: ".encode() + _encode(fixed)[:-1] + b',"delta":'
        after = (b',"logprobs":[]' if kind == "output_text" else b"") + b',"sequence_number":'
        self._open = _Open(item, kind, [], before, after)
        part = {"item_id": item["id"], "output_index": at, "content_index": 0, "part": _part(kind, "")}
        return self._event("response.output_item.added", {"output_index": at, "item": item}) + self._event(
            "response.content_part.added", part
        )

    def _close(self, status: str) -> bytes:
        """The end of the message that is being said, where one is."""
        if self._open is None:
            return b""
        item, kind, text = self._open.item, self._open.kind, "".join(self._open.said)
        self._open = None
        at = len(self._output) - 1
        item |= {"status": status, "content": [_part(kind, text)]}
        place = {"item_id": item["id"], "output_index": at, "content_index": 0}
        more: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        return (
            self._event(f"response.{kind}.done", {**place, _KINDS[kind]: text, **more})
            + self._event("response.content_part.done", {**place, "part": _part(kind, text)})
            + self._event("response.output_item.done", {"output_index": at, "item": item})
        )

    def _call(self, call: ToolCall) -> bytes:
        at = len(self._output)
        item = {
            "id": f"fc_{uuid_utils.uuid7().hex}",
            "type": "function_call",
            "status": "in_progress",
            "call_id": call.id,
            "name": call.name,
            "arguments": "",
        }
        added = self._event("response.output_item.added", {"output_index": at, "item": item})
        place = {"item_id": item["id"], "output_index": at}
        said = self._event("response.function_call_arguments.delta", {**place, "delta": call.arguments})
        done = {**place, "name": call.name, "arguments": call.arguments}
        said += self._event("response.function_call_arguments.done", done)
        item |= {"status": "completed", "arguments": call.arguments}
        self._output.append(item)
        return added + said + self._event("response.output_item.done", {"output_index": at, "item": item})

    def _end(self, finished: Finished) -> bytes:
        is_cut = finished.reason == "length"
        closed = self._close("incomplete" if is_cut else "completed")
        status = "incomplete" if is_cut else "completed"
        self._object |= {
            "status": status,
            "completed_at": None if is_cut else epoch_ms() // 1000,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "usage": _usage(finished.usage),
        }
        return closed + self._state(f"response.{status}")

    def _state(self, name: str) -> bytes:
        return self._event(name, {"response": self.whole()})

    def _event(self, name: str, fields: dict[str, Any]) -> bytes:
        event = {"type": name, **fields, "sequence_number": self._sequence}
        self._sequence += 1
        return f"event: {name}\ndata: ".encode() + _encode(event) + b"\n\n"


def _part(kind: str, text: str) -> dict[str, Any]:
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(spent: Usage) -> dict[str, Any]:
    return {
        "input_tokens": spent.prompt,
        "input_tokens_details": {"cached_tokens": spent.cached, "cache_write_tokens": 0},
        "output_tokens": spent.completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": spent.prompt + spent.completion,
    }
