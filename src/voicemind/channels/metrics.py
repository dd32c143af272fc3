"""`/metrics` for a Prometheus, and the count of requests: what is told here are numbers alone."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicemind.channels.door import FIGURES_PATH
from voicemind.clock import monotonic_s
from voicemind.errors import Unauthenticated
from voicemind.ops import metrics
from voicemind.ops.auth import Guests

PATH = FIGURES_PATH
ROUTES = (
    ("/v1/chat/completions", "chat_completions"),
    ("/chat/completions", "chat_completions"),
    ("/v1/responses", "responses"),
    ("/responses", "responses"),
    ("/v1/audio/", "audio"),
    ("/agents/", "agents"),
    ("/api/v1/", "rest"),
    ("/api/elevenlabs/", "platform"),
    ("/api/voice-sessions", "sessions"),
    ("/api/", "admin"),
    ("/v1/", "other_v1"),
    (PATH, "metrics"),
    ("/healthz", "health"),
    ("/readyz", "health"),
)
"""Requests are counted by what they are for: an address may hold an id, or anything that somebody tries."""


class Metrics:
    """The endpoint. Without keys it is open, on loopback alone as everything then; with keys it wants one, or `key` where that is given.

    Figures are of the whole process: where several tenants share it, the key of one does not open them.
    """

    def __init__(self, guests: Guests, *, access: str, key: SecretStr) -> None:
        """`access` is `key`, `open` (to whoever reaches the server) or `off`."""
        self._guests, self._access, self._key = guests, access, key.get_secret_value()

    def routes(self) -> Sequence[Route]:
        """Where it is found; nowhere where it is off."""
        return [] if self._access == "off" else [Route(PATH, self.tell, methods=["GET"])]

    async def tell(self, request: Request) -> Response:
        """Everything that is counted. Raises Unauthenticated."""
        if not self._may_see(request):
            raise Unauthenticated("A valid key is needed: Authorization: Bearer <key>.")
        return Response(metrics.told(), media_type=metrics.CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    def _may_see(self, request: Request) -> bool:
        if self._access == "open" or not (self._key or self._guests.keys):
            return True
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        given = given.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "").strip()
        if self._key:
            return hmac.compare_digest(given.encode(), self._key.encode())
        is_shared = len(self._guests.keys.tenants) > 1
        return not is_shared and self._guests.keys.guest_of(given) is not None


class Counted:
    """Pure ASGI around everything: how many requests, how they ended, and when their answers began."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = monotonic_s()
        route = route_of(scope["path"])

        async def counted(message: Message) -> None:
            nonlocal began_s
            if message["type"] == "http.response.start":
                metrics.REQUESTS.labels(route, message["status"]).inc()
            elif began_s and message.get("body"):
                metrics.REQUEST_S.labels(route).observe(monotonic_s() - began_s)
                began_s = 0.0
            await send(message)

        await self._app(scope, receive, counted)


def route_of(path: str) -> str:
    """What a request is for, in one of a few words.

    >>> route_of("/agents/thalia/v1/chat/completions"), route_of("/api/v1/users/ann"), route_of("/../etc/passwd")
    ('chat_completions', 'rest', 'page')
    """
    if path.startswith("/agents/") and path.endswith("/chat/completions"):
        return "chat_completions"
    return next((name for prefix, name in ROUTES if path.startswith(prefix)), "page")
