"""The control of the sessions' benchmark: sends back what it gets, on the same WebSocket library as ours, and does nothing else."""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


async def echo(socket: WebSocket) -> None:
    """Send back what comes until the client is gone."""
    await socket.accept()
    while (message := await socket.receive())["type"] != "websocket.disconnect":
        await socket.send({**message, "type": "websocket.send"})


async def ready(_: Request) -> PlainTextResponse:
    """It answers."""
    return PlainTextResponse("ok")


if __name__ == "__main__":
    routes = [Route("/readyz", ready), WebSocketRoute("/echo", echo)]
    uvicorn.run(
        Starlette(routes=routes),
        port=int(sys.argv[1]),
        log_level="critical",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
    )
