"""A client of `/voice-conversation` that counts its messages, loses its connection, and comes back: as a stranger would write it down."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from tests.talking import LIMIT_S, Talk, opened
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


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
    session = await opened(client, **body)
    url = session["wsUrl"] + query
    async with connect(url, max_size=None, max_queue=None) as socket:
        talk = Numbered(socket, session["conversationId"])
        yield Person(url, await talk.until("ready"), talk)


async def close_code(talk: Talk) -> int:
    """The code with which the server closes."""
    with anyio.fail_after(LIMIT_S), pytest.raises(ConnectionClosed) as closed:
        while True:
            await talk.next()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code
