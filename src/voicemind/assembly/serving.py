"""A running server: the house at an address, from its opening until the last word is stored."""

from __future__ import annotations

import gc
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio

from voicemind.assembly.house import House
from voicemind.channels.browser.guard import Limits
from voicemind.channels.browser.wire import MAX_FRAME_BYTES
from voicemind.config import Settings
from voicemind.conversation.watching import Watch
from voicemind.ops import connections
from voicemind.ops.server import listening
from voicemind.ops.sockets import SocketPatience


async def serve(settings: Settings, *, announce: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; `announce` is given the address once the server answers. Raises Misconfigured."""
    async with _listening(House.build(settings), settings.host, settings.port) as url:
        _spare_collections()
        if announce:
            announce(url)
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                return


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    models: bool = True,
    limits: Limits | None = None,
    sockets: SocketPatience | None = None,
    watch: Watch | None = None,
) -> AsyncGenerator[str]:
    """A server in this process on a free loopback port; yields its address. Without `models` it only keeps. Raises Misconfigured."""
    house = House.build(settings, watch=watch)
    house.limits = limits or house.limits
    async with _listening(house, "127.0.0.1", 0, models=models, sockets=sockets or SocketPatience()) as url:
        yield url


@asynccontextmanager
async def _listening(
    house: House,
    host: str,
    port: int,
    *,
    models: bool = True,
    sockets: SocketPatience = SocketPatience(),  # noqa: B008 - frozen
) -> AsyncGenerator[str]:
    settings = house.settings
    async with (
        house.open(models=models) as app,
        listening(
            app,
            host=host,
            port=port,
            largest_frame=MAX_FRAME_BYTES,
            patience=connections.Patience(settings.slow_request_s, settings.keep_alive_s),
            sockets=sockets,
        ) as url,
    ):
        try:
            yield url
        finally:  # the server still answers: it says that it is about to stop
            await house.live.drain(settings.drain_s)


def _spare_collections() -> None:
    """Let the collector leave out what lives as long as this process, and look less often: sessions die by their counts, only few cycles are for it.

    With the defaults it took one part in twenty of the processor at fifty people.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
