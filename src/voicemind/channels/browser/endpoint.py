"""`/voice-conversation`: a socket begins a session, or goes on with one that lost its own.

accept ──► place? ──► ready ──► served ──► lost: the session waits │ over: closed
accept ──► resume ──► resumed ──► served
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import anyio
import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from voicemind.channels.browser import events, wire
from voicemind.channels.browser.attachment import Attachment, is_for
from voicemind.channels.browser.epilogue import Epilogue, Epilogues
from voicemind.channels.browser.guard import Limits
from voicemind.channels.browser.line import Line
from voicemind.conversation.audience import Audience
from voicemind.conversation.live import Live
from voicemind.conversation.opening import Opened, Opening, still_open
from voicemind.conversation.session import Session
from voicemind.errors import (
    BadMessage,
    Busy,
    ClientMistake,
    ConversationOver,
    Unauthenticated,
    UnknownConversation,
    UnknownSession,
    VoicemindError,
    leaves,
)
from voicemind.mind.prompt import Channel
from voicemind.ops.auth import Guests
from voicemind.ops.keys import Guest
from voicemind.speech.audio import INPUT_RATE_HZ

log = structlog.get_logger(__name__)

MISSING_ID, NOT_CREATED, NO_KEY, UNKNOWN_ID, TRY_LATER = 4000, 4001, 4401, 4404, 1013
REFUSALS: tuple[tuple[type[VoicemindError], int], ...] = (
    (BadMessage, MISSING_ID),
    (Unauthenticated, NO_KEY),
    (UnknownConversation, UNKNOWN_ID),
    (UnknownSession, UNKNOWN_ID),
    (Busy, TRY_LATER),
)
REVOKED = "Your key is not valid any more. What was said is kept; with a new key you can go on."
NO_SESSION = "There is no session that you could go on with. Connect without resume=1 to go on with the conversation."

BuildSession = Callable[[Opened, Channel, Audience], Session]
"""Makes the session of one conversation. Raises VoicemindError where its engine cannot start (another language, models missing)."""


class VoiceConversations:
    """The endpoint, for these conversations. `output_rate_hz` is the rate of the agent's voice."""

    def __init__(
        self,
        opening: Opening,
        live: Live,
        build_session: BuildSession,
        *,
        output_rate_hz: int,
        guests: Guests,
        limits: Limits | None = None,
        is_recorded: Callable[[Opened, str], bool] = lambda opened, channel: False,
    ) -> None:
        self._opening, self._live, self._build_session = opening, live, build_session
        self._output_rate_hz = output_rate_hz
        self._limits = limits or Limits()
        self._guests = guests
        self._doors: dict[Line, tuple[Guest, anyio.CancelScope]] = {}
        """Every socket that is open: who came in with it, and what ends it."""
        self._attachments: dict[str, Attachment] = {}
        self._epilogues = Epilogues(most=self._limits.epilogues, most_bytes=self._limits.epilogue_bytes)
        live.when_erased(self._epilogues.forget_all)
        guests.when_revoked(self._show_out)
        self._is_recorded = is_recorded

    def routes(self) -> Sequence[WebSocketRoute]:
        """Where it is found."""
        return [WebSocketRoute("/voice-conversation", self.converse)]

    async def converse(self, socket: WebSocket) -> None:
        """Serve one client until it is gone or the conversation is over."""
        await socket.accept()
        wants = socket.query_params
        line = Line(
            socket, binary=wants.get("binary") == "1", numbered=wants.get("sequence") == "1", limits=self._limits
        )
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(line.send)
                self._doors[line] = socket.state.guest, tasks.cancel_scope
                try:
                    await self._attach_and_serve(socket, line)
                except VoicemindError as error:
                    self._refuse(line, error)
                finally:
                    del self._doors[line]
                if line.is_lost:
                    tasks.cancel_scope.cancel()
                tasks.cancel_scope.deadline = anyio.current_time() + self._limits.flush_s
        except* Exception as group:
            log.error("socket broke off", exc_info=next(leaves(group)))

    def _show_out(self, gone: frozenset[Guest]) -> None:
        """The keys of these were taken away: their sockets are told and closed, their sessions store what they have and wait for nobody."""
        for attachment in list(self._attachments.values()):
            if attachment.guest in gone and attachment.session is not None:
                attachment.session.leave("gone")
        for line, (guest, scope) in self._doors.items():
            if guest in gone:
                line.hush()
                self._refuse(line, Unauthenticated(REVOKED))
                scope.deadline = anyio.current_time() + self._limits.flush_s

    async def _attach_and_serve(self, socket: WebSocket, line: Line) -> None:
        """Raises VoicemindError where there is no session for this socket."""
        if not self._guests.may_stay(socket.state.guest):  # taken away while the socket was opened
            raise Unauthenticated(REVOKED)
        identity = socket.query_params.get("conversationDetailId", "")
        if not identity:
            raise BadMessage(
                "conversationDetailId is missing: get one from POST /api/voice-sessions.", param="conversationDetailId"
            )
        early = Early(self._limits)
        attachment: Attachment | None
        if socket.query_params.get("resume") == "1":
            found = await self._resumed(socket.state.guest, identity, line)
            if isinstance(found, Epilogue):
                await _until_closed(line)
                return
            attachment = found
        else:
            attachment = await self._begun(socket, identity, line, early)
        if attachment is not None:
            await _serve(line, attachment, early)

    async def _resumed(self, guest: Guest, identity: str, line: Line) -> Attachment | Epilogue:
        """Go on with the session that the first message names. Raises UnknownSession, the same whatever was wrong, and MissedTooMuch."""
        with anyio.move_on_after(self._limits.resume_s):
            first = await line.next()
            if isinstance(first, wire.Resume):
                name, secret = first.session_id, first.secret
                found = self._attachments.get(name) or self._epilogues.of(name)
                if is_for(found, guest.tenant, session_id=name, conversation_id=identity, secret=secret) and found:
                    if isinstance(found, Epilogue):
                        await self._check_kept(guest.tenant, identity)
                        self._live.watch.resumed(name, missed=found.resume(line, first.sequence))
                    else:
                        found.resume(line, first.sequence)
                        found.guest = guest
                    return found
        raise UnknownSession(NO_SESSION)

    async def _check_kept(self, tenant: str, identity: str) -> None:
        """Nothing is told of what was erased, here or by another process. Raises UnknownSession."""
        try:
            await self._opening.found(tenant, identity)
        except ClientMistake as error:
            raise UnknownSession(NO_SESSION) from error

    async def _begun(self, socket: WebSocket, identity: str, line: Line, early: Early) -> Attachment | None:
        """A new session, as soon as there is a place; None where the client does not wait for it. Raises VoicemindError."""
        attachment: Attachment | None = None
        refusal: VoicemindError | None = None
        async with anyio.create_task_group() as tasks:

            async def hold() -> None:
                await early.hold(line)
                tasks.cancel_scope.cancel()

            tasks.start_soon(hold)
            try:
                attachment = await self._begin(socket, identity, line)
            except VoicemindError as error:
                refusal = error
            tasks.cancel_scope.cancel()
        if refusal:
            raise refusal
        return attachment

    async def _begin(self, socket: WebSocket, identity: str, line: Line) -> Attachment:
        opened = still_open(await self._opening.found(socket.state.tenant, identity))
        channel: Channel = "text" if socket.query_params.get("channel") == "text" else "voice"
        if channel == "voice":
            self._live.roll_out.refuse(opened.conversation.tenant, opened.conversation.user_id)
        attachment = Attachment(self._limits, guest=socket.state.guest, watch=self._live.watch, on_over=self._over)
        session = await self._live.begin(
            opened,
            lambda: self._build_session(opened, channel, attachment),
            greet=socket.query_params.get("greet") != "0",
            told=lambda position, waited_s: line.say(events.Queued(position=position, waited_s=waited_s)),
        )
        self._attachments[session.id] = attachment
        attachment.begin(session, line, self._ready(session, attachment, line))
        return attachment

    def _ready(self, session: Session, attachment: Attachment, line: Line) -> events.Ready:
        identity, agent = session.opened.conversation.id, session.opened.agent
        return events.Ready(
            session_id=session.id,
            conversation_id=identity,
            conversation_detail_id=identity,
            agent_id=agent.slug,
            agent_name=agent.name,
            channel=session.channel,
            input_rate=INPUT_RATE_HZ,
            output_rate=self._output_rate_hz,
            binary=line.binary,
            secret=attachment.secret,
            resumable_for_s=session.patience.detached_s,
            recording=self._is_recorded(session.opened, session.channel),
        )

    def _over(self, attachment: Attachment) -> None:
        """Its session is over."""
        if attachment.session is not None:
            self._attachments.pop(attachment.session.id, None)
        epilogue = attachment.epilogue()
        if epilogue is not None:
            self._epilogues.keep(epilogue)

    def _refuse(self, line: Line, error: VoicemindError) -> None:
        """Say why this socket cannot serve, and close it."""
        code = next((code for kind, code in REFUSALS if isinstance(error, kind)), NOT_CREATED)
        log.info("socket refused", code=error.code, close=code)
        self._live.watch.refused(error.code)
        line.say(events.Error(message=str(error), code=error.code))
        line.close(code, error.code)


class Early:
    """What a client says before its session is ready: the newest of its sound, and a few messages."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._messages: list[wire.ClientMessage] = []
        self._sounds: deque[bytes] = deque()
        self._bytes = 0

    async def hold(self, line: Line) -> None:
        """Keep what comes until the client is gone."""
        while (message := await line.next()) is not None:
            try:
                self.keep(message)
            except ClientMistake as error:
                line.refuse(error)

    def keep(self, message: wire.ClientMessage) -> None:
        """One message. Raises BadMessage where there are too many."""
        if isinstance(message, wire.Sound):
            self._sounds.append(message.samples)
            self._bytes += len(message.samples)
            while self._bytes > self._limits.early_s * INPUT_RATE_HZ * 2:
                self._bytes -= len(self._sounds.popleft())
        elif len(self._messages) < self._limits.early_messages:
            self._messages.append(message)
        else:
            raise BadMessage("The session is not ready yet: wait for `ready`.")

    def messages(self) -> Sequence[wire.ClientMessage]:
        """What was kept, the sound first."""
        sound = [wire.Sound(b"".join(self._sounds))] if self._bytes else []
        return [*sound, *self._messages]


async def _until_closed(line: Line) -> None:
    while await line.next() is not None:
        pass


async def _serve(line: Line, attachment: Attachment, early: Early) -> None:
    """Pass on what the client says until it is gone."""
    try:
        waiting = deque(early.messages() if line.close_code is None else ())
        line.listen(attachment.hear)
        while (message := waiting.popleft() if waiting else await line.next()) is not None:
            try:
                if type(message) is wire.Sound:
                    attachment.hear(message.samples)
                else:
                    await attachment.take(message)
            except ConversationOver as error:
                line.say(events.Error(message=str(error), code=error.code))
            except ClientMistake as error:
                line.refuse(error)
    finally:
        attachment.lost(line)
