"""A WebSocket whose client takes nothing is given up: uvicorn waits for ever for whoever does not read, and keeps what it would send."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

TOO_SLOW = 1013


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
    """uvicorn's socket with a clock that runs while its client reads nothing."""

    patience: SocketPatience

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._unread: asyncio.TimerHandle | None = None

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


def socket_class(patience: SocketPatience) -> type[TimedSocket]:
    """The protocol of one server."""

    class Connection(TimedSocket):
        pass

    Connection.patience = patience
    return Connection
