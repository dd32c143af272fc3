"""A client of a Voicemind server, over HTTP and its conversation socket: for the commands, the tests and the benchmarks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit, urlunsplit

import anyio
import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from voicemind.channels.browser import events, frames
from voicemind.cli.answers import (
    SERVICE,
    Health,
    OpenedConversation,
    Readiness,
    Remembered,
    ServerEvent,
    decoded,
    event_of,
    refusal,
)
from voicemind.config import LOOPBACK
from voicemind.errors import BadMessage, ProviderUnavailable

OPEN_TIMEOUT_S = 30.0
END_TIMEOUT_S = 180.0
"""Longer than a server waits for its own reflection before it answers 202."""
READY_POLL_S = 0.25
MAX_MESSAGE_BYTES = 4 * 1024 * 1024

Channel = Literal["voice", "text"]


class Talk:
    """The open socket of one conversation. One reader at a time iterates `events`; the rest may be called meanwhile.

    Every call raises ProviderUnavailable where the connection is gone.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._frames = 0
        self._trouble = ""

    async def say(self, text: str) -> None:
        """Type this."""
        await self._send({"type": "text", "text": text})

    async def hear(self, samples: bytes) -> None:
        """Speak this: 16-bit little-endian mono at 16 kHz, a few ten milliseconds at a time."""
        self._frames += 1
        await self._deliver(frames.client_audio(samples, sequence=self._frames))

    async def interrupt(self) -> None:
        """Stop the reply."""
        await self._send({"type": "interrupt"})

    async def played(self, generation: int, ms: float) -> None:
        """Report how much of a reply was played, in milliseconds."""
        await self._send({"type": "played", "generation": generation, "ms": ms})

    async def end(self) -> None:
        """Say that the conversation is over; the server answers `complete` once everything is stored."""
        await self._send({"type": "end"})

    async def events(self) -> AsyncGenerator[ServerEvent]:
        """What the server says, until it closes. Raises BadMessage for what is no message of the protocol."""
        try:
            async for frame in self._socket:
                event = event_of(frame)
                if isinstance(event, events.Error):
                    self._trouble = event.message
                if event is not None:
                    yield event
        except ConnectionClosed as closed:
            raise self._hung_up() from closed

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._deliver(msgspec.json.encode(message).decode())

    async def _deliver(self, frame: str | bytes) -> None:
        try:
            await self._socket.send(frame)
        except ConnectionClosed as closed:
            raise self._hung_up() from closed

    def _hung_up(self) -> ProviderUnavailable:
        return ProviderUnavailable(
            self._trouble or "The server closed the connection in the middle of the conversation.", provider=SERVICE
        )


class Server:
    """A Voicemind server at `url`. Enter it before its first use. A `key` is sent as bearer token."""

    def __init__(self, url: str, *, key: str = "") -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._is_local = (urlsplit(self.url).hostname or "") in LOOPBACK
        self._http = httpx.AsyncClient(
            headers=self._headers,
            verify=self.url.lower().startswith("https:"),  # reading the certificates takes a twentieth of a second
            trust_env=not self._is_local,  # a proxy is never meant for this machine itself
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def version(self, *, timeout_s: float = 2.0) -> str | None:
        """The version of the Voicemind that answers here; None where nobody or somebody else does."""
        try:
            answer = await self._http.get(f"{self.url}/healthz", timeout=timeout_s)
            health = decoded(answer.content, Health)
        except (httpx.HTTPError, httpx.InvalidURL, BadMessage):
            return None
        return health.version if answer.is_success and health.service == SERVICE else None

    async def wait_until_ready(self, *, timeout_s: float = 300.0) -> None:
        """Return once the models are loaded. Raises ProviderUnavailable where they cannot be, or after `timeout_s`."""
        status = "loading"
        with anyio.move_on_after(timeout_s):
            while status == "loading":
                answer = await self.request("GET", "/readyz", accepted=(503,))
                status = decoded(answer.content, Readiness).status
                if status == "ready":
                    return
                await anyio.sleep(READY_POLL_S)
        raise ProviderUnavailable(
            f"The server at {self.url} is not ready ({status}). `voicemind doctor` says what is missing.",
            provider=SERVICE,
        )

    async def open_conversation(
        self,
        agent: str,
        *,
        user: str | None,
        channel: Channel,
        conversation_id: str | None = None,
        greet: bool = True,
    ) -> OpenedConversation:
        """Open a conversation, or go on with one. Raises UnknownAgent, BadRequest, ConversationOver, Busy, Unauthenticated."""
        body = {
            "agent": agent,
            "user_id": user,
            "conversation_id": conversation_id,
            "channel": channel,
            "greet": greet,
        }
        answer = await self.request("POST", "/api/voice-sessions", body=body)
        opened = decoded(answer.content, OpenedConversation)
        return msgspec.structs.replace(opened, ws_url=self._socket_url(opened.ws_url))

    @asynccontextmanager
    async def talk(self, opened: OpenedConversation) -> AsyncGenerator[Talk]:
        """Connect the socket of an opened conversation; leaving closes it, which does not end the conversation."""
        try:
            socket = await connect(
                opened.ws_url + "&binary=1",
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
        """End a conversation and wait for its reflection, as long as the server does. Raises UnknownConversation."""
        try:
            answer = await self.request(
                "POST", "/api/elevenlabs/end", body={"conversation_id": conversation_id}, timeout_s=END_TIMEOUT_S
            )
        except TimeoutError:
            return Remembered()
        return decoded(answer.content, Remembered)

    def _socket_url(self, url: str) -> str:
        """The socket by the address that this client uses, which need not be the one that the server knows itself by."""
        base, given = urlsplit(self.url), urlsplit(url)
        scheme = "wss" if base.scheme == "https" else "ws"
        return urlunsplit((scheme, base.netloc, base.path.rstrip("/") + given.path, given.query, ""))

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = OPEN_TIMEOUT_S,
        accepted: tuple[int, ...] = (),
    ) -> httpx.Response:
        """The answer; a body of bytes goes as it is, any other as JSON.

        Raises the server's refusal, TimeoutError where it takes too long, ProviderUnavailable where nobody answers.
        """
        sent: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        try:
            answer = await self._http.request(
                method, self.url + path, params=query, headers=headers, timeout=timeout_s, **sent
            )
        except httpx.ReadTimeout as error:
            raise TimeoutError("The server takes too long to answer.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._silent() from error
        if answer.is_success or answer.status_code in accepted:
            return answer
        raise refusal(answer.status_code, answer.content)

    async def download(
        self, path: str, *, query: Mapping[str, str | int] | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[bytes]:
        """A file, piece by piece. Raises the server's refusal, or ProviderUnavailable where nobody answers or it breaks off."""
        try:
            async with self._http.stream(
                "GET", self.url + path, params=query, headers=headers, timeout=END_TIMEOUT_S
            ) as answer:
                if not answer.is_success:
                    raise refusal(answer.status_code, await answer.aread())
                async for piece in answer.aiter_bytes():
                    yield piece
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._silent() from error

    def _silent(self) -> ProviderUnavailable:
        return ProviderUnavailable(f"No Voicemind server answers at {self.url}.", provider=SERVICE)
