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

from voicemind.channels.http import mistake_response
from voicemind.errors import VoicemindError
from voicemind.llm.contract import Finished, Piece
from voicemind.ops.connections import GONE

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
    """Owns `pieces` and closes them. `at_once` sends its beginning before there is anything to say; else what fails until then is told as a status."""

    def __init__(self, pieces: Pieces, telling: Telling, *, at_once: bool) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        del self.headers["content-length"]
        self._pieces, self._telling, self._at_once = pieces, telling, at_once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if GONE in scope:
            with anyio.CancelScope() as answering:
                unwatch = scope[GONE](answering.cancel)
                try:
                    await self._answer(scope, receive, send)
                finally:
                    unwatch()
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_gone, receive, tasks.cancel_scope)
            await self._answer(scope, receive, send)
            tasks.cancel_scope.cancel()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._pieces):
            refused = await self._say(send)
            if refused is not None:
                await mistake_response(scope["path"], refused)(scope, receive, send)

    async def _say(self, send: Send) -> VoicemindError | None:
        """The stream; what the answer raised, where nothing has been sent."""
        telling, beginning = self._telling, self._telling.begin()
        is_begun = self._at_once
        try:
            if self._at_once:
                await self._start(send)
                await _send(send, beginning, is_last=False)
            async for piece in self._pieces:
                told, is_last = telling.tell(piece), isinstance(piece, Finished)
                if not is_begun:
                    await self._start(send)
                    is_begun, told = True, beginning + told
                await _send(send, told, is_last=is_last)
                if is_last:
                    break
        except VoicemindError as error:
            if not is_begun:
                return error
            log.warning("an answer broke off", code=error.code)
            await _send(send, telling.broken(error), is_last=True)
        return None

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})


async def _send(send: Send, body: bytes, *, is_last: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": not is_last})


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
