"""The interface as a part of the application, made when it is first asked for: a server that only talks never loads FastAPI."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import anyio.to_thread
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from voicemind.channels.rest.rooms import Rooms

PREFIX = "/api/v1"


class Rest:
    """An ASGI application for everything under `/api/v1`."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._app: ASGIApp | None = None
        self._making = anyio.Lock()

    def routes(self) -> Sequence[BaseRoute]:
        """Where it is found."""
        return [Mount(PREFIX, self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            async with self._making:
                if self._app is None:
                    self._app = await anyio.to_thread.run_sync(_made, self._rooms)
        # Routes see the address as it was sent: an id may hold a slash, which is %2F there. `visit.PathId` decodes it.
        await self._app({**scope, "path": scope["raw_path"].decode("latin-1")}, receive, send)


def _made(rooms: Rooms) -> ASGIApp:
    from voicemind.channels.rest.app import build

    return build(rooms)
