"""The conversations that are live in this process: how many there may be, and which session serves which."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from voicemind.conversation.session import Session
from voicemind.errors import Busy

RETRY_AFTER_S = 10
END_LIMIT_S = 15.0


class Live:
    """At most `limit` sessions at once."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._sessions: dict[tuple[str, str], Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def refuse_when_full(self) -> None:
        """Raises Busy where no further session may start."""
        if len(self._sessions) >= self._limit:
            raise Busy(
                "Too many people are talking right now. Please try again in a moment.", retry_after_s=RETRY_AFTER_S
            )

    @asynccontextmanager
    async def serving(self, session: Session) -> AsyncGenerator[None]:
        """The session is live inside this block. A session that already serves the conversation is asked to leave: the newer client wins."""
        name = (session.opened.conversation.tenant, session.opened.conversation.id)
        older = self._sessions.get(name)
        self._sessions[name] = session
        try:
            if older is not None:
                older.leave("replaced")
                with anyio.move_on_after(END_LIMIT_S):
                    await older.over.wait()
            yield
        finally:
            if self._sessions.get(name) is session:
                del self._sessions[name]

    async def end(self, tenant: str, conversation_id: str) -> None:
        """Have the session of this conversation finish, if there is one, and wait until its turns are stored."""
        session = self._sessions.get((tenant, conversation_id))
        if session is not None:
            session.leave("end")
            with anyio.move_on_after(END_LIMIT_S):
                await session.over.wait()

    def doubt(self) -> None:
        """Something was erased: no session may go on with what it read before."""
        for session in self._sessions.values():
            session.doubt()

    async def shut_down(self) -> None:
        """Have every session store what it has and finish; its conversation can be gone on with after a restart."""
        sessions = list(self._sessions.values())
        for session in sessions:
            session.leave("shutdown")
        with anyio.CancelScope(shield=True), anyio.move_on_after(END_LIMIT_S):
            for session in sessions:
                await session.over.wait()
