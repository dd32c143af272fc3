"""A client of `/voice-conversation` that counts its messages, loses its connection, and comes back: as a stranger would write it down."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
from tests.talking import LIMIT_S, Talk
from tests.talking import opened as opened_by
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicemind.conversation.opening import Opened
from voicemind.conversation.watching import Unwatched


class Numbered(Talk):
    """One socket with `sequence=1`. `numbers` are those of its messages, in the order in which they came."""

    def __init__(self, socket: ClientConnection, conversation_id: str) -> None:
        super().__init__(socket, conversation_id)
        self.numbers: list[int] = []

    async def next(self) -> tuple[str, dict[str, Any]]:
        with anyio.fail_after(LIMIT_S):
            while True:
                frame = await self.socket.recv()
                if isinstance(frame, bytes):
                    self.sound += frame[16:]
                    continue
                message = json.loads(frame)
                assert set(message) in ({"type", "data", "timestamp"}, {"type", "data", "timestamp", "sequence"})
                if "sequence" in message:
                    self.numbers.append(message["sequence"])
                self.seen.append((message["type"], message["data"]))
                return self.seen[-1]

    def cut(self) -> None:
        """As if the network were gone: no closing handshake."""
        self.socket.transport.abort()


class Person:
    """Somebody with a session; `ready` is what its first socket was told."""

    def __init__(self, url: str, ready: dict[str, Any], talk: Numbered) -> None:
        self.url = url
        self.ready = ready
        self.talk = talk

    @property
    def last(self) -> int:
        """The number of the last message that arrived."""
        return self.talk.numbers[-1]

    @asynccontextmanager
    async def back(self, **claim: Any) -> AsyncIterator[Numbered]:
        """A socket that asks to resume; `claim` changes what it says."""
        async with connect(self.url + "&resume=1", max_size=None, max_queue=None) as socket:
            talk = Numbered(socket, self.talk.conversation_id)
            known = {"sessionId": self.ready["sessionId"], "secret": self.ready["secret"], "sequence": self.last}
            await talk.send(**{"type": "resume", **known, **claim})
            yield talk


@asynccontextmanager
async def somebody(client: httpx.AsyncClient, *, query: str = "&sequence=1", **body: Any) -> AsyncIterator[Person]:
    """A person whose session is ready."""
    session = await opened_by(client, **body)
    url = session["wsUrl"] + query
    async with connect(url, max_size=None, max_queue=None) as socket:
        talk = Numbered(socket, session["conversationId"])
        yield Person(url, await talk.until("ready"), talk)


class Watched(Unwatched):
    """Lets a test wait until a session has lost its client, and keeps what was counted."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.started: list[str] = []
        self.ended: list[str] = []
        self.queue: list[int] = []
        self.dry: list[tuple[int, float]] = []
        self.changed: list[str] = []
        self._happened = anyio.Event()

    def session_started(self, session_id: str, opened: Opened, channel: str) -> None:
        self.started.append(session_id)

    def waiting(self, length: int) -> None:
        self.queue.append(length)

    def detached(self, session_id: str) -> None:
        self.lost.append(session_id)
        self._tell()

    def session_ended(self, session_id: str, opened: Opened, *, reason: str, seconds: float) -> None:
        self.ended.append(reason)
        self._tell()

    def underruns(self, session_id: str, count: int, gap_ms: float) -> None:
        self.dry.append((count, gap_ms))

    def engine_changed(self, session_id: str, code: str) -> None:
        self.changed.append(code)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for a loss or an end, until this is so."""
        with anyio.fail_after(LIMIT_S):
            while not is_so():
                await self._happened.wait()

    def _tell(self) -> None:
        self._happened.set()
        self._happened = anyio.Event()


async def close_code(talk: Talk) -> int:
    """The code with which the server closes."""
    try:
        while True:
            await talk.next()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
