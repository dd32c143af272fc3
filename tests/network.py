"""A bad network for tests: a TCP proxy that delays, throttles, cuts, resets, half-closes or swallows what passes, from a chosen byte on."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import anyio
from anyio.abc import SocketAttribute, SocketStream

Kind = Literal["none", "cut", "reset", "half_close", "black_hole"]
Direction = Literal["up", "down"]
KINDS: tuple[Kind, ...] = ("cut", "reset", "half_close", "black_hole")
PIECE = 4096


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one connection: `kind` strikes once `after` bytes have passed in `direction`; until then every piece is late and slow.

    `half_close` ends one direction and lets the other go on; `black_hole` swallows everything in both and never says so.
    """

    kind: Kind = "none"
    direction: Direction = "down"
    after: int = 0
    latency_s: float = 0.0
    jitter_s: float = 0.0
    bytes_a_s: float = 0.0

    @classmethod
    def at_random(cls, chance: random.Random, *, up: int, down: int) -> Fault:
        """Any of them, anywhere in a connection that carries so many bytes each way."""
        direction: Direction = chance.choice(("up", "down"))
        return cls(
            kind=chance.choice(KINDS),
            direction=direction,
            after=chance.randrange(up if direction == "up" else down),
            latency_s=chance.choice((0.0, 0.0, 0.01)),
            jitter_s=chance.choice((0.0, 0.005)),
            bytes_a_s=chance.choice((0.0, 0.0, 50_000.0)),
        )


class Network:
    """Connections to `port` go to the server; each takes the fault that is set when it is made."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.fault = Fault()
        self.is_down = False
        """Whether new connections are refused."""
        self.draw: Callable[[], Fault] | None = None
        """Where it is set, each connection takes a fault of its own from it."""
        self.struck = 0
        """How many connections a fault has struck."""
        self.connections: list[_Connection] = []

    def cut(self) -> None:
        """Every connection there is breaks off, now."""
        for connection in self.connections:
            connection.strike("reset")


class _Connection:
    def __init__(self, network: Network, client: SocketStream, server: SocketStream, scope: anyio.CancelScope) -> None:
        self._network, self._fault = network, network.draw() if network.draw else network.fault
        self._ends = {"up": (client, server), "down": (server, client)}
        self._scope = scope
        self._swallows = False
        self._chance = random.Random(self._fault.after)

    async def carry(self, direction: Direction) -> None:
        """Everything that goes one way, until its end or the fault."""
        source, target = self._ends[direction]
        fault, passed = self._fault, 0
        strikes = fault.kind != "none" and fault.direction == direction
        try:
            while True:
                piece = await source.receive(PIECE)
                if self._swallows:
                    continue
                await anyio.sleep(
                    fault.latency_s
                    + self._chance.uniform(0, fault.jitter_s)
                    + (len(piece) / fault.bytes_a_s if fault.bytes_a_s else 0)
                )
                left = fault.after - passed if strikes else len(piece)
                if piece[:left]:
                    await target.send(piece[:left])
                passed += len(piece)
                if strikes and passed > fault.after:
                    strikes = False
                    self._network.struck += 1
                    self.strike(fault.kind)
                    if fault.kind == "half_close":
                        break
            await target.send_eof()
        except anyio.EndOfStream:
            with anyio.CancelScope(shield=True):
                await _ended(target)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._scope.cancel()

    def strike(self, kind: Kind) -> None:
        """The fault happens."""
        if kind == "black_hole":
            self._swallows = True
        elif kind in ("cut", "reset"):
            if kind == "reset":
                for stream, _ in self._ends.values():
                    raw = stream.extra(SocketAttribute.raw_socket)
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._scope.cancel()


async def _ended(target: SocketStream) -> None:
    try:
        await target.send_eof()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        return


@asynccontextmanager
async def bad_network(server_port: int) -> AsyncIterator[Network]:
    """A network between a loopback port of its own and the server on `server_port`."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    network = Network(listener.extra(SocketAttribute.local_port))

    async def serve(client: SocketStream) -> None:
        if network.is_down:
            await client.aclose()
            return
        try:
            server = await anyio.connect_tcp("127.0.0.1", server_port)
        except OSError:
            await client.aclose()
            return
        async with client, server:
            with anyio.CancelScope() as scope:
                connection = _Connection(network, client, server, scope)
                network.connections.append(connection)
                try:
                    async with anyio.create_task_group() as both:
                        both.start_soon(connection.carry, "up")
                        both.start_soon(connection.carry, "down")
                finally:
                    network.connections.remove(connection)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        try:
            yield network
        finally:
            tasks.cancel_scope.cancel()
