"""Connections that take too long are closed: uvicorn itself waits for ever for the rest of a request, and for whoever does not read."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import uuid_utils
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

SLOWEST_BYTES_A_S = 16_000
"""A body that is long may take longer; this is less than any line over which people speak can carry."""
LOOKED_AT_AGAIN_S = 1.0
FILES = 65_536
"""Descriptors that are enough for one process."""
GONE = "voicemind.gone"
"""Where a request's scope holds `when_gone`: to wait for a client's going away in a task of its own costs more than most answers do."""
SHARE_WAITING = 2
"""Of all descriptors, one in so many may belong to connections that have nothing to be answered."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request may take to arrive, how long a connection may be idle, and how long an answer may not be taken, in seconds."""

    request_s: float = 8
    idle_s: float = 30
    unread_s: float = 30


@dataclass(slots=True)
class Waiting:
    """Connections of which nothing has to be answered, the oldest first: beyond `most` they are closed, so that there is always a descriptor for the next caller."""

    most: int
    connections: OrderedDict[TimedConnection, None] = field(default_factory=OrderedDict["TimedConnection", None])

    def add(self, connection: TimedConnection) -> None:
        """It waits for its client."""
        self.connections[connection] = None
        if len(self.connections) > self.most:
            oldest, _ = self.connections.popitem(last=False)
            oldest.transport.abort()

    def remove(self, connection: TimedConnection) -> None:
        """It is being answered, or it is gone."""
        self.connections.pop(connection, None)


class TimedConnection(HttpToolsProtocol):
    """uvicorn's connection with a clock that runs while a request arrives, from its first byte to the last of its body."""

    patience: Patience
    waiting: Waiting

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._clock: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._began_s = 0.0
        self._arrived = 0
        self._has_all = True
        self._has_head = False
        self._was_asked = False
        self._is_over = False
        self._is_lost = False
        self._watchers: dict[object, Callable[[], None]] = {}

    def when_gone(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have this called when the client hangs up, at once where it has; what comes back takes that back."""
        if self._is_lost:
            call()
        watcher = object()
        self._watchers[watcher] = call
        self.flow.resume_reading()  # else nobody notices: a long body paused it

        def unwatch() -> None:
            self._watchers.pop(watcher, None)

        return unwatch

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.waiting.add(self)
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        self._arrived += len(data)
        super().data_received(data)
        if self._is_over or self.transport.is_closing():
            return
        if self._is_arriving():
            if self._clock is None:
                self._start_clock()
        else:
            self._stop_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)
        self._is_lost = True
        for call in tuple(self._watchers.values()):
            call()

    def handle_websocket_upgrade(self) -> None:
        self._leave()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        self._has_all = self._has_head = False
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[GONE] = self.when_gone

    def on_headers_complete(self) -> None:
        self.waiting.remove(self)
        self._has_head = True
        super().on_headers_complete()
        self._was_asked = True

    def on_message_complete(self) -> None:
        self._has_all = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not (self.transport.is_closing() or self.pipeline):
            self.waiting.add(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.patience.unread_s, self.transport.abort)

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "invalid_request", msg)

    def _is_arriving(self) -> bool:
        """Whether something is missing of a request, or of the next one: also after an answer that came before the whole question."""
        return not self._has_all or not self._is_answering()

    def _is_answering(self) -> bool:
        return self._was_asked and not self.cycle.response_complete

    def _start_clock(self) -> None:
        self._began_s, self._arrived = self.loop.time(), 0
        self._clock = self.loop.call_later(self.patience.request_s, self._look)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _leave(self) -> None:
        """The connection is lost, or a WebSocket's from now on."""
        self._is_over = True
        self.waiting.remove(self)
        self._stop_clock()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _look(self) -> None:
        """The time may be over."""
        is_ours = self.flow.read_paused or (self._is_answering() and not self.cycle.more_body)
        if is_ours:  # the client cannot send on, or has sent all that is being answered
            self._began_s = self.loop.time() + LOOKED_AT_AGAIN_S - self.patience.request_s
        left_s = self._began_s + self.patience.request_s + self._arrived / SLOWEST_BYTES_A_S - self.loop.time()
        if left_s > 0:
            self._clock = self.loop.call_later(left_s, self._look)
            return
        self._clock = None
        is_answered = self.cycle.response_started if self._is_answering() else self._has_head and not self._has_all
        if is_answered:
            self.transport.abort()
        else:
            self._refuse(408, "request_timeout", "The request took too long to arrive.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer in the error form, before any application has seen the request, and close."""
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        body = msgspec.json.encode({"error": error})
        head = [
            STATUS_LINE[status],
            b"content-type: application/json\r\nconnection: close\r\n",
            b"content-length: %d\r\nx-request-id: %s\r\n\r\n" % (len(body), str(uuid_utils.uuid7()).encode()),
        ]
        self.transport.write(b"".join([*head, body]))
        self.transport.close()


def connection_class(patience: Patience) -> type[TimedConnection]:
    """The protocol of one server."""

    class Connection(TimedConnection):
        pass

    Connection.patience = patience
    Connection.waiting = Waiting(most=max(descriptors() // SHARE_WAITING, 8))
    return Connection


def descriptors() -> int:
    """How many files and connections this process may have open: as many as it is allowed to ask for, which it asks for here."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        return soft
    return most
