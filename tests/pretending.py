"""A server that only pretends: it serves the page and speaks the wire, and every message of it is in the hands of the test."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

import voicemind
from voicemind.ops.server import listening

PAGE = Path(voicemind.__file__).parent / "static"
RATE_HZ = 24_000
AGENT = {"slug": "counsellor", "name": "Clara", "description": "Listens first.", "language": "en"}


class Socket:
    """One connection of the page: what came, and what is told."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.wanted = dict(socket.query_params)
        self.said: list[dict[str, Any]] = []
        self.frames: list[bytes] = []
        self.sequence = 0
        self.is_gone = anyio.Event()
        self._news = anyio.Event()

    async def listen(self) -> None:
        """Until the page is gone."""
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                if (content := message.get("bytes")) is not None:
                    self.frames.append(content)
                else:
                    self.said.append(json.loads(message["text"]))
                self._news.set()
                self._news = anyio.Event()
        finally:
            self.is_gone.set()

    async def tell(self, kind: str, **values: Any) -> None:
        """One message, with the next number."""
        self.sequence += 1
        message = {"type": kind, "data": values, "timestamp": 1, "sequence": self.sequence}
        await self._socket.send_text(json.dumps(message))

    async def ready(self) -> None:
        """The conversation can begin."""
        await self.tell(
            "ready",
            sessionId="s1",
            secret="sesame",
            resumableForS=120,
            conversationId="c1",
            conversationDetailId="c1",
            agentId="counsellor",
            agentName="Clara",
            channel="voice",
            inputRate=16_000,
            outputRate=RATE_HZ,
            encoding="pcm_s16le",
            binary=True,
        )

    async def sound(self, samples: np.ndarray[Any, np.dtype[np.int16]], *, generation: int, position: int) -> None:
        """One binary frame."""
        header = struct.pack("<IIII", 2, generation, position, RATE_HZ)
        await self._socket.send_bytes(header + samples.astype("<i2").tobytes())

    async def close(self, code: int) -> None:
        """Close it."""
        await self._socket.close(code)

    async def until(self, kind: str, *, after: int = 0, **like: Any) -> dict[str, Any]:
        """The first message of this type, from the one with this index on, whose values are these."""
        while True:
            news = self._news
            for message in self.said[after:]:
                if message["type"] == kind and all(message.get(key) == value for key, value in like.items()):
                    return message
            await news.wait()

    async def until_frames(self, count: int) -> None:
        """Wait for this many frames of the microphone."""
        while len(self.frames) < count:
            await self._news.wait()

    async def until_played(self, generation: int, ms: float) -> float:
        """Wait until so much of a reply has left the loudspeaker; how much it was."""
        while True:
            news = self._news
            told = [m["ms"] for m in self.said if m["type"] == "played" and m["generation"] == generation]
            if told and told[-1] >= ms:
                return float(told[-1])
            await news.wait()


class Pretended:
    """The server: its address, and the connections of the page in their order."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self._sockets, self._arriving = anyio.create_memory_object_stream[Socket](16)

    def app(self) -> Starlette:
        """What is served."""
        return Starlette(
            routes=[
                Route("/api/agents", self._agents),
                Route("/api/voice-sessions", self._open, methods=["POST"]),
                Route("/api/elevenlabs/end", self._end, methods=["POST"]),
                WebSocketRoute("/voice-conversation", self._converse),
                Mount("/", StaticFiles(directory=PAGE, html=True)),
            ]
        )

    async def socket(self) -> Socket:
        """The next connection."""
        return await self._arriving.receive()

    async def ready(self) -> Socket:
        """The next connection, once it was told that the conversation can begin."""
        socket = await self.socket()
        await socket.ready()
        return socket

    def close(self) -> None:
        self._sockets.close()
        self._arriving.close()

    async def _agents(self, _: Request) -> JSONResponse:
        return JSONResponse({"agents": [AGENT]})

    async def _open(self, request: Request) -> JSONResponse:
        self.asked.append(await request.json())
        return JSONResponse({"conversationId": "c1", "wsUrl": "/voice-conversation?conversationDetailId=c1"})

    async def _end(self, _: Request) -> JSONResponse:
        return JSONResponse({"status": "success", "before": {}, "after": {}, "transcript_length": 0})

    async def _converse(self, socket: WebSocket) -> None:
        await socket.accept()
        connection = Socket(socket)
        await self._sockets.send(connection)
        try:
            await connection.listen()
        except WebSocketDisconnect:
            return


@asynccontextmanager
async def pretending() -> AsyncIterator[Pretended]:
    """A pretended server on a free loopback port."""
    server = Pretended()
    try:
        async with listening(server.app(), host="127.0.0.1", port=0, largest_frame=1 << 20) as url:
            server.url = url
            yield server
    finally:
        server.close()


def ramp(start_ms: int, end_ms: int, *, of_ms: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    """A piece of a reply of `of_ms` whose samples say where they belong: they grow from 0.1 to 0.9 and are never silent."""
    moments = np.arange(start_ms * RATE_HZ // 1000, end_ms * RATE_HZ // 1000)
    return np.round((0.1 + 0.8 * moments / (of_ms * RATE_HZ / 1000)) * 32_768).astype(np.int16)


def place_ms(sample: float, *, of_ms: int) -> float:
    """Where in such a reply a sample belongs."""
    return (sample - 0.1) / 0.8 * of_ms
