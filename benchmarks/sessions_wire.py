"""The load's end of a WebSocket: RFC 6455 by hand, because a client library costs more than the server that it measures."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

import anyio

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
OPEN_LIMIT_S = 20.0
_KEY = b"\0\0\0\0"
"""A mask like any other to the server (RFC 6455 §5.3), and one that spares the load the work of masking."""


class NotOpenError(Exception):
    """The server does not take the socket."""


def masked(content: bytes, *, opcode: int = BINARY) -> bytes:
    """One whole frame from a client (RFC 6455 §5.2)."""
    size = len(content)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65_536:
        head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2)
    else:
        head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8)
    return head + _KEY + content


class Socket(asyncio.Protocol):
    """One connection. What comes in goes to `on_frame`, its opcode and its content; `on_close` is called once with the close code, 0 without one."""

    def __init__(self, on_frame: Callable[[int, bytes], None], on_close: Callable[[int], None]) -> None:
        self._on_frame, self._on_close = on_frame, on_close
        self._rest = b""
        self._code = 0
        self._open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_open = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own has another family

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._open.done():
            self._open.set_exception(NotOpenError("the connection was closed"))
        if self._is_open:
            self._on_close(self._code)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if not self._is_open:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            self._upgraded(head)
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                start = at + 4
                length = int.from_bytes(data[at + 2 : start]) if size >= start else size
            elif length == 127:
                start = at + 10
                length = int.from_bytes(data[at + 2 : start]) if size >= start else size
            end = start + length
            if end > size:
                break
            self._take(data[at] & 15, data[start:end])
            at = end
        self._rest = data[at:]

    async def opened(self, url: str) -> None:
        """Ask for the upgrade (RFC 6455 §4.1). Raises NotOpenError."""
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        try:
            with anyio.fail_after(OPEN_LIMIT_S):
                await self._open
        except TimeoutError:
            self.drop()
            raise NotOpenError("no answer to the upgrade") from None

    def write(self, frames: bytes) -> None:
        """Send whole frames; nothing where the connection is gone."""
        if self._transport is not None:
            self._transport.write(frames)

    def hang_up(self) -> None:
        """Close as a browser does."""
        self.write(masked((1000).to_bytes(2), opcode=CLOSE))

    def drop(self) -> None:
        """Be gone at once, without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _upgraded(self, head: bytes) -> None:
        if not head.startswith(b"HTTP/1.1 101"):
            self._open.set_exception(NotOpenError(head.split(b"\r\n", 1)[0].decode(errors="replace")))
            self.drop()
            return
        self._is_open = True
        if not self._open.done():
            self._open.set_result(None)

    def _take(self, opcode: int, content: bytes) -> None:
        if opcode == CLOSE:
            self._code = int.from_bytes(content[:2])
            self.write(masked(content[:2], opcode=CLOSE))
        elif opcode == PING:
            self.write(masked(content, opcode=PONG))
        else:
            self._on_frame(opcode, content)


async def connected(url: str, on_frame: Callable[[int, bytes], None], on_close: Callable[[int], None]) -> Socket:
    """An open socket. Raises NotOpenError."""
    parts = urlsplit(url)
    try:
        _, socket = await asyncio.get_running_loop().create_connection(
            lambda: Socket(on_frame, on_close), parts.hostname or "", parts.port or 80
        )
    except OSError as error:
        raise NotOpenError(str(error)) from None
    await socket.opened(url)
    return socket
