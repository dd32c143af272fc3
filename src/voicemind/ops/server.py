"""Answers on an address: uvicorn inside our own task group, stopped by whoever opened it."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio
import uvicorn
from starlette.types import ASGIApp

from voicemind.errors import Misconfigured
from voicemind.ops.connections import Patience, connection_class
from voicemind.ops.sockets import SocketPatience, socket_class

STOP_LIMIT_S = 10
"""How long open requests may take to finish once the server stops, in seconds."""
TICK_S = 0.1
"""uvicorn counts in these: the date that answers carry is renewed at each tenth."""
LOOKED_AT_AGAIN_S = 0.005
"""How soon it is seen that the last connection has closed."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = anyio.Event()
        self._to_stop = anyio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Nothing: whoever runs the server stops it."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self.up.set()

    def stop(self) -> None:
        """Have it stop now, not at its next tick."""
        self.should_exit = True
        self._to_stop.set()

    async def main_loop(self) -> None:
        """Tick until it is stopped."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with anyio.move_on_after(TICK_S):
                await self._to_stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nobody in any more, and let what is being answered be finished; uvicorn's own waits a while also where nothing is."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with anyio.move_on_after(STOP_LIMIT_S) as limit:
            while self.server_state.connections or self.server_state.tasks:
                await anyio.sleep(LOOKED_AT_AGAIN_S)
        if limit.cancelled_caught:
            for task in self.server_state.tasks:
                task.cancel()


@asynccontextmanager
async def listening(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    largest_frame: int,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    sockets: SocketPatience = SocketPatience(),  # noqa: B008 - frozen
) -> AsyncGenerator[str]:
    """Serve the application inside this block; yields its address. `port` 0 takes a free one; `largest_frame` is in bytes.

    Raises Misconfigured where the port cannot be used.
    """
    with _bound(host, port) as listener:
        config = uvicorn.Config(
            app,
            http=connection_class(patience),
            timeout_keep_alive=patience.idle_s,  # type: ignore[arg-type]  # goes to call_later, which takes fractions
            ws=socket_class(sockets),
            ws_max_size=largest_frame,
            ws_ping_interval=sockets.ping_s,
            ws_ping_timeout=sockets.pong_s,
            ws_per_message_deflate=False,  # sound does not shrink, and each socket would hold a window of its own
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        server = _Server(config)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            try:
                await server.up.wait()
                name, number = listener.getsockname()[:2]
                yield f"http://{f'[{name}]' if ':' in name else name}:{number}"
            finally:
                server.stop()


@contextmanager
def _bound(host: str, port: int) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            problem = f"{host}:{port} cannot be used: {error.strerror}"
            raise Misconfigured("VOICEMIND_PORT", problem, accepted="a free port; 0 takes any") from None
        yield listener
