"""A language model's service for benchmarks: it says what it is told to say, in OpenAI's and in Anthropic's wire form, for next to nothing."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from functools import lru_cache
from typing import cast

import anyio

ORDER = "Say {words} words, one every {pace_ms} ms."
"""What a question ends with: the service does as it is told there."""
FIRST, LAST = b"tick0", b"tock"
"""What the first and the last word of an answer can be known by."""

_ORDER = re.compile(rb"Say (\d+) words, one every (\d+) ms\.")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"


def words(count: int) -> list[str]:
    """The answer."""
    return [*(f"tick{number} " for number in range(count - 1)), "tock"]


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(content: dict[str, object], *, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return _framed(f"{head}data: {json.dumps(content, separators=(',', ':'))}\n\n".encode())


@lru_cache
def openai_answer(count: int) -> tuple[bytes, ...]:
    """Chunks of a chat completion, framed, the end of the stream in the last."""
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "bench"}

    def chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
        return _event({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]})

    usage = {"prompt_tokens": 700, "completion_tokens": count, "total_tokens": 700 + count}
    begin = chunk({"role": "assistant", "content": ""})
    end = chunk({}, "stop") + _event({**head, "choices": [], "usage": usage}) + _framed(b"data: [DONE]\n\n") + _END
    said = [chunk({"content": word}) for word in words(count)]
    return begin + said[0], *said[1:], end


@lru_cache
def anthropic_answer(count: int) -> tuple[bytes, ...]:
    """Events of a message, framed, the end of the stream in the last."""
    usage = {"input_tokens": 700, "output_tokens": 1}
    message: dict[str, object] = {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": "bench",
        "content": [],
    }
    message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    begin = _event({"type": "message_start", "message": message}, name="message_start")
    begin += _event(block, name="content_block_start")
    over = {"stop_reason": "end_turn", "stop_sequence": None}
    end = _event({"type": "content_block_stop", "index": 0}, name="content_block_stop")
    end += _event({"type": "message_delta", "delta": over, "usage": {"output_tokens": count}}, name="message_delta")
    end += _event({"type": "message_stop"}, name="message_stop") + _END
    said = [
        _event(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}},
            name="content_block_delta",
        )
        for word in words(count)
    ]
    return begin + said[0], *said[1:], end


class Service(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self) -> None:
        self._read = bytearray()
        self._transport: asyncio.Transport | None = None
        self._next: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own has another family

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._next is not None:
            self._next.cancel()

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, mark, body = bytes(self._read).partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if mark and len(body) >= size:
            del self._read[: len(head) + 4 + size]
            self._answer(head, body[:size])

    def _answer(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        order = _ORDER.findall(body)
        if not order:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            return
        count, pace_ms = map(int, order[-1])
        parts = anthropic_answer(count) if b"/messages" in head.partition(b"\r\n")[0] else openai_answer(count)
        if pace_ms:
            self._say(_HEAD + parts[0], parts[1:], pace_ms / 1e3)
        else:
            self._transport.write(_HEAD + b"".join(parts))

    def _say(self, part: bytes, rest: tuple[bytes, ...], pace_s: float) -> None:
        if self._transport is not None:
            self._transport.write(part)
            if rest:
                self._next = asyncio.get_running_loop().call_later(pace_s, self._say, rest[0], rest[1:], pace_s)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    anyio.run(_serve, backend_options={"use_uvloop": True})
