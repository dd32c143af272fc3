"""The bad network of the tests does what it is told: a fault that never happened would prove nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from tests.network import Fault, Kind, Network, bad_network

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def echoed() -> AsyncIterator[Network]:
    """A network before a server that says back what it hears."""

    async def echo(stream: SocketStream) -> None:
        async with stream:
            try:
                async for piece in stream:
                    await stream.send(piece)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo)
        async with bad_network(listener.extra(SocketAttribute.local_port)) as network:
            yield network
        tasks.cancel_scope.cancel()


async def answer(network: Network, fault: Fault, *, said: int = 1000) -> tuple[int, str]:
    """How many bytes of an echo came back, and how it ended; a second without an end is silence where that is the fault."""
    network.fault, came = fault, 0
    stream = await anyio.connect_tcp("127.0.0.1", network.port)
    async with stream:
        await stream.send(bytes(said))
        try:
            with anyio.move_on_after(1 if fault.kind == "black_hole" else 30):
                while came < said:
                    came += len(await stream.receive())
                return came, "whole"
        except anyio.EndOfStream:
            return came, "ended"
        except anyio.BrokenResourceError:
            return came, "reset"
    return came, "silent"


@pytest.mark.parametrize(
    ("kind", "end"), [("cut", "ended"), ("reset", "reset"), ("half_close", "ended"), ("black_hole", "silent")]
)
async def test_a_fault_strikes_after_just_so_many_bytes(kind: Kind, end: str) -> None:
    with anyio.fail_after(30):
        async with echoed() as network:
            assert await answer(network, Fault(kind, "down", after=300)) == (300, end)
            assert network.struck == 1
            assert await answer(network, Fault()) == (1000, "whole")


async def test_a_slow_and_late_network_loses_nothing() -> None:
    with anyio.fail_after(30):
        async with echoed() as network:
            fault = Fault(latency_s=0.01, jitter_s=0.01, bytes_a_s=50_000)
            assert await answer(network, fault, said=5000) == (5000, "whole")
