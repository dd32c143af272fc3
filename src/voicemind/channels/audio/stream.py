"""Bytes that are sent as they are made, and given up when the client goes away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from voicemind.channels.sse import until_gone
from voicemind.errors import VoicemindError

log = structlog.get_logger(__name__)


class ByteStream(Response):
    """Owns `chunks` and closes them; `first` was taken from them before, so that what fails until then can be a status.

    What fails later is told by `broken` where the format has a way to, else by a connection that ends too early.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes],
        *,
        first: bytes,
        media_type: str,
        broken: Callable[[VoicemindError], bytes] | None = None,
    ) -> None:
        super().__init__(media_type=media_type, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._chunks, self._first, self._broken = chunks, first, broken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks, aclosing(self._chunks):
            tasks.start_soon(until_gone, receive, tasks.cancel_scope)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._send(send)
            tasks.cancel_scope.cancel()

    async def _send(self, send: Send) -> None:
        try:
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            async for chunk in self._chunks:
                if chunk:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except VoicemindError as error:
            log.warning("an answer broke off", code=error.code)
            if self._broken is None:
                return
            await send({"type": "http.response.body", "body": self._broken(error), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
