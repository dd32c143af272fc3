"""A client of a Voicemind server: its HTTP endpoints and its conversation socket, with typed events. For the commands, tests and benchmarks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit, urlunsplit

import anyio
import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from voicemind.channels.browser import wire
from voicemind.config import LOOPBACK
from voicemind.errors import (
    BadMessage,
    BadRequest,
    Busy,
    ConversationOver,
    Forbidden,
    ProviderUnavailable,
    Unauthenticated,
    UnknownAgent,
    VoicemindError,
)
from voicemind.speech.audio import Pcm

SERVICE = "voicemind"
OPEN_TIMEOUT_S = 30.0
END_TIMEOUT_S = 180.0
"""Longer than a server waits for its own reflection before it answers 202."""
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_EVENTS: Mapping[str, type[wire.Event]] = {event.type: event for event in wire.EVENTS}


@dataclass(frozen=True, slots=True)
class ReplySound:
    """A piece of a reply's sound, however it travelled; `position` counts samples since the reply began."""

    pcm: Pcm
    generation: int
    position: int


ServerEvent = (
    wire.Ready
    | wire.State
    | wire.Transcript
    | wire.AgentResponse
    | ReplySound
    | wire.Interrupted
    | wire.Error
    | wire.Complete
)


@dataclass(frozen=True, slots=True)
class OpenedConversation:
    """A conversation that waits for its socket at `ws_url`."""

    conversation_id: str
    ws_url: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """How a conversation ended: `before` and `after` are the mind's blocks as text. `pending`: the reflection still runs on the server."""

    pending: bool
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""
    turns: int = 0

    def news(self) -> dict[str, list[str]]:
        """The lines that each block has now and had not before; blocks without news are left out.

        >>> Remembered(pending=False, before={"memory": "[nothing yet]"}, after={"memory": "Has a cat.", "goals": ""}).news()
        {'memory': ['Has a cat.']}
        """
        found: dict[str, list[str]] = {}
        for label, text in self.after.items():
            known = set(self.before.get(label, "").splitlines())
            if lines := [line.strip() for line in text.splitlines() if line.strip() and line not in known]:
                found[label] = lines
        return found


class Talk:
    """The open socket of one conversation. Events come from `events`, which one reader at a time may iterate."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._frames = 0

    async def say(self, text: str) -> None:
        """Type this."""
        await self._send({"type": "text", "text": text})

    async def hear(self, samples: bytes) -> None:
        """Speak this: 16-bit little-endian mono at 16 kHz, a few ten milliseconds at a time."""
        self._frames += 1
        await self._deliver(wire.client_audio(samples, sequence=self._frames))

    async def interrupt(self) -> None:
        """Stop the reply."""
        await self._send({"type": "interrupt"})

    async def played(self, generation: int, ms: float) -> None:
        """Report how much of a reply was played, in milliseconds."""
        await self._send({"type": "played", "generation": generation, "ms": ms})

    async def end(self) -> None:
        """Say that the conversation is over; the server answers `complete` once everything is stored."""
        await self._send({"type": "end"})

    async def events(self) -> AsyncGenerator[ServerEvent, None]:
        """What the server says, until it closes. Kinds that this client does not know are left out.

        Raises ProviderUnavailable where the connection breaks, BadMessage for what is no message of the protocol.
        """
        try:
            async for frame in self._socket:
                event = parsed(frame)
                if event is not None:
                    yield event
        except ConnectionClosed as closed:
            raise _hung_up(closed) from closed

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._deliver(msgspec.json.encode(message).decode())

    async def _deliver(self, frame: str | bytes) -> None:
        try:
            await self._socket.send(frame)
        except ConnectionClosed as closed:
            raise _hung_up(closed) from closed


class Server:
    """A Voicemind server at `url`. Enter it before its first use. `key` is sent as bearer token where it is not empty."""

    def __init__(self, url: str, *, key: str = "") -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._is_local = (urlsplit(self.url).hostname or "") in LOOPBACK
        # A proxy of the environment is never meant for this machine.
        self._http = httpx.AsyncClient(
            base_url=self.url, headers=self._headers, timeout=OPEN_TIMEOUT_S, trust_env=not self._is_local
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def version(self, *, timeout_s: float = 2.0) -> str | None:
        """The version of the Voicemind that answers here; None where nobody or something else does."""
        try:
            answer = await self._http.get("/healthz", timeout=timeout_s)
            health = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return None
        if answer.status_code != 200 or not isinstance(health, dict) or health.get("service") != SERVICE:
            return None
        return str(health.get("version", "?"))

    async def wait_until_ready(self, *, timeout_s: float = 300.0) -> None:
        """Return once the models are loaded. Raises ProviderUnavailable after `timeout_s`."""
        with anyio.move_on_after(timeout_s):
            while (await self._request("GET", "/readyz", accepted=(200, 503))).status_code != 200:
                await anyio.sleep(0.25)
            return
        raise ProviderUnavailable(f"The server at {self.url} is not ready after {timeout_s:.0f} s.", provider=SERVICE)

    async def open_conversation(
        self, agent: str, *, user: str | None, channel: Literal["voice", "text"], conversation_id: str | None = None
    ) -> OpenedConversation:
        """Open a conversation with an agent. Raises UnknownAgent, Busy, Unauthenticated …"""
        asked = {"agent": agent, "user_id": user, "conversation_id": conversation_id, "channel": channel}
        answer = await self._request(
            "POST", "/api/voice-sessions", body={name: value for name, value in asked.items() if value}
        )
        opened = _object(answer)
        return OpenedConversation(str(opened["conversationId"]), self._socket_url(str(opened["wsUrl"])))

    @asynccontextmanager
    async def talk(self, opened: OpenedConversation) -> AsyncIterator[Talk]:
        """Connect the socket of an opened conversation; leaving closes it, which does not end the conversation."""
        url = opened.ws_url + ("&" if "?" in opened.ws_url else "?") + "binary=1"
        try:
            socket = await connect(
                url,
                additional_headers=self._headers,
                max_size=MAX_MESSAGE_BYTES,
                open_timeout=OPEN_TIMEOUT_S,
                proxy=None if self._is_local else True,
            )
        except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
            raise ProviderUnavailable(
                f"The conversation's socket at {self.url} cannot be opened.", provider=SERVICE
            ) from error
        async with socket:
            yield Talk(socket)

    async def end(self, conversation_id: str) -> Remembered:
        """End a conversation and wait for its reflection. Raises UnknownConversation."""
        try:
            answer = await self._request(
                "POST", "/api/elevenlabs/end", body={"conversation_id": conversation_id}, timeout_s=END_TIMEOUT_S
            )
        except TimeoutError:
            return Remembered(pending=True)
        if answer.status_code == 202:
            return Remembered(pending=True)
        ended = _object(answer)
        return Remembered(
            pending=False,
            before=ended.get("before") or {},
            after=ended.get("after") or {},
            notes=str(ended.get("reflection_notes") or ""),
            turns=int(ended.get("transcript_length") or 0),
        )

    def _socket_url(self, url: str) -> str:
        """The socket on the address that this client reaches the server by, which need not be the one that the server knows itself by."""
        base, given = urlsplit(self.url), urlsplit(url)
        scheme = "wss" if base.scheme == "https" else "ws"
        return urlunsplit((scheme, base.netloc, base.path.rstrip("/") + given.path, given.query, ""))

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        timeout_s: float = OPEN_TIMEOUT_S,
        accepted: tuple[int, ...] = (),
    ) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, json=body, timeout=timeout_s)
        except httpx.ReadTimeout as error:
            raise TimeoutError from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderUnavailable(f"No Voicemind server answers at {self.url}.", provider=SERVICE) from error
        if answer.is_success or answer.status_code in accepted:
            return answer
        raise refusal(answer.status_code, _text_of(answer))


def parsed(frame: str | bytes) -> ServerEvent | None:
    """One frame from the server as an event; None for kinds that are unknown here. Raises BadMessage."""
    if isinstance(frame, bytes):
        pcm, generation, position = wire.parse_binary_audio(frame)
        return ReplySound(pcm, generation, position)
    kind, content = wire.parse_event(frame)
    if kind not in _EVENTS:
        return None
    try:
        event = msgspec.convert(content, _EVENTS[kind])
    except msgspec.ValidationError as error:
        raise BadMessage(f"The server's {kind} message lacks what it should hold.") from error
    match event:
        case wire.AudioChunk():
            return ReplySound(wire.sound_of(event), event.generation, event.position_ms * event.rate // 1000)
        case (
            wire.Ready()
            | wire.State()
            | wire.Transcript()
            | wire.AgentResponse()
            | wire.Interrupted()
            | wire.Error()
            | wire.Complete()
        ):
            return event
        case _:
            return None


def refusal(status: int, message: str) -> VoicemindError:
    """What a server's refusal is to us; `message` is the sentence that it gave."""
    match status:
        case 401:
            return Unauthenticated(f"{message.rstrip('.')}. Set VOICEMIND_API_KEY to a key of this server.")
        case 403:
            return Forbidden(message)
        case 404:
            return UnknownAgent(message)
        case 409:
            return ConversationOver(message)
        case 503:
            return Busy(message, retry_after_s=10)
        case _ if 400 <= status < 500:
            return BadRequest(message)
        case _:
            return ProviderUnavailable(message, provider=SERVICE)


def _text_of(answer: httpx.Response) -> str:
    """The sentence of an error answer: `detail` where there is one, else `error` or its `message`."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    if isinstance(content, dict):
        error = content.get("error")
        for text in (content.get("detail"), error.get("message") if isinstance(error, dict) else error):
            if isinstance(text, str) and text:
                return text
    return f"The server answered with status {answer.status_code}."


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError as error:
        raise BadMessage("The server's answer is no JSON.") from error
    if not isinstance(content, dict):
        raise BadMessage("The server's answer is no JSON object.")
    return content


def _hung_up(closed: ConnectionClosed) -> VoicemindError:
    reason = closed.rcvd.reason if closed.rcvd is not None else ""
    return ProviderUnavailable(
        reason or "The server closed the connection in the middle of the conversation.", provider=SERVICE
    )
