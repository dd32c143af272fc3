"""The sessions that are live in this process: who may begin one, which serves which conversation, and how all of them end.

Sessions run here and not where their sockets are: a connection may be lost, and its session waits for the next one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
import structlog
from anyio.abc import TaskGroup

from voicemind.clock import monotonic_s
from voicemind.conversation.admission import RETRY_AFTER_S, Admission, Place
from voicemind.conversation.opening import Opened
from voicemind.conversation.roll_out import RollOut
from voicemind.conversation.seats import Seats
from voicemind.conversation.session import Session
from voicemind.conversation.watching import Unwatched, Watch
from voicemind.engines.contract import Trouble
from voicemind.errors import AllTalking, Stopping, VoicemindError, leaves

log = structlog.get_logger(__name__)

END_LIMIT_S = 15.0
STORING_SHARE = 0.25
"""Of the time to drain, what is left for storing what was cut off."""

NOT_RECORDED = "The recording has stopped. The conversation goes on."

Told = Callable[[int, float], None]
"""Is told a newcomer's position in the queue, and for how many seconds they have waited."""


class Live:
    """At most `limit` sessions at once, and `queue_places` newcomers who wait `queue_wait_s` at most. Sessions run inside `running`."""

    def __init__(
        self,
        *,
        limit: int,
        queue_places: int = 0,
        queue_wait_s: float = 30.0,
        roll_out: RollOut | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.roll_out = roll_out or RollOut()
        self.watch = watch or Unwatched()
        self.is_draining = False
        """Whether nobody is taken in any more."""
        self._admission = Admission(limit, queue_places=queue_places, on_queue=self.watch.waiting)
        self._queue_wait_s = queue_wait_s
        self._seats = Seats(self._admission)
        self._tasks: TaskGroup | None = None
        self._on_erasure: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._seats)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Sessions run inside this block; whoever is still talking at its end is told, and what they said is stored."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                if not self.is_draining:
                    await self.shut_down()
                self._tasks = None
                tasks.cancel_scope.cancel()

    def refuse_when_full(self, tenant: str, conversation_id: str | None = None) -> None:
        """Raises AllTalking where no further session may begin or wait, Stopping where none may at all. Who is live already has a place."""
        self._refuse_when_stopping()
        if conversation_id is None or (tenant, conversation_id) not in self._seats:
            self._admission.refuse_when_full()

    async def begin(
        self, opened: Opened, build: Callable[[], Session], *, greet: bool, told: Told | None = None
    ) -> Session:
        """Have a new session serve the conversation as soon as there is a place. One that serves it already leaves: the newer client wins.

        Raises AllTalking, Stopping, and what `build` raises. The session runs until it is over, whoever is there.
        """
        self._refuse_when_stopping()
        name = _name(opened)
        place = None if name in self._seats else await self._place(told)
        try:
            session = build()
        except BaseException:
            if place is not None:
                self._admission.give_back(place)
            raise
        older = self._seats.take(name, session, place)
        assert self._tasks is not None
        self._tasks.start_soon(self._serve, session, older, greet)
        return session

    async def end(self, tenant: str, conversation_id: str) -> None:
        """Have the session of this conversation finish, if there is one, and wait until its turns are stored."""
        session = self._seats.newest((tenant, conversation_id))
        if session is not None:
            session.leave("end")
            with anyio.move_on_after(END_LIMIT_S):
                await session.over.wait()

    def doubt(self) -> None:
        """Something was erased: no session may go on with what it read before, and nothing of one that is over may be told again."""
        for forget in self._on_erasure:
            forget()
        for session in self._seats.all():
            session.doubt()

    def recording_stopped(self, session_id: str, reason: str) -> None:
        """Its client may want to say that what follows is not recorded. `reason` is `full`, `broken` or `slow`."""
        for session in self._seats.all():
            if session.id == session_id:
                session.audience.show(Trouble("recording_stopped", NOT_RECORDED))

    def when_erased(self, forget: Callable[[], None]) -> None:
        """Have this called whenever something was erased."""
        self._on_erasure.append(forget)

    async def drain(self, within_s: float) -> None:
        """Take nobody in any more, let what is being said be finished, and return once every session is over, `within_s` at the latest."""
        self.is_draining = True
        self._admission.dismiss()
        sessions = self._seats.all()
        for session in sessions:
            session.drain(within_s)
        with anyio.CancelScope(shield=True), anyio.move_on_after(within_s * (1 - STORING_SHARE)):
            for session in sessions:
                await session.over.wait()
        await self.shut_down(within_s=max(within_s * STORING_SHARE, 0.1))

    async def shut_down(self, *, within_s: float = END_LIMIT_S) -> None:
        """Have every session store what it has and finish; its conversation can be gone on with after a restart."""
        self.is_draining = True
        self._admission.dismiss()
        sessions = self._seats.all()
        for session in sessions:
            session.leave("shutdown")
        with anyio.CancelScope(shield=True), anyio.move_on_after(within_s):
            for session in sessions:
                await session.over.wait()

    def _refuse_when_stopping(self) -> None:
        if self.is_draining or self._tasks is None:
            raise Stopping("This server is about to stop. Please try again in a moment.", retry_after_s=RETRY_AFTER_S)

    async def _place(self, told: Told | None) -> Place:
        place = self._admission.ask()
        began_s = monotonic_s()
        try:
            with anyio.move_on_after(self._queue_wait_s):
                while place.position and not self.is_draining:
                    if told:
                        told(place.position, round(monotonic_s() - began_s, 1))
                    await place.changed.wait()
            self._refuse_when_stopping()
            if place.position:
                raise AllTalking(
                    "Everybody is still talking. Please try again in a moment.", retry_after_s=RETRY_AFTER_S
                )
        except BaseException:
            self._admission.give_back(place)
            raise
        return place

    async def _serve(self, session: Session, older: Session | None, greet: bool) -> None:
        """The boundary of a conversation: whatever breaks it, its client is told and the server lives."""
        began_s, end, name = monotonic_s(), "", _name(session.opened)
        try:
            if await self._enter(session, older):
                self.watch.session_started(session.id, session.opened, session.channel)
                await session.run(greet=greet)
            end = session.reason
        except Exception as error:  # noqa: BLE001 - the boundary of a conversation
            end = _broken(session, error)
        finally:
            session.over.set()
            was_in = session.entered.is_set()
            session.entered.set()
            self._seats.leave(name, session)
            self._tell_over(session, end, monotonic_s() - began_s, was_in=was_in)

    def _tell_over(self, session: Session, end: str, seconds: float, *, was_in: bool) -> None:
        try:
            session.audience.over(session.reason)
            if was_in:
                self.watch.session_ended(session.id, session.opened, reason=end, seconds=seconds)
        except Exception:  # still the boundary of a conversation: the other sessions live
            log.exception("the end of a session could not be told", session_id=session.id)

    async def _enter(self, session: Session, older: Session | None) -> bool:
        """Wait until who served before is over; False where a newer one has come meanwhile."""
        if older is not None:
            older.leave("replaced")
            with anyio.move_on_after(END_LIMIT_S):
                await _first_of(older.over, session.over)
        if session.over.is_set():
            return False
        session.unanswered.inherit(self._seats.typed_before(_name(session.opened), older))
        session.entered.set()
        return True


async def _first_of(*events: anyio.Event) -> None:
    async with anyio.create_task_group() as tasks:

        async def wait(event: anyio.Event) -> None:
            await event.wait()
            tasks.cancel_scope.cancel()

        for event in events:
            tasks.start_soon(wait, event)


def _name(opened: Opened) -> tuple[str, str]:
    return opened.conversation.tenant, opened.conversation.id


def _broken(session: Session, error: BaseException) -> str:
    """Tell the client and the log; returns the code."""
    while isinstance(error, BaseExceptionGroup):
        error = next(leaves(error))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - narrowing loses the type
    ours = error if isinstance(error, VoicemindError) else None
    code = ours.code if ours else "internal_error"
    log.error("conversation broke off", session_id=session.id, code=code, exc_info=None if ours else error)
    session.audience.broken(ours)
    return code
