"""What ties a session to whichever socket its client has at the moment: it keeps what was said until it has arrived, and passes on what comes in."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress

import anyio

from voicemind.channels.browser import events, shown, wire
from voicemind.channels.browser.epilogue import Epilogue, Whose
from voicemind.channels.browser.guard import Limits
from voicemind.channels.browser.line import Line
from voicemind.channels.browser.outbox import Outbox
from voicemind.clock import epoch_ms, monotonic_s
from voicemind.conversation.session import Session
from voicemind.conversation.watching import Watch
from voicemind.engines.contract import AgentSound, Event, Hushed
from voicemind.errors import BadMessage, ConversationOver, UnknownSession, VoicemindError
from voicemind.ops.keys import Guest

REPLACED, BROKEN, DONE, POLICY = 4409, 1011, 1000, 1008
NOBODY = secrets.token_urlsafe(32)
"""Nobody knows this secret."""


class Attachment:
    """The Audience of one session. At most one socket at a time; a newer one closes the older."""

    def __init__(self, limits: Limits, *, guest: Guest, watch: Watch, on_over: Callable[[Attachment], None]) -> None:
        self.secret = secrets.token_urlsafe(32)
        self.guest = guest
        """Who came in with the newest socket."""
        self.session: Session | None = None
        """Set before the session runs."""
        self._outbox = Outbox(most=limits.kept_messages, most_bytes=limits.kept_bytes)
        self._watch, self._on_over = watch, on_over
        self._line: Line | None = None
        self._is_numbered = False
        self._lost_at: float | None = None
        self._close_code = DONE

    def show(self, event: Event) -> None:
        """Something happened: sound is for who listens now, everything else arrives once."""
        line = self._line
        if type(event) is AgentSound:
            if line is not None:
                line.sound(event)
            return
        if line is not None and type(event) is Hushed:
            line.hush()
        for message, key, final in shown.messages(event):
            self._tell(message, key=key, final=final)

    def draining(self, within_s: float) -> None:
        """The server stops soon."""
        self._tell(events.Draining(within_s=within_s))

    def broken(self, error: VoicemindError | None) -> None:
        """Say why, after everything that is already waiting."""
        self._close_code = BROKEN
        words = str(error) if error else "Something went wrong here. Please start again."
        self._tell(events.Error(message=words, code=error.code if error else "internal_error"))

    def over(self, reason: str) -> None:
        """Close the socket after the last words; who has lost them can still ask for the epilogue."""
        if reason == "replaced" and self._close_code == DONE:
            self._close_code = REPLACED
        self._on_over(self)
        if self._line is not None:
            self._line.close(self._close_code)

    @property
    def whose(self) -> Whose | None:
        """Who may go on with it; None where it has no session, or one that waits for nobody any more."""
        if self.session is None or self.session.reason == "gone":
            return None
        talk = self.session.opened.conversation
        return Whose(self.session.id, talk.tenant, talk.id)

    def epilogue(self) -> Epilogue | None:
        """What stays of it once its session is over; None where nobody can ask for it: a client without numbers does not know what it has missed."""
        whose = self.whose
        if self.session is None or whose is None or not self._is_numbered:
            return None
        since = monotonic_s() if self._lost_at is None else self._lost_at
        until = since + self.session.patience.detached_s
        return Epilogue(whose, self.secret, self._outbox, self._close_code, until)

    def begin(self, session: Session, line: Line, ready: events.Ready) -> None:
        """The first socket of a new session."""
        self.session, self._line, self._is_numbered = session, line, line.is_numbered
        self._tell(ready)

    def resume(self, line: Line, sequence: int) -> None:
        """A socket takes the place of the one that was lost, or is still there: it gets what was missed, then what comes.

        Raises MissedTooMuch, UnknownSession.
        """
        session = self._here()
        missed = self._outbox.since(sequence)
        self._outbox.ack(sequence)
        if self._line is not None:
            self._line.close(REPLACED, "replaced")
        line.say(
            events.Resumed(
                session_id=session.id,
                conversation_id=session.opened.conversation.id,
                missed=len(missed),
                state=session.state.state,
            )
        )
        for kept in missed:
            line.put(kept)
        self._line, self._is_numbered, self._lost_at = line, line.is_numbered, None
        if not session.reason:
            session.attach()
        self._watch.resumed(session.id, missed=len(missed))

    def lost(self, line: Line) -> None:
        """A socket is gone. The session waits for the next one; for who abused it, it does not."""
        if self._line is not line:
            return
        self._line, self._lost_at = None, monotonic_s()
        session = self._here()
        if line.close_code == POLICY:
            session.leave("gone")
        elif not session.reason:
            session.detach()

    def hear(self, samples: bytes) -> None:
        """Sound from the client. Where the session is over nobody hears it: a microphone is not closed in an instant."""
        session = self._here()
        if not session.reason:
            session.hear(samples)

    async def take(self, message: wire.ClientMessage) -> None:
        """Something else from the client. Raises BadMessage, and ConversationOver for words that nobody reads any more."""
        session = self._here()
        match message:
            case wire.Ack(sequence=sequence):
                self._outbox.ack(sequence)
                return
            case wire.Metrics(underruns=underruns, gap_ms=gap_ms):
                self._watch.underruns(session.id, underruns, gap_ms)
                return
            case wire.Resume():
                raise BadMessage("Only the first message of a socket whose address says resume=1 resumes.")
            case _:
                pass
        if session.reason:
            if isinstance(message, wire.Text):
                raise ConversationOver("This conversation is over.")
            return
        session.touch()
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # the session ends at this moment
            await self._act(session, message)

    async def _act(self, session: Session, message: wire.ClientMessage) -> None:
        match message:
            case wire.Text(text=text, id=identity):
                if not await session.read(text.strip(), message_id=identity):
                    self._tell(events.Acknowledged(id=identity))
            case wire.Interrupt():
                await session.interrupt()
            case wire.Played(generation=generation, ms=ms):
                session.played(generation, ms)
            case wire.End():
                session.leave("end")
            case _:
                pass

    def _tell(self, message: events.Event, *, key: str = "", final: bool = True) -> None:
        kept = self._outbox.put(events.encoded(message, timestamp_ms=epoch_ms()), key=key, final=final)
        if self._line is not None:
            self._line.put(kept)

    def _here(self) -> Session:
        if self.session is None:
            raise UnknownSession("There is no session that you could go on with.")
        return self.session


def is_for(
    found: Attachment | Epilogue | None, tenant: str, *, session_id: str, conversation_id: str, secret: str
) -> bool:
    """Whether that is the session of this conversation, with this secret, and still waits for its client.

    Takes the same time whichever of it is wrong (CWE-208).
    """
    whose = found.whose if found else None
    known = found.secret if found else NOBODY
    is_right = hmac.compare_digest(known.encode(), secret.encode("utf-8", "surrogatepass"))
    return is_right and whose == Whose(session_id, tenant, conversation_id)
