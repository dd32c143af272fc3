"""How an answer is sent: as server-sent events piece by piece, or as a whole. It is given up when the client goes away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

import anyio
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from voicemind.errors import VoicemindError
from voicemind.llm.contract import Finished, Piece

log = structlog.get_logger(__name__)

Pieces = AsyncGenerator[Piece, None]


class Telling(Protocol):
    """How an answer is told in one format. Pure: every method gives the bytes that are to be sent next."""

    def begin(self) -> bytes:
        """Before anything is said."""
        ...

    def tell(self, piece: Piece) -> bytes:
        """The next piece; after the Finished nothing follows."""
        ...

    def broken(self, error: VoicemindError) -> bytes:
        """Instead of further pieces."""
        ...


class EventStream(Response):
    """Owns `pieces` and closes them. With `first` the answer has begun already; else the client is told that it will."""

    def __init__(self, pieces: Pieces, telling: Telling, *, first: Piece | None = None) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        del self.headers["content-length"]
        self._pieces, self._telling, self._first = pieces, telling, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks, aclosing(self._pieces):
            tasks.start_soon(until_gone, receive, tasks.cancel_scope)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._say(send)
            tasks.cancel_scope.cancel()

    async def _say(self, send: Send) -> None:
        telling, first = self._telling, self._first
        begun = telling.begin() + (telling.tell(first) if first else b"")
        await _send(send, begun, is_last=isinstance(first, Finished))
        if isinstance(first, Finished):
            return
        try:
            async for piece in self._pieces:
                await _send(send, telling.tell(piece), is_last=isinstance(piece, Finished))
                if isinstance(piece, Finished):
                    return
        except VoicemindError as error:
            log.warning("an answer broke off", code=error.code)
            await _send(send, telling.broken(error), is_last=True)


async def _send(send: Send, body: bytes, *, is_last: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": not is_last})


async def streamed(http: Request, pieces: Pieces, telling: Telling, *, at_once: bool) -> EventStream:
    """The stream. `at_once` sends its beginning before there is anything to say; else what fails until then is raised, and can be a status.

    Raises ClientDisconnect where nobody waits for it any more.
    """
    if at_once:
        return EventStream(pieces, telling)
    firsts: list[Piece] = []
    try:
        await while_there(http, _take_first(pieces, firsts))
    except BaseException:
        await pieces.aclose()
        raise
    return EventStream(pieces, telling, first=firsts[0])


async def _take_first(pieces: Pieces, firsts: list[Piece]) -> None:
    firsts.append(await anext(pieces))


async def whole(http: Request, pieces: Pieces, take: Callable[[Piece], object]) -> None:
    """Have every piece of the answer taken. Raises what the answer raises, and ClientDisconnect where nobody waits for it any more."""
    await while_there(http, _take_all(pieces, take))


async def _take_all(pieces: Pieces, take: Callable[[Piece], object]) -> None:
    async with aclosing(pieces):
        async for piece in pieces:
            take(piece)


async def while_there(http: Request, work: Awaitable[None]) -> None:
    """Do it as long as somebody waits for it. Raises the work's own error, and ClientDisconnect where nobody waits any more."""
    problem: VoicemindError | None = None
    is_done = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(until_gone, http.receive, tasks.cancel_scope)
        try:
            await work
            is_done = True
        except VoicemindError as error:  # by itself, not as a group of one
            problem = error
        tasks.cancel_scope.cancel()
    if problem is not None:
        raise problem
    if not is_done:
        raise ClientDisconnect


async def until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    """Cancel the scope when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
