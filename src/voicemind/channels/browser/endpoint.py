"""`/voice-conversation`: the socket between a client and one conversation."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import anyio
import structlog
import uuid_utils
from anyio.streams.memory import MemoryObjectReceiveStream
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from voicemind.channels.browser import events, shown, wire
from voicemind.clock import epoch_ms, monotonic_s
from voicemind.conversation.live import Live
from voicemind.conversation.opening import Opened, Opening, still_open
from voicemind.conversation.session import Session, Show
from voicemind.engines import contract as happening
from voicemind.errors import BadMessage, Busy, ClientMistake, UnknownConversation, VoicemindError, leaves
from voicemind.mind.prompt import Channel
from voicemind.speech.audio import INPUT_RATE_HZ

log = structlog.get_logger(__name__)

MISSING_ID, ENGINE_FAILED, UNKNOWN_ID, REPLACED = 4000, 4001, 4404, 4409
REFUSALS: dict[type[Exception], int] = {BadMessage: MISSING_ID, UnknownConversation: UNKNOWN_ID, Busy: 1013}
MISTAKES_ALLOWED, MISTAKES_WITHIN_S = 10, 10.0
EVENTS_WAITING = 256
"""Messages that may wait for a slow client: about ten seconds of 40 ms frames. Then the engine waits for the client."""
SEND_LIMIT_S = 5.0
"""A client that takes nothing for this long is given up: it would hold its session for ever."""

BuildSession = Callable[[Opened, Channel, Show], Session]
"""Makes the session of one conversation. Raises VoicemindError where its engine cannot start (another language, models missing)."""


@dataclass
class Mistakes:
    """Counts what could not be used; too much of it in a short time is abuse."""

    times: deque[float] = field(default_factory=deque[float])

    def too_many(self, now: float) -> bool:
        """One more, now; whether that is too many."""
        self.times.append(now)
        while self.times and self.times[0] <= now - MISTAKES_WITHIN_S:
            self.times.popleft()
        return len(self.times) >= MISTAKES_ALLOWED


class VoiceConversations:
    """The endpoint, for these conversations. `output_rate_hz` is the rate of the agent's voice."""

    def __init__(self, opening: Opening, live: Live, build_session: BuildSession, *, output_rate_hz: int) -> None:
        self._opening, self._live, self._build_session = opening, live, build_session
        self._output_rate_hz = output_rate_hz

    def routes(self) -> Sequence[WebSocketRoute]:
        """Where it is found."""
        return [WebSocketRoute("/voice-conversation", self.converse)]

    async def converse(self, socket: WebSocket) -> None:
        """Serve one client until either side has had enough."""
        await socket.accept()
        with _Line(socket, binary=socket.query_params.get("binary") == "1") as line:
            try:
                opened = await self._find(socket)
                self._live.refuse_when_full()
                channel: Channel = "text" if socket.query_params.get("channel") == "text" else "voice"
                session = self._build_session(opened, channel, line.show)
            except VoicemindError as error:
                await line.refuse(error)
                return
            greet = socket.query_params.get("greet") != "0"
            async with self._live.serving(session):
                await line.serve(session, self._ready(opened, channel, line), greet=greet)

    async def _find(self, socket: WebSocket) -> Opened:
        identity = socket.query_params.get("conversationDetailId", "")
        if not identity:
            raise BadMessage(
                "conversationDetailId is missing: get one from POST /api/voice-sessions.", param="conversationDetailId"
            )
        return still_open(await self._opening.found(socket.state.tenant, identity))

    def _ready(self, opened: Opened, channel: Channel, line: _Line) -> events.Ready:
        identity = opened.conversation.id
        return events.Ready(
            session_id=line.session_id,
            conversation_id=identity,
            conversation_detail_id=identity,
            agent_id=opened.agent.slug,
            agent_name=opened.agent.name,
            channel=channel,
            input_rate=INPUT_RATE_HZ,
            output_rate=self._output_rate_hz,
            binary=line.binary,
        )


class _Line:
    """One socket: what comes in goes to the session, what happens there goes out."""

    def __init__(self, socket: WebSocket, *, binary: bool) -> None:
        self.session_id = str(uuid_utils.uuid7())
        self.binary = binary
        self._socket = socket
        self._mistakes = Mistakes()
        self._close_code = 1000
        self._sent = anyio.Event()
        self._outgoing, self._to_send = anyio.create_memory_object_stream[str | bytes](EVENTS_WAITING)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._outgoing.close()
        self._to_send.close()

    async def show(self, event: happening.Event) -> None:
        """Send what happened, after what is already waiting; a client that is gone misses it."""
        frame = shown.frame(event, timestamp_ms=epoch_ms(), binary=self.binary)
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._outgoing.send(frame)

    async def refuse(self, error: VoicemindError) -> None:
        """Say why this socket cannot serve, and close it."""
        code = REFUSALS.get(type(error), ENGINE_FAILED)
        log.info("socket refused", code=error.code, close=code)
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.send_text(_serialised(events.Error(message=str(error), code=error.code)))
            await self._socket.close(code, error.code)

    async def serve(self, session: Session, ready: events.Ready, *, greet: bool) -> None:
        """Until the conversation is over or the client is gone; then the last words go out and the socket is closed."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send, self._to_send, session)
                await self._outgoing.send(_serialised(ready))
                tasks.start_soon(self._receive, session)
                try:
                    await session.run(greet=greet)
                except Exception as error:  # noqa: BLE001 - the boundary of a conversation: whatever broke it, the client is told and the server lives
                    await self._broken(error)
                finally:
                    self._outgoing.close()
                    if self._close_code == 1000 and session.reason == "replaced":
                        self._close_code = REPLACED
                with anyio.move_on_after(SEND_LIMIT_S):
                    await self._sent.wait()
                tasks.cancel_scope.cancel()
        except* Exception as group:
            log.error("socket broke off", session_id=self.session_id, exc_info=next(leaves(group)))

    async def _broken(self, error: BaseException) -> None:
        """Tell the client, after everything that is already waiting for it."""
        error = next(leaves(error)) if isinstance(error, BaseExceptionGroup) else error  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - narrowing loses the type
        self._close_code = 1011
        code = error.code if isinstance(error, VoicemindError) else "internal_error"
        log.error(
            "conversation broke off",
            session_id=self.session_id,
            code=code,
            exc_info=None if isinstance(error, VoicemindError) else error,
        )
        words = str(error) if isinstance(error, VoicemindError) else "Something went wrong here. Please start again."
        await self._tell(_serialised(events.Error(message=words, code=code)))

    async def _tell(self, frame: str | bytes) -> None:
        """Send something of the line's own; a client that is gone misses it."""
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError), anyio.move_on_after(SEND_LIMIT_S):
            await self._outgoing.send(frame)

    async def _send(self, frames: MemoryObjectReceiveStream[str | bytes], session: Session) -> None:
        """The only writer of the socket."""
        try:
            async with frames:
                async for frame in frames:
                    with anyio.fail_after(SEND_LIMIT_S):
                        if isinstance(frame, str):
                            await self._socket.send_text(frame)
                        else:
                            await self._socket.send_bytes(frame)
            await self._socket.close(self._close_code)
        except (WebSocketDisconnect, RuntimeError, TimeoutError):
            session.leave("gone")
        finally:
            self._sent.set()

    async def _receive(self, session: Session) -> None:
        """The only reader of the socket."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                session.leave("gone")
                return
            try:
                await self._take(session, _parsed(message, binary=self.binary))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
            except ClientMistake as error:
                await self._tell(_serialised(events.Error(message=str(error), code=error.code)))
                if self._mistakes.too_many(monotonic_s()):
                    self._close_code = 1008
                    session.leave("gone")
                    return

    async def _take(self, session: Session, message: wire.ClientMessage) -> None:
        if not isinstance(message, wire.Sound):
            session.touch()
        match message:
            case wire.Sound(samples):
                session.engine.hear(samples)
            case wire.Text(text=text, id=identity):
                await session.engine.read(text.strip(), message_id=identity)
            case wire.Interrupt():
                await session.engine.interrupt()
            case wire.Played(generation=generation, ms=ms):
                session.engine.played(generation, ms)
            case wire.End():
                session.leave("end")
            case wire.Ack() | wire.Resume() | wire.Metrics():
                raise BadMessage("This server cannot use such a message yet.")


def _parsed(message: MutableMapping[str, Any], *, binary: bool) -> wire.ClientMessage:
    text, content = message.get("text"), message.get("bytes")
    if text is not None:
        return wire.parse_text(text)
    if not binary:
        raise BadMessage("Binary frames need ?binary=1 in the address.")
    return wire.parse_binary(content or b"")


def _serialised(event: events.Event) -> str:
    return events.serialise(event, timestamp_ms=epoch_ms())
