"""A client that lives on a bad network: it resumes its session after every loss, and notes whatever it is told twice or never."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import anyio
import httpx
from tests.network import Network
from tests.talking import opened
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

SILENCE_S = 0.75
"""A connection that says nothing for this long, though an answer is due, is given up."""
LIMIT_S = 30.0
FRAME_S, SPEED = 0.02, 2.5
"""The microphone's frames, and how much faster than real time they come."""
CATCH_UP_S = 0.5
"""How much a microphone that is late makes up for: more at once would be a flood."""


class Resuming:
    """One conversation over as many connections as it takes."""

    def __init__(self, url: str, network: Network, conversation_id: str) -> None:
        parts = urlsplit(url)
        self.conversation_id = conversation_id
        self._url = urlunsplit((*parts[:1], f"127.0.0.1:{network.port}", *parts[2:])) + "&sequence=1&binary=1"
        self._socket: ClientConnection | None = None
        self._unconfirmed: dict[str, str] = {}
        self._session: dict[str, Any] = {}
        self.sequence = 0
        self.connections = 0
        self.told: list[tuple[int, str, dict[str, Any]]] = []
        """Every numbered event, in the order in which it came."""
        self.heard: dict[int, int] = {}
        """How far each reply has come over this connection, in samples; forgotten where it is held, since it goes on from what was played."""

    async def connect(self) -> None:
        """The next connection, and what was missed meanwhile."""
        await self.drop()
        self.heard.clear()
        while self._socket is None:
            try:
                with anyio.fail_after(SILENCE_S):
                    await self._connect()
            except (OSError, ConnectionClosed, InvalidHandshake, InvalidMessage, EOFError, TimeoutError):
                await self.drop()

    async def _connect(self) -> None:
        address = self._url + ("&resume=1" if self._session else "")
        self._socket = await connect(address, max_size=None, open_timeout=SILENCE_S, ping_interval=None)
        self.connections += 1
        if self._session:
            known = {name: self._session[name] for name in ("sessionId", "secret")}
            await self._socket.send(json.dumps({"type": "resume", **known, "sequence": self.sequence}))
        kind = ""
        while kind not in ("ready", "resumed"):
            kind, fields = await self._receive()
            assert kind != "error", fields
        for identity, text in self._unconfirmed.items():
            await self._socket.send(json.dumps({"type": "text", "text": text, "id": identity}))

    async def drop(self) -> None:
        """This connection is given up."""
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.transport.abort()

    async def say(self, text: str, identity: str) -> str:
        """Type this, and wait for what is answered, whatever it takes."""
        self._unconfirmed[identity] = text
        try:
            if self._socket is not None:
                await self._socket.send(json.dumps({"type": "text", "text": text, "id": identity}))
        except ConnectionClosed:
            await self.drop()
        answered = False
        while not (answered and identity not in self._unconfirmed):
            try:
                if self._socket is None:
                    await self.connect()
                with anyio.fail_after(SILENCE_S):
                    kind, fields = await self._receive()
            except (ConnectionClosed, TimeoutError):
                await self.drop()
                answered = answered or self._answered_since(identity)
                continue
            answered = answered or (kind == "agent_response" and fields["final"]) or self._answered_since(identity)
        return str(next(fields["text"] for _, kind, fields in reversed(self.told) if kind == "agent_response"))

    def _answered_since(self, identity: str) -> bool:
        """Whether the reply to that message is among what was told, perhaps while a connection was made."""
        at = [number for number, _, fields in self.told if fields.get("id") == identity]
        return bool(at) and any(
            kind == "agent_response" and fields["final"] and number > at[0] for number, kind, fields in self.told
        )

    async def end(self) -> None:
        """The conversation is over, and known to be."""
        while not any(kind == "complete" for _, kind, _ in self.told):
            try:
                if self._socket is None:
                    await self.connect()
                if self._socket is not None:
                    with suppress(ConnectionClosed):  # what is left to read may still say that it is over
                        await self._socket.send('{"type":"end"}')
                with anyio.fail_after(SILENCE_S):
                    while (await self._receive())[0] != "complete":
                        pass
            except (ConnectionClosed, TimeoutError):
                await self.drop()

    async def _receive(self) -> tuple[str, dict[str, Any]]:
        """The next message. Numbers must follow one another without a gap and without a repetition."""
        assert self._socket is not None
        frame = await self._socket.recv()
        if isinstance(frame, bytes):
            self._heard(frame)
            return "sound", {}
        message = json.loads(frame)
        kind, fields = message["type"], message["data"]
        if "sequence" in message:
            assert message["sequence"] == self.sequence + 1, f"{kind}: {message['sequence']} after {self.sequence}"
            self.sequence = message["sequence"]
            self.told.append((self.sequence, kind, fields))
        if kind == "ready":
            self._session = fields
        if kind == "transcript" and fields["final"]:
            self._unconfirmed.pop(fields["id"], None)
        if kind == "interrupted":
            self.heard.pop(fields["generation"], None)
        if kind == "ack":
            self._unconfirmed.pop(fields["id"], None)
        return kind, fields

    async def speak(self, microphone: Iterable[bytes], *, until: Callable[[], bool]) -> None:
        """Keep the microphone open, whatever becomes of the connection, until that is so. What it hears while there is none is lost."""

        async def listen() -> None:
            started = anyio.current_time()
            for number, frame in enumerate(microphone):
                due = started + number * FRAME_S / SPEED
                await anyio.sleep_until(due)
                started += max(0.0, anyio.current_time() - due - CATCH_UP_S)
                if self._socket is not None:
                    with suppress(ConnectionClosed):
                        await self._socket.send(struct.pack("<IId", 1, number, 0.0) + frame)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            while not until():
                try:
                    if self._socket is None:
                        await self.connect()
                    with anyio.fail_after(SILENCE_S):
                        await self._receive()
                except (ConnectionClosed, TimeoutError):
                    await self.drop()
            tasks.cancel_scope.cancel()

    def _heard(self, frame: bytes) -> None:
        """A piece of a reply: unless the reply was held, it must begin where the last one ended, or later."""
        _, generation, position, _ = struct.unpack_from("<IIII", frame)
        end = self.heard.get(generation, 0)
        assert position >= end, f"reply {generation} sounds again from {position}, after {end}"
        self.heard[generation] = position + (len(frame) - 16) // 2


@asynccontextmanager
async def resuming(client: httpx.AsyncClient, network: Network, **body: Any) -> AsyncIterator[Resuming]:
    """A conversation whose first connection is made; yields its client."""
    session = await opened(client, **body)
    talk = Resuming(session["wsUrl"], network, session["conversationId"])
    with anyio.fail_after(LIMIT_S):
        await talk.connect()
    try:
        yield talk
    finally:
        await talk.drop()
