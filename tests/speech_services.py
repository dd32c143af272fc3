"""The speech services of others, on loopback: they speak the wire of the real ones, refuse what these refuse, and fail when they are told to."""

from __future__ import annotations

import base64
import io
import json
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import anyio
import numpy as np
from anyio.abc import TaskGroup
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.upstreams import KEY
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as Handshake
from websockets.http11 import Response as Refusal

from voicemind.ops.server import listening
from voicemind.speech.audio import INPUT_RATE_HZ, as_floats, from_floats, read_wav

WORD_MS = 300
"""How long a spoken word is."""
CHAR_MS = 60
VOICE = "JBFqnCBsd6RMkjVDRZzb"
_FIRST_VALUE = 2000


def spoken_words(first: int, last: int) -> bytes:
    """Sound in which a peer hears the words `w<first>` to `w<last - 1>`: each is 300 ms of its own value, with a pause behind it."""
    said = INPUT_RATE_HZ * (WORD_MS - 60) // 1000
    pause = bytes(2 * (INPUT_RATE_HZ * WORD_MS // 1000 - said))
    return b"".join(
        np.full(said, _FIRST_VALUE + 10 * number + 5, "<i2").tobytes() + pause for number in range(first, last)
    )


def words_in(samples: bytes) -> str:
    """The words that were spoken so."""
    values = np.frombuffer(samples[: len(samples) // 2 * 2], "<i2")
    marked = values[values >= _FIRST_VALUE]
    seen = dict.fromkeys(((marked - _FIRST_VALUE) // 10).tolist())
    return " ".join(f"w{number}" for number in seen)


@dataclass
class Fault:
    """What goes wrong with one connection: its handshake is answered with `status` (0: never), or after so many messages it says `error`, or closes with `close`."""

    status: int | None = None
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    after: int = 0
    close: int = 0
    reason: str = ""
    error: str = ""
    silent: bool = False


@dataclass
class ElevenLabsPeer:
    """What was asked of the service, and what it is to do wrong with the next connections."""

    url: str = ""
    text: str | None = None
    """What is heard wherever there is any sound; None: the words that `spoken_words` made."""
    faults: deque[Fault] = field(default_factory=deque[Fault])
    addresses: list[str] = field(default_factory=list[str])
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    sent: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    texts: list[str] = field(default_factory=list[str])
    """What was said by a voice."""
    most_contexts: int = 0
    open_sockets: int = 0
    zero_retention: bool = False
    aligned: bool = True
    chunk_words: int = 2
    hold: anyio.Event | None = None
    """A voice says its first chunk, and waits for this before it goes on."""
    sockets: set[ServerConnection] = field(default_factory=set[ServerConnection])

    async def cut(self, code: int) -> None:
        """Close what is open."""
        for socket in list(self.sockets):
            await socket.close(code)


class _Line:
    """One connection, which fails as its fault says."""

    def __init__(self, peer: ElevenLabsPeer, socket: ServerConnection, fault: Fault) -> None:
        self.peer, self.socket, self.fault = peer, socket, fault
        self._sent = 0

    async def send(self, message: dict[str, Any]) -> None:
        fault = self.fault
        if fault.silent:
            return
        if (fault.close or fault.error) and self._sent >= fault.after:
            if fault.error:
                await self.socket.send(json.dumps({"message_type": fault.error, "error": fault.error}))
            await self.socket.close(fault.close or 1008, fault.reason)
            raise anyio.EndOfStream
        self._sent += 1
        self.peer.sent.append(message)
        await self.socket.send(json.dumps(message))


class _Doors:
    """Lets sockets in and serves them."""

    def __init__(self, peer: ElevenLabsPeer) -> None:
        self._peer = peer
        self._faults: dict[ServerConnection, Fault] = {}

    async def let_in(self, socket: ServerConnection, request: Handshake) -> Refusal | None:
        peer = self._peer
        peer.addresses.append(request.path)
        fault = self._faults[socket] = peer.faults.popleft() if peer.faults else Fault()
        if fault.status == 0:
            await anyio.sleep_forever()
        if fault.status:
            return socket.respond(HTTPStatus(fault.status), json.dumps(fault.body))
        if request.headers.get("xi-api-key") != KEY:
            return socket.respond(HTTPStatus.UNAUTHORIZED, json.dumps({"detail": {"status": "invalid_api_key"}}))
        if "enable_logging=false" in request.path and not peer.zero_retention:
            return socket.respond(HTTPStatus.FORBIDDEN, json.dumps({"detail": {"status": "enterprise_required"}}))
        return None

    async def serve(self, socket: ServerConnection) -> None:
        line = _Line(self._peer, socket, self._faults.pop(socket))
        assert socket.request is not None
        self._peer.open_sockets += 1
        self._peer.sockets.add(socket)
        try:
            await self._serve(line, urlsplit(socket.request.path))
        except (ConnectionClosed, anyio.EndOfStream):
            pass
        finally:
            self._peer.open_sockets -= 1
            self._peer.sockets.discard(socket)

    async def _serve(self, line: _Line, parts: SplitResult) -> None:
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        match [unquote(part) for part in parts.path.strip("/").split("/")]:
            case ["v1", "speech-to-text", "realtime"]:
                await _scribe(line, query)
            case ["v1", "text-to-speech", voice, "stream-input"]:
                await _voice(line, voice, query, is_multi=False)
            case ["v1", "text-to-speech", voice, "multi-stream-input"]:
                await _voice(line, voice, query, is_multi=True)
            case _:
                await line.socket.close(1008, "invalid_request")


@asynccontextmanager
async def elevenlabs_service(*, text: str | None = None) -> AsyncIterator[ElevenLabsPeer]:
    """ElevenLabs: Scribe's realtime socket, and the two sockets of its voices."""
    peer = ElevenLabsPeer(text=text)
    doors = _Doors(peer)
    server: Server = await serve(
        doors.serve, "127.0.0.1", 0, process_request=doors.let_in, max_size=None, close_timeout=0.2, ping_interval=None
    )
    peer.url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
    try:
        yield peer
    finally:
        server.close()
        await server.wait_closed()


async def _scribe(line: _Line, query: dict[str, str]) -> None:
    assert query["model_id"] == "scribe_v2_realtime"
    assert query["audio_format"] == "pcm_16000"
    assert query["commit_strategy"] == "manual"
    config = {"sample_rate": 16000, "audio_format": "pcm_16000", "model_id": query["model_id"]}
    await line.send({"message_type": "session_started", "session_id": "s1", "config": config})
    peer, sound, last = line.peer, bytearray(), ""
    async for message in line.socket:
        told = json.loads(message)
        peer.messages.append(told)
        assert told["message_type"] == "input_audio_chunk"
        assert told["sample_rate"] == INPUT_RATE_HZ
        chunk = base64.b64decode(told["audio_base_64"], validate=True)
        if len(chunk) > 2 * INPUT_RATE_HZ * 2:
            await line.send({"message_type": "chunk_size_exceeded", "error": "too large"})
        sound += chunk
        if not told["commit"]:
            words = _heard(peer, bytes(sound), is_over=False)
            for partial in dict.fromkeys((words, last)):  # a stale one comes again behind the new one
                await line.send({"message_type": "partial_transcript", "text": partial})
            last = words
            continue
        if len(sound) < 0.3 * 2 * INPUT_RATE_HZ:
            await line.send({"message_type": "commit_throttled", "error": "You need at least 0.3s of audio."})
            continue
        await line.send({"message_type": "committed_transcript", "text": _heard(peer, bytes(sound), is_over=True)})
        await line.send({"message_type": "partial_transcript", "text": last})
        sound.clear()


def _heard(peer: ElevenLabsPeer, sound: bytes, *, is_over: bool) -> str:
    if peer.text is None:
        return words_in(sound)
    floats = as_floats(sound[: len(sound) // 2 * 2])
    if not floats.size or float(np.abs(floats).max()) < 0.01:
        return ""
    return peer.text if is_over else " ".join(peer.text.split()[: floats.size * 1000 // INPUT_RATE_HZ // WORD_MS])


@dataclass
class _Context:
    speed: float = 1.0
    text: str = ""
    is_speaking: bool = False
    is_closing: bool = False


class _Voice:
    """A voice's socket; contexts make sound side by side, and are open until they have made it all."""

    def __init__(self, line: _Line, query: dict[str, str], *, is_multi: bool) -> None:
        self._line, self._is_multi = line, is_multi
        self._rate_hz = int(query.get("output_format", "pcm_24000").removeprefix("pcm_"))
        self._contexts: dict[str, _Context] = {}

    async def run(self, tasks: TaskGroup) -> None:
        peer, socket = self._line.peer, self._line.socket
        async for message in socket:
            told = json.loads(message)
            peer.messages.append(told)
            name = told.get("context_id", "")
            assert name or not self._is_multi
            context = self._contexts.get(name)
            if told.get("close_context") or (not self._is_multi and told.get("text") == ""):
                if context is not None:
                    context.is_closing = True
                    tasks.start_soon(self._speak, name, context, tasks)
            elif context is None:
                assert not told["text"].strip(), "the first message of a context is a space"
                speed = (told.get("voice_settings") or {}).get("speed", 1.0)
                assert 0.7 <= speed <= 1.2
                self._contexts[name] = _Context(speed)
                peer.most_contexts = max(peer.most_contexts, len(self._contexts))
                if len(self._contexts) > 5:
                    await socket.close(1008, "max_active_contexts")
            else:
                assert told["text"].endswith(" ")
                context.text += told["text"]
                if told.get("flush"):
                    tasks.start_soon(self._speak, name, context, tasks)

    async def _speak(self, name: str, context: _Context, tasks: TaskGroup) -> None:
        if context.is_speaking:
            return
        context.is_speaking = True
        try:
            while context.text.strip():
                text, context.text = context.text, ""
                await _say(self._line, text, name, rate_hz=self._rate_hz, char_ms=CHAR_MS / context.speed)
            context.is_speaking = False
            if context.is_closing and name in self._contexts:
                del self._contexts[name]
                await self._line.send({"isFinal": True, "contextId": name} if self._is_multi else {"isFinal": True})
                if not self._is_multi:
                    await self._line.socket.close(1000)
        except (ConnectionClosed, anyio.EndOfStream):
            tasks.cancel_scope.cancel()


async def _voice(line: _Line, voice: str, query: dict[str, str], *, is_multi: bool) -> None:
    if voice == "nobody":
        code = "voice_id_does_not_exist"
        said = {"message": "A voice with that id does not exist.", "error": code, "code": 1008}
        await line.socket.send(json.dumps(said))
        await line.socket.close(1008, code)
        return
    problem: Exception | None = None
    async with anyio.create_task_group() as tasks:
        try:
            await _Voice(line, query, is_multi=is_multi).run(tasks)
        except (ConnectionClosed, AssertionError) as error:
            problem = error
        tasks.cancel_scope.cancel()
    if problem is not None:
        raise problem


async def _say(line: _Line, text: str, context: str, *, rate_hz: int, char_ms: float) -> None:
    peer, at, words = line.peer, 0.0, text.rstrip(" ").split(" ")
    peer.texts.append(text)
    for number in range(0, len(words), peer.chunk_words):
        if number and peer.hold is not None:
            await peer.hold.wait()
        piece = " ".join(words[number : number + peer.chunk_words]) + " "
        samples = hum(at, at + len(piece) * char_ms, rate_hz)
        at += len(piece) * char_ms
        alignment = {
            "chars": list(piece),
            "charStartTimesMs": [char_ms * place for place in range(len(piece))],
            "charDurationsMs": [char_ms] * len(piece),
        }
        told = {
            "audio": base64.b64encode(samples).decode(),
            "isFinal": None,
            "alignment": alignment if peer.aligned else None,
            "normalizedAlignment": alignment if peer.aligned else None,
        }
        await line.send({**told, "contextId": context} if context else told)


def hum(start_ms: float, end_ms: float, rate_hz: int) -> bytes:
    """A part of an endless tone."""
    moment = np.arange(int(start_ms * rate_hz / 1000), int(end_ms * rate_hz / 1000)) / rate_hz
    return from_floats((0.2 * np.sin(2 * math.pi * 220 * moment)).astype(np.float32))


Answer = Callable[[], Response]


@dataclass
class OpenAiPeer:
    """The audio interface of OpenAI; `queue` holds answers to give before the ordinary ones."""

    url: str = ""
    text: str | None = None
    queue: deque[Answer] = field(default_factory=deque[Answer])
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    packet: int = 4000
    running: int = 0
    idle: anyio.Event = field(default_factory=anyio.Event)


@asynccontextmanager
async def openai_audio_service(*, text: str | None = None) -> AsyncIterator[OpenAiPeer]:
    """OpenAI's transcription and speech."""
    peer = OpenAiPeer(text=text)

    def refusal(request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"error": {"code": "invalid_api_key", "message": f"Incorrect key {KEY}"}}, 401)
        return peer.queue.popleft()() if peer.queue else None

    async def transcribe(request: Request) -> Response:
        async with request.form() as form:
            upload = form["file"]
            assert isinstance(upload, UploadFile)
            content = await upload.read()
            asked = {name: value for name, value in form.items() if isinstance(value, str)}
        peer.asked.append({**asked, "file": content})
        if refused := refusal(request):
            return refused
        assert asked["response_format"] == "json"
        pcm = read_wav(content)
        assert pcm.rate_hz == INPUT_RATE_HZ
        heard = words_in(pcm.samples) if peer.text is None else peer.text
        return JSONResponse({"text": heard, "usage": {"type": "duration", "seconds": pcm.duration_ms / 1000}})

    async def speak(request: Request) -> Response:
        asked = await request.json()
        peer.asked.append(asked)
        if refused := refusal(request):
            return refused
        assert asked["response_format"] == "pcm"
        if asked["voice"] == "nobody":
            return JSONResponse({"error": {"code": "invalid_value", "param": "voice"}}, 400)
        return StreamingResponse(_spoken(peer, asked["input"], asked.get("speed", 1.0)), media_type="audio/pcm")

    app = Starlette(
        routes=[
            Route("/v1/audio/transcriptions", transcribe, methods=["POST"]),
            Route("/v1/audio/speech", speak, methods=["POST"]),
        ]
    )
    async with listening(app, host="127.0.0.1", port=0, largest_frame=1 << 20) as url:
        peer.url = f"{url}/v1"
        yield peer


async def _spoken(peer: OpenAiPeer, text: str, speed: float) -> AsyncGenerator[bytes]:
    peer.running += 1
    peer.idle = anyio.Event()
    try:
        sound = io.BytesIO(hum(0, len(text) * CHAR_MS / speed, 24_000))
        while packet := sound.read(peer.packet):
            yield packet
            await anyio.lowlevel.checkpoint()
    finally:
        peer.running -= 1
        peer.idle.set()
