"""A client of `/voice-conversation` for tests: the protocol as a stranger would write it down, not our own client."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
from websockets.asyncio.client import ClientConnection, connect

LIMIT_S = 60.0


class Talk:
    """One socket."""

    def __init__(self, socket: ClientConnection, conversation_id: str, *, keys: Collection[str] = frozenset()) -> None:
        """`keys` are those that a message may have besides type, data and timestamp."""
        self._keys = frozenset(keys)
        self.socket = socket
        self.conversation_id = conversation_id
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.sound = bytearray()

    async def send(self, **message: Any) -> None:
        """One JSON message."""
        await self.socket.send(json.dumps(message))

    async def send_sound(self, samples: bytes) -> None:
        """One binary frame."""
        await self.socket.send(struct.pack("<IId", 1, 0, 0.0) + samples)

    async def until_sound(self, size: int) -> None:
        """Until so many more bytes of sound have come."""
        wanted = len(self.sound) + size
        with anyio.fail_after(LIMIT_S):
            while len(self.sound) < wanted:
                frame = await self.socket.recv()
                if isinstance(frame, bytes):
                    self.sound += frame[16:]

    async def next(self) -> tuple[str, dict[str, Any]]:
        """The next message, sound aside."""
        with anyio.fail_after(LIMIT_S):
            while True:
                frame = await self.socket.recv()
                if isinstance(frame, bytes):
                    self.sound += frame[16:]
                    continue
                message = json.loads(frame)
                assert set(message) - self._keys == {"type", "data", "timestamp"}
                self.seen.append((message["type"], message["data"]))
                return self.seen[-1]

    async def until(self, kind: str, **like: Any) -> dict[str, Any]:
        """The next message of this type whose data has these values."""
        while True:
            name, data = await self.next()
            if name == kind and all(data.get(key) == value for key, value in like.items()):
                return data


async def opened(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """What POST /api/voice-sessions answers."""
    answer = await client.post("/api/voice-sessions", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@asynccontextmanager
async def talking(client: httpx.AsyncClient, *, binary: bool = False, **body: Any) -> AsyncIterator[Talk]:
    """A socket that is ready."""
    session = await opened(client, **body)
    async with connect(session["wsUrl"] + ("&binary=1" if binary else ""), max_size=None, max_queue=None) as socket:
        talk = Talk(socket, session["conversationId"])
        await talk.until("ready")
        yield talk


async def end(client: httpx.AsyncClient, conversation_id: str) -> httpx.Response:
    """End a conversation and wait for what was remembered."""
    return await client.post("/api/elevenlabs/end", json={"conversation_id": conversation_id}, timeout=180)
