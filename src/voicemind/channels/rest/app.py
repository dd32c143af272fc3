"""The interface as one FastAPI application: its routes, and errors in the form that all of Voicemind has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from voicemind import __version__
from voicemind.channels.app import ERROR_HANDLERS, http_error
from voicemind.channels.http import mistake_response
from voicemind.channels.rest import agents, conversations, meetings, mind_changes, minds, recordings, reflections, users
from voicemind.channels.rest.described import Described
from voicemind.channels.rest.etags import Stale, etag
from voicemind.channels.rest.rooms import Rooms

ROUTES: list[BaseRoute] = [
    route
    for part in (agents, minds, mind_changes, conversations, recordings, meetings, reflections, users)
    for route in part.router.routes
]


def build(rooms: Rooms) -> FastAPI:
    """The application. Its page of documentation would come from somebody else's server, and so there is none."""
    handlers: Mapping[Any, Any] = {**ERROR_HANDLERS, Stale: _stale, HTTPException: _http_error}
    app = Described(
        title="Voicemind",
        version=__version__,
        summary="Agents, their minds, and what they were made of.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        routes=ROUTES,
        exception_handlers=dict(handlers),
        generate_unique_id_function=_name,
    )
    app.state.rooms = rooms
    return app


def _name(route: APIRoute) -> str:
    return route.name


async def _stale(request: Request, error: Exception) -> Response:
    assert isinstance(error, Stale)
    response = mistake_response(request.url.path, error)
    if error.newest is not None:
        response.headers["ETag"] = etag(error.newest)
    return response


async def _http_error(request: Request, error: Exception) -> Response:
    """Of several routes with the same address Starlette names the methods of the first alone (RFC 9110 §15.5.6 wants all)."""
    response = await http_error(request, error)
    if response.status_code == 405:
        methods = {
            method
            for route in ROUTES
            if isinstance(route, APIRoute) and route.matches(request.scope)[0] is not Match.NONE
            for method in route.methods or ()
        }
        response.headers["Allow"] = ", ".join(sorted(methods)) or response.headers.get("Allow", "GET")
    return response
