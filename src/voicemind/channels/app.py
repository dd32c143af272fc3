"""All ways in, as one ASGI application: routes, the door before them, errors in their forms, and the built page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, ExceptionHandler, Lifespan, Scope

from voicemind.channels.chat_completions.identity import HEADERS as CALLER_HEADERS
from voicemind.channels.door import GUARDED_PREFIXES, OPEN_PATHS, Door
from voicemind.channels.http import error_response, mistake_response
from voicemind.channels.metrics import Counted
from voicemind.errors import VoicemindError
from voicemind.ops.auth import Guests
from voicemind.ops.limits import Limits

STATIC = Path(__file__).parent.parent / "static"
_NO_PAGE = "<!doctype html><title>Voicemind</title><p>The server runs. Its page was not built: <code>make run</code> builds it."


def application(
    routes: Sequence[BaseRoute],
    *,
    guests: Guests,
    allowed_origins: Collection[str],
    limits: Limits,
    lifespan: Lifespan[Starlette] | None = None,
) -> ASGIApp:
    """The whole application."""
    app = Starlette(
        routes=[*routes, _page()],
        exception_handlers=ERROR_HANDLERS,
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=list(allowed_origins),
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=["authorization", "content-type", "if-match", *CALLER_HEADERS.values()],
                expose_headers=["x-request-id", "etag"],
            )
        ]
        if allowed_origins
        else [],
        lifespan=lifespan,
    )
    return Counted(Door(app, guests=guests, allowed_origins=allowed_origins, limits=limits))


class _Page(Mount):
    """The built page. Addresses of the programming interface are none of its files: they answer for themselves, wrong methods included."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["path"].startswith(GUARDED_PREFIXES) or scope["path"] in OPEN_PATHS:
            return Match.NONE, {}
        return super().matches(scope)


def _page() -> BaseRoute:
    if (STATIC / "index.html").is_file():
        return _Page("/", StaticFiles(directory=STATIC, html=True))
    return Route("/", _no_page)


async def _no_page(_: Request) -> Response:
    return HTMLResponse(_NO_PAGE)


async def _mistake(request: Request, error: Exception) -> Response:
    assert isinstance(error, VoicemindError)
    return mistake_response(request.url.path, error)


async def http_error(request: Request, error: Exception) -> Response:
    """Starlette's own: unknown path, wrong method."""
    assert isinstance(error, HTTPException)
    codes = {
        404: ("not_found", "There is nothing at this address."),
        405: ("method_not_allowed", "This address does not take that method."),
    }
    code, message = codes.get(error.status_code, ("http_error", "This request cannot be served."))
    return error_response(
        request.url.path, status=error.status_code, code=code, message=message, headers=dict(error.headers or {})
    )


async def _gone(_: Request, __: Exception) -> Response:
    """The client left before its request was complete; nobody reads this."""
    return Response(status_code=400)


async def _crash(request: Request, _: Exception) -> Response:
    return error_response(
        request.url.path,
        status=500,
        code="internal_error",
        message="Something went wrong here. The request id helps to find it.",
    )


ERROR_HANDLERS: Mapping[Any, ExceptionHandler] = {
    VoicemindError: _mistake,
    HTTPException: http_error,
    ClientDisconnect: _gone,
    Exception: _crash,
}
"""What is answered where something goes wrong, in every application that is a part of this one."""
