"""A client of a Voicemind server, over HTTP and its conversation socket: for the commands, the tests and the benchmarks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit, urlunsplit

import anyio
import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from voicemind.cli.answers import (
    SERVICE,
    Health,
    OpenedConversation,
    Readiness,
    Remembered,
    decoded,
    refusal,
)
from voicemind.cli.caller import Talk
from voicemind.cli.line import Patience, Purpose
from voicemind.config import LOOPBACK
from voicemind.errors import BadMessage, ProviderUnavailable

OPEN_TIMEOUT_S = 30.0
END_TIMEOUT_S = 180.0
"""Longer than a server waits for its own reflection before it answers 202."""
READY_POLL_S = 0.25
MAX_MESSAGE_BYTES = 4 * 1024 * 1024

CLOSE_TIMEOUT_S = 2.0
TRY_LATER = (429, 503)
QUERY: Mapping[Purpose, str] = {"begin": "", "resume": "&resume=1", "renew": "&greet=0"}

Channel = Literal["voice", "text"]


class Server:
    """A Voicemind server at `url`. Enter it before its first use. A `key` is sent as bearer token."""

    def __init__(self, url: str, *, key: str = "", patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
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
        """Connect an opened conversation; leaving closes the connection, which does not end the conversation. Raises ProviderUnavailable."""
        address = opened.ws_url

        async def connected(purpose: Purpose) -> ClientConnection:
            nonlocal address
            if purpose != "begin":
                address = await self._address_again(opened, address)
            return await self._socket(address + "&binary=1&sequence=1" + QUERY[purpose], purpose)

        talk = Talk(connected, patience=self._patience)
        await talk.begin()
        try:
            yield talk
        finally:
            await talk.aclose()

    async def _address_again(self, opened: OpenedConversation, address: str) -> str:
        """For one more socket of the conversation; a ticket lets only one in. Raises ProviderUnavailable while no server is ready to talk."""
        limit_s = self._patience.socket_s
        try:
            answer = await self.request("GET", "/readyz", timeout_s=limit_s, accepted=(503,))
            if decoded(answer.content, Readiness).status != "ready":
                raise ProviderUnavailable(f"The server at {self.url} is not ready.", provider=SERVICE)
            query = parse_qs(urlsplit(address).query)
            if "ticket" not in query:
                return address
            channel = query.get("channel", ["voice"])[0]
            body = {"agent": opened.agent_id, "conversation_id": opened.conversation_id, "channel": channel}
            answer = await self.request("POST", "/api/voice-sessions", body=body, timeout_s=limit_s, accepted=TRY_LATER)
            if answer.status_code in TRY_LATER:
                raise ProviderUnavailable(f"The server at {self.url} is busy.", provider=SERVICE)
        except TimeoutError as error:
            raise self._silent() from error
        return self._socket_url(decoded(answer.content, OpenedConversation).ws_url)

    async def _socket(self, address: str, purpose: Purpose) -> ClientConnection:
        """Raises ProviderUnavailable, and Unauthenticated where the server lets nobody in by this address any more."""
        try:
            return await connect(
                address,
                additional_headers=self._headers,
                max_size=MAX_MESSAGE_BYTES,
                open_timeout=OPEN_TIMEOUT_S if purpose == "begin" else self._patience.socket_s,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_interval=self._patience.ping_s,
                ping_timeout=self._patience.pong_s,
                proxy=None if self._is_local else True,
            )
        except (OSError, EOFError, InvalidHandshake, InvalidURI, TimeoutError) as error:
            if isinstance(error, InvalidStatus) and error.response.status_code in (401, 403):
                raise refusal(error.response.status_code, bytes(error.response.body or b"")) from error
            raise ProviderUnavailable(
                f"The conversation's socket at {self.url} cannot be opened.", provider=SERVICE
            ) from error

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
