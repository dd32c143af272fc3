"""uvicorn's WebSocket, for sound: whole binary frames go straight to who listens, and a client that takes nothing is given up.

uvicorn parses every frame in three nested generators, stops reading after each message, and wakes a task for it: for fifty frames a second of each
microphone that costs more than everything else that is done with them.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiled part for this platform
    from websockets.utils import apply_mask

TOO_SLOW = 1013
BINARY = 0x82
MASKED = 0x80
PLAIN = frozenset({0x81, BINARY, 0x89, 0x8A})
"""First bytes of frames that stand alone: text, binary, ping, pong (RFC 6455, 5.2: the final one, no reserved bits)."""
LONGEST = 32 * 1024
"""Bytes of a frame that may pass by the parser: a second of sound, and little enough to be put together from small pieces."""
EXTENSION = "voicemind.binary"
Listen = Callable[[bytes], None]


def listen(socket: WebSocket, hear: Listen) -> None:
    """Have binary messages given to `hear` as they arrive, where the server can do that and no other message waits; the others come as they did."""
    if offered := socket.scope.get("extensions", {}).get(EXTENSION):
        offered["connection"].hear = hear


@dataclass(frozen=True, slots=True)
class SocketPatience:
    """Times in seconds, and bytes.

    A peer that is dead is noticed within `ping_s + pong_s`. `unread_s` is how long nothing may leave because the client reads nothing; `closing_s` how
    long the end of such a socket may take. `buffer_bytes` may be in the kernel's hands: where more was there, it would be stale before it was heard.
    """

    ping_s: float = 10
    pong_s: float = 20
    unread_s: float = 5
    closing_s: float = 5
    buffer_bytes: int = 64 * 1024


class TimedSocket(WebSocketsSansIOProtocol):
    """uvicorn's socket with a way past it for sound, and a clock that runs while its client reads nothing.

    The way past it is open as long as the parser was given whole frames only: then it is between two frames, and may be passed by.
    """

    patience: SocketPatience

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.hear: Listen | None = None
        self._longest = min(LONGEST, self.config.ws_max_size)
        self._between_frames = False
        self._rest = b""
        """The beginning of a frame."""
        self._unread: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        if not self._between_frames:
            super().data_received(data)
            return
        if self._rest:
            data, self._rest = self._rest + data, b""
        start, size = 0, len(data)
        while start < size:
            content, end = _extent(data, start)
            if end < content or end - content > self._longest:
                self._between_frames = False  # the parser has it from now on, and whatever may be wrong with it
                end = size
            elif end > size:
                self._rest = data[start:]
                return
            if self._between_frames and data[start] == BINARY:
                self._take(apply_mask(data[content:end], data[content - 4 : content]))
            else:
                super().data_received(data[start:end])
            start = end

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            self.scope.setdefault("extensions", {})[EXTENSION] = {"connection": self}
            self._between_frames = not self.conn.reader.buffer

    def _take(self, content: bytes) -> None:
        """A binary message."""
        if self.close_sent:
            return
        if self.hear is not None and self.queue.empty():
            self.hear(content)
            return
        self.queue.put_nowait({"type": "websocket.receive", "bytes": content})
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as kernel:
                kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.patience.buffer_bytes)
        self.transport.set_write_buffer_limits(high=self.patience.buffer_bytes // 2)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.patience.unread_s, self._give_up)

    def resume_writing(self) -> None:
        self._stop_clock()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()  # a dead peer takes nothing of what is still to be sent

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.close" and not self.writable.is_set():
            self.writable.set()  # the last frame is small, and must not wait behind what is never read
            self._close_soon()
        await super().send(message)

    def _give_up(self) -> None:
        """Say so, in case the client reads again, and let the application know."""
        if not (self.close_sent or self.disconnected):
            self.conn.send_close(TOO_SLOW, "too slow")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.queue.put_nowait({"type": "websocket.disconnect", "code": TOO_SLOW, "reason": "too slow"})
        self.writable.set()
        self._close_soon()

    def _close_soon(self) -> None:
        self._stop_clock()
        self._unread = self.loop.call_later(self.patience.closing_s, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


def _extent(data: bytes, start: int) -> tuple[int, int]:
    """Where the content of the frame that starts here begins and ends (RFC 6455, 5.2), perhaps behind the data.

    An end before the beginning: it is not masked, does not stand alone, or is longer than any sound.
    """
    missing = start + 4 - len(data)
    if data[start] not in PLAIN or (missing < 3 and data[start + 1] < MASKED):
        return start, -1
    if missing > 0:
        return len(data) + missing, len(data) + missing
    length = data[start + 1] - MASKED
    if length == 127:
        return start, -1
    if length == 126:
        return start + 8, start + 8 + int.from_bytes(data[start + 2 : start + 4])
    return start + 6, start + 6 + length


def socket_class(patience: SocketPatience) -> type[TimedSocket]:
    """The protocol of one server."""

    class Connection(TimedSocket):
        pass

    Connection.patience = patience
    return Connection
