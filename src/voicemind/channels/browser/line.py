"""One socket: what waits leaves in order, and what comes in is read message by message. It may be lost at any moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from voicemind.channels.browser import events, frames, shown, wire
from voicemind.channels.browser.guard import Guard, Limits
from voicemind.channels.browser.outbox import Kept
from voicemind.channels.browser.post import Post
from voicemind.clock import epoch_ms, monotonic_s
from voicemind.engines.contract import AgentSound
from voicemind.errors import BadMessage, ClientMistake, TooFast
from voicemind.ops import sockets

POLICY, TOO_SLOW = 1008, 1013


class Line:
    """`send` and `next` run side by side, one of each. Everything else returns at once."""

    def __init__(self, socket: WebSocket, *, binary: bool, numbered: bool, limits: Limits) -> None:
        self.binary, self.is_numbered = binary, numbered
        self.close_code: int | None = None
        """Set once the socket is to be closed, or was."""
        self.is_lost = False
        """Whether nobody is there any more."""
        self._socket, self._limits = socket, limits
        self._guard = Guard(limits)
        self._post = Post(queued_ms=limits.queued_s * 1000)
        self._wake = anyio.Event()
        self._reason = ""

    def put(self, kept: Kept) -> None:
        """Send a message of the session."""
        self._put(events.numbered(kept.frame, kept.number) if self.is_numbered else kept.frame.decode())

    def say(self, event: events.Event) -> None:
        """Send a message of this connection alone."""
        self._put(events.serialise(event, timestamp_ms=epoch_ms()))

    def sound(self, sound: AgentSound) -> None:
        """Send sound; a client that takes too little of it for too long is given up."""
        if self.close_code is None:
            if self._post.put_sound(sound, now=monotonic_s()) > self._limits.behind_s:
                self._post.drop_sound()
                self.close(TOO_SLOW, "too slow")
            self._wake.set()

    def hush(self) -> None:
        """Sound that has not left is not wanted any more."""
        self._post.drop_sound()

    def close(self, code: int, reason: str = "") -> None:
        """Close after everything that waits; the first word counts."""
        if self.close_code is None:
            self.close_code, self._reason = code, reason
            self._wake.set()

    async def send(self) -> None:
        """The only writer of the socket: until it is closed, or lost."""
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                while (waiting := self._post.take()) is not None:
                    await self._socket.send(self._message(waiting))
                if self.close_code is not None:
                    await self._socket.close(self.close_code, self._reason)
                    return
                self._wake = anyio.Event()
                await self._wake.wait()

    async def next(self) -> wire.ClientMessage | None:
        """The only reader of the socket: the next message that can be used; None once the socket is closed or lost.

        Mistakes are answered, and too many of them close the socket.
        """
        while not self.is_lost:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                self.is_lost = True
            elif self.close_code is None:
                try:
                    parsed = self._parsed(message.get("text"), message.get("bytes"))
                    self._guard.came(monotonic_s(), len(parsed.samples) if type(parsed) is wire.Sound else 0)
                except ClientMistake as error:
                    self.refuse(error)
                else:
                    return parsed
        return None

    def listen(self, hear: Callable[[bytes], None]) -> None:
        """From now on samples may also be given to `hear`, at once and past `next`, which spares a frame most of its way. It may raise ClientMistake."""

        def arrived(content: bytes) -> None:
            if self.close_code is None:
                try:
                    samples = self._samples(content)
                    self._guard.came(monotonic_s(), len(samples))
                    hear(samples)
                except ClientMistake as error:
                    self.refuse(error)

        sockets.listen(self._socket, arrived)

    def refuse(self, error: ClientMistake) -> None:
        """Say what was wrong with a message; the socket is closed where that happens too often."""
        if self.close_code is None:
            self.say(events.Error(message=str(error), code=error.code))
            if isinstance(error, TooFast) or self._guard.too_many_mistakes(monotonic_s()):
                self.close(POLICY, error.code)

    def _parsed(self, text: str | None, content: bytes | None) -> wire.ClientMessage:
        if text is not None:
            return wire.parse_text(text)
        return wire.Sound(self._samples(content or b""))

    def _samples(self, content: bytes) -> bytes:
        if not self.binary:
            raise BadMessage("Binary frames need ?binary=1 in the address.")
        return frames.parse_client_audio(content)

    def _put(self, frame: str) -> None:
        if self.close_code is None:
            self._post.put(frame)
            self._wake.set()

    def _message(self, waiting: str | AgentSound) -> dict[str, object]:
        frame = (
            waiting if isinstance(waiting, str) else shown.sound(waiting, timestamp_ms=epoch_ms(), binary=self.binary)
        )
        return {"type": "websocket.send", "text" if isinstance(frame, str) else "bytes": frame}
