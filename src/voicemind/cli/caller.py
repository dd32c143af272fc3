"""A client's end of one conversation, which outlives its sockets: it waits, sends and receives as the line says."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from secrets import token_hex

import anyio
import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voicemind.channels.browser import frames
from voicemind.cli.answers import event_of, sequence_of
from voicemind.cli.line import Happening, Line, Lost, Message, Patience, Purpose
from voicemind.errors import ProviderUnavailable

Connect = Callable[[Purpose], Awaitable[ClientConnection]]
"""A socket of the conversation. Raises ProviderUnavailable where another attempt may help, other VoicemindErrors where none would."""

FRAMES_KEPT = 50
"""A second of the microphone, which the server gets late rather than never."""
CLOSE_LIMIT_S = 2.0


class Talk:
    """One conversation. One reader at a time iterates `events`, which also brings lost connections back; the rest may be called meanwhile.

    What is said while there is no connection is sent once there is one.
    """

    def __init__(self, connect: Connect, *, patience: Patience | None = None) -> None:
        self._connect = connect
        self._line = Line(patience)
        self._socket: ClientConnection | None = None
        self._wait_s = 0.0
        self._is_over = False
        self._live = anyio.Event()
        self._frames = 0
        self._kept: deque[bytes] = deque(maxlen=FRAMES_KEPT)

    @property
    def is_live(self) -> bool:
        """Whether the server hears at once what is said now."""
        return self._line.is_live

    async def until_live(self) -> None:
        """Return once the server hears again. Somebody must be reading `events`."""
        while not self._line.is_live:
            await self._live.wait()

    async def begin(self) -> None:
        """Connect for the first time. Raises what `connect` raises."""
        self._socket = await self._connect(self._line.connecting(anyio.current_time()))

    async def aclose(self) -> None:
        """Close the connection; the conversation does not end by that."""
        socket, self._socket = self._socket, None
        if socket is not None:
            with anyio.CancelScope(shield=True):
                with anyio.move_on_after(CLOSE_LIMIT_S):
                    await socket.close()
                socket.transport.abort()

    async def say(self, text: str) -> None:
        """Type this; it counts once, whatever happens to the connection."""
        await self._send({"type": "text", "text": text, "id": token_hex(12)})

    async def hear(self, samples: bytes) -> None:
        """Speak this: 16-bit little-endian mono at 16 kHz, a few ten milliseconds at a time."""
        self._frames += 1
        frame = frames.client_audio(samples, sequence=self._frames)
        if self._line.is_live:
            await self._deliver(frame)
        else:
            self._kept.append(frame)

    async def interrupt(self) -> None:
        """Stop the reply."""
        await self._send({"type": "interrupt"})

    async def played(self, generation: int, ms: float) -> None:
        """Report how much of a reply was played, in milliseconds."""
        await self._send({"type": "played", "generation": generation, "ms": ms})

    async def end(self) -> None:
        """Say that the conversation is over; the server answers `complete` once everything is stored."""
        await self._send({"type": "end"})

    async def events(self) -> AsyncGenerator[Happening]:
        """What the server says, each message once, and what becomes of the connection, until the conversation is over.

        Raises BadMessage for what is no message of the protocol, ProviderUnavailable where the connection is lost for good, and
        ConversationOver, Unauthenticated and the like where the server refuses another one.
        """
        while not self._is_over:
            if self._socket is None:
                await self._ask_again()
            frame = await self._frame()
            if frame is None:
                if self._note_loss(self._closed_with()):
                    yield Lost()
                continue
            event = event_of(frame)
            happenings, answers = self._line.take(event, sequence_of(frame), anyio.current_time())
            await self._answer(answers)
            if self._line.is_live and not self._live.is_set():
                await self._catch_up()
            for happening in happenings:
                yield happening

    async def _ask_again(self) -> None:
        """Wait as long as the line says, then connect, until that works."""
        while self._socket is None:
            await anyio.sleep(self._wait_s)
            purpose = self._line.connecting(anyio.current_time())
            try:
                self._socket = await self._connect(purpose)
            except ProviderUnavailable:
                self._note_loss(None)
                continue
            await self._answer(self._line.opened())

    async def _frame(self) -> str | bytes | None:
        """The next one; None where there will be none on this socket."""
        if self._socket is None:
            return None
        with suppress(ConnectionClosed), anyio.move_on_after(self._line.silence_s):
            return await self._socket.recv()
        return None

    def _closed_with(self) -> int | None:
        """The code with which the server closed the socket; None where it did not."""
        closed = self._socket.protocol.close_rcvd if self._socket is not None else None
        return closed.code if closed is not None else None

    def _note_loss(self, code: int | None) -> bool:
        """This socket is done with: whether that is news. Raises ProviderUnavailable where no other would help."""
        was_live = self._line.is_live
        if self._socket is not None:
            self._socket.transport.abort()
            self._socket = None
        self._live = anyio.Event() if self._live.is_set() else self._live
        wait_s = self._line.closed(code, anyio.current_time(), random.random())  # noqa: S311 - only so that not all come back at once
        self._is_over = wait_s is None
        self._wait_s = wait_s or 0.0
        return was_live and not self._is_over

    async def _catch_up(self) -> None:
        self._live.set()
        while self._kept and self._line.is_live:
            await self._deliver(self._kept.popleft())

    async def _answer(self, messages: Sequence[Message]) -> None:
        for message in messages:
            await self._deliver(msgspec.json.encode(message).decode())

    async def _send(self, message: Message) -> None:
        if self._line.keep(message):
            await self._deliver(msgspec.json.encode(message).decode())

    async def _deliver(self, frame: str | bytes) -> None:
        """Send it. That the connection is lost, its reader notices: what matters is kept."""
        if self._socket is not None:
            with suppress(ConnectionClosed):
                await self._socket.send(frame)
