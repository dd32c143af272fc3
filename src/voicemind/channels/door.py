"""The door that every request and every socket passes: its number, its host and origin, its key, and whether there is room for it."""

from __future__ import annotations

from collections.abc import Collection, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

import uuid_utils
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicemind.channels.http import mistake_response
from voicemind.clock import monotonic_s
from voicemind.errors import Forbidden, Unauthenticated, VoicemindError
from voicemind.ops.auth import COOKIE, Guests, host_is_ours, origin_is_ours
from voicemind.ops.keys import NOBODYS_KEY, Guest
from voicemind.ops.limits import Limits, Room

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/api/login"})
SIGNED_PATHS = frozenset({"/api/elevenlabs/webhook"})
"""What is told here is signed, byte by byte, with a secret of its own: it needs no key, and may come to whatever name a tunnel gives this server."""

FIGURES_PATH = "/metrics"
"""Wants a key of its own, which is asked for there; guesses are counted here."""

GUARDED_PREFIXES = ("/api/", "/v1/", "/agents/", "/chat/completions", "/responses", "/voice-conversation")
_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (
        b"content-security-policy",
        b"default-src 'self'; connect-src 'self' ws: wss:; style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src 'self' blob:",
    ),
]


class Door:
    """Pure ASGI around the application. Puts the caller into `scope["state"]["guest"]`, and their tenant into `["tenant"]`."""

    def __init__(self, app: ASGIApp, *, guests: Guests, allowed_origins: Collection[str], limits: Limits) -> None:
        self._app = app
        self._guests = guests
        self._allowed_origins = allowed_origins
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        send = _marking(send, str(uuid_utils.uuid7()))
        place = _Place(self._limits.room, receive)
        try:
            if self._admit(scope):
                self._limits.rates.take(_caller(scope), now_s=monotonic_s())
                # sockets have a limit of their own, on sessions; and who watches a full server has to see that it is full
                if scope["type"] == "http" and scope["path"] != FIGURES_PATH:
                    receive = place.take(scope)
        except VoicemindError as error:
            await _refuse(scope, receive, send, error)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            place.give_back()

    def _admit(self, scope: Scope) -> bool:
        """Whether the limits hold for it: the page and the signs of health are for everybody at any time."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        keyless = not self._guests.keys
        host = headers.get("host", "")
        is_signed = scope["type"] == "http" and scope["path"] in SIGNED_PATHS
        if not is_signed and not host_is_ours(host, keyless=keyless):
            raise Forbidden("Without keys this server answers on 127.0.0.1 and localhost only.")
        if not origin_is_ours(headers.get("origin"), host, allowed=self._allowed_origins, keyless=keyless):
            raise Forbidden("Pages of this origin may not call this server.")
        _name(scope, NOBODYS_KEY)
        path = scope["path"]
        if path == FIGURES_PATH:
            return True
        if not path.startswith(GUARDED_PREFIXES):
            return False
        if scope["type"] == "http" and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            return False  # a browser asks whether it may call; it sends the key with the call itself
        if keyless or is_signed or path in OPEN_PATHS:
            return True
        guest = self._guest(scope, headers)
        if guest is None:
            raise Unauthenticated("A valid API key is needed: Authorization: Bearer <key>.")
        _name(scope, guest)
        return True

    def _guest(self, scope: Scope, headers: MutableMapping[str, str]) -> Guest | None:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._guests.keys.guest_of(key.strip())
        if key := headers.get("x-api-key", ""):
            return self._guests.keys.guest_of(key.strip())
        if scope["type"] == "websocket" and (ticket := parse_qs(scope["query_string"].decode("latin-1")).get("ticket")):
            return self._guests.by_ticket(ticket[0])
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return None
        return self._guests.by_cookie(cookie.value) if cookie else None


def _name(scope: Scope, guest: Guest) -> None:
    scope.setdefault("state", {}).update(guest=guest, tenant=guest.tenant)


class _Place:
    """A request's place among those that are being answered, from the moment when its body is complete: who sends slowly takes none."""

    def __init__(self, room: Room, receive: Receive) -> None:
        self._room = room
        self._receive = receive
        self._is_held = False

    def take(self, scope: Scope) -> Receive:
        """Take it now, or with the end of the body; the request is to be received through what this returns. Raises Busy, and so may that."""
        if any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in scope["headers"]
        ):
            return self._receiving
        self._enter()
        return self._receive

    def give_back(self) -> None:
        """The request is answered."""
        if self._is_held:
            self._is_held = False
            self._room.leave()

    async def _receiving(self) -> Message:
        message = await self._receive()
        if not self._is_held and message["type"] == "http.request" and not message.get("more_body"):
            self._enter()
        return message

    def _enter(self) -> None:
        self._room.enter()
        self._is_held = True


def _caller(scope: Scope) -> str:
    """Whose requests are counted together: a tenant's; before a key or a signature is known, those of one address."""
    address = (scope.get("client") or ("",))[0]
    if scope["path"] in SIGNED_PATHS:
        return f"{address} with a signature"
    if scope["path"] == FIGURES_PATH:
        return f"{address} for figures"
    if scope["path"] in OPEN_PATHS:
        return f"{address} without a key"
    tenant: str = scope["state"]["tenant"]
    return tenant


def _marking(send: Send, request_id: str) -> Send:
    """Every response says which request it answers and how a browser is to treat it."""

    async def marked(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers: list[tuple[bytes, bytes]] = [
                *message.get("headers", []),
                (b"x-request-id", request_id.encode()),
                *_SECURITY_HEADERS,
            ]
            message = {**message, "headers": headers}
        await send(message)

    return marked


async def _refuse(scope: Scope, receive: Receive, send: Send, error: VoicemindError) -> None:
    """Answer before the application sees anything; a socket is refused before its upgrade (RFC 6455 §4.2.2)."""
    response = mistake_response(scope["path"], error)
    if scope["type"] == "http":
        await response(scope, receive, send)
        return
    await receive()
    extensions: dict[str, Any] = scope.get("extensions") or {}
    if "websocket.http.response" not in extensions:
        await send({"type": "websocket.close", "code": 1008})
        return
    await send(
        {"type": "websocket.http.response.start", "status": response.status_code, "headers": response.raw_headers}
    )
    await send({"type": "websocket.http.response.body", "body": response.body})
