"""The load of the completions' benchmark: callers that ask when they are due, on bare connections, and how busy everything was meanwhile."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import anyio

from benchmarks.completions_upstream import FIRST, LAST

LIMIT_S = 90.0
LATE_MS = 10.0
HOT = 0.7
FOREIGN = 0.25
"""Of one core: what other processes may have taken."""
PROBE_S = 0.005
_TICKS = os.sysconf("SC_CLK_TCK")

Request = Callable[[], bytes]


class Caller(asyncio.Protocol):
    """One connection, which asks one thing after the other."""

    def __init__(self) -> None:
        self._answer = bytearray()
        self._over: asyncio.Future[bool] | None = None
        self._transport: asyncio.Transport | None = None
        self.first_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own has another family

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end(whole=False)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        answer += data
        if not self.first_s and FIRST in answer:
            self.first_s = time.perf_counter()
        if answer.endswith(b"0\r\n\r\n") or (not answer.startswith(b"HTTP/1.1 200") and b"\r\n\r\n" in answer):
            self._end(whole=answer.startswith(b"HTTP/1.1 200") and LAST in answer and b'"error"' not in answer)

    async def ask(self, request: bytes) -> bool:
        """Send it; whether the whole answer came. `first_s` is when its first word did."""
        assert self._transport is not None
        self._answer.clear()
        self.first_s = 0.0
        self._over = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._over

    @property
    def is_open(self) -> bool:
        """Whether the connection can be used again."""
        return self._transport is not None

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def _end(self, *, whole: bool) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(whole)


@dataclass
class Round:
    """What one stretch of load found. Times in milliseconds, from when a request was due; shares are of one core."""

    first_ms: list[float] = field(default_factory=list[float])
    errors: int = 0
    spent_s: float = 0.0
    server_s: float = 0.0
    load: float = 0.0
    foreign: float = 0.0
    late_ms: float = 0.0

    @property
    def rate(self) -> float:
        """Whole answers a second."""
        return len(self.first_ms) / self.spent_s

    def problems(self, *, is_control: bool) -> list[str]:
        """Why the figures do not count. The control has no server in between, so its load may take all there is."""
        return [
            *(
                [f"the load generator was {self.late_ms:.0f} ms late"]
                if self.late_ms > LATE_MS and not is_control
                else []
            ),
            *([f"the load generator was at {self.load:.0%}"] if self.load > HOT and not is_control else []),
            *([f"something else took {self.foreign:.0%} of a core"] if self.foreign > FOREIGN else []),
        ]


@dataclass(frozen=True)
class Watched:
    """The processes of a run: the load's own (with the upstream), and the server's."""

    load: Sequence[int]
    others: Sequence[int]
    server: int | None


async def paced(url: str, request: Request, watched: Watched, *, every_s: float, for_s: float) -> Round:
    """One caller, asking at fixed moments whether or not the last answer took longer."""
    found = Round()
    async with _Watch(watched, found):
        caller = await _connected(url)
        begin = time.perf_counter()
        for number in range(int(for_s / every_s)):
            due = begin + number * every_s
            if (early := due - time.perf_counter()) > 0:
                await anyio.sleep(early)
            caller = await _one(url, caller, request(), due, found)
        caller.close()
    return found


async def crowded(url: str, request: Request, watched: Watched, *, callers: int, for_s: float) -> Round:
    """So many callers, each asking again as soon as it has its answer: that is when its next request is due."""
    found = Round()

    async def calling() -> None:
        caller = await _connected(url)
        while time.perf_counter() < until:
            caller = await _one(url, caller, request(), time.perf_counter(), found)
        caller.close()

    async with _Watch(watched, found):
        until = time.perf_counter() + for_s
        async with anyio.create_task_group() as tasks:
            for _ in range(callers):
                tasks.start_soon(calling)
    return found


async def streamed(url: str, request: Request, watched: Watched, *, callers: int) -> Round:
    """So many callers at once, one answer each."""
    found = Round()

    async def calling() -> None:
        (await _one(url, await _connected(url), request(), time.perf_counter(), found)).close()

    async with _Watch(watched, found), anyio.create_task_group() as tasks:
        for _ in range(callers):
            tasks.start_soon(calling)
    return found


async def _connected(url: str) -> Caller:
    parts = urlsplit(url)
    _, caller = await asyncio.get_running_loop().create_connection(Caller, parts.hostname or "", parts.port or 0)
    return caller


async def _one(url: str, caller: Caller, request: bytes, due: float, found: Round) -> Caller:
    """One request; the caller for the next, on a new connection where the old one is gone."""
    whole = False
    with anyio.move_on_after(LIMIT_S):
        if not caller.is_open:
            caller = await _connected(url)
        whole = await caller.ask(request)
    if whole and caller.first_s:
        found.first_ms.append((caller.first_s - due) * 1e3)
    else:
        found.errors += 1
        caller.close()
        caller = await _connected(url)
    return caller


class _Watch:
    """Measures a round: its time, what each process spent in it, and how late the load's own loop was."""

    def __init__(self, watched: Watched, found: Round) -> None:
        self._watched, self._found = watched, found
        self._tasks = anyio.create_task_group()
        self._late: list[float] = []

    async def __aenter__(self) -> None:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._probe)
        self._before = self._spent()
        self._begin = time.perf_counter()

    async def __aexit__(self, *error: object) -> None:
        found = self._found
        found.spent_s = time.perf_counter() - self._begin
        machine, load, others, server = (
            after - before for after, before in zip(self._spent(), self._before, strict=True)
        )
        found.server_s, found.load = server, load / found.spent_s
        found.foreign = max(machine - load - others - server, 0) / found.spent_s
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        ordered = sorted(self._late)
        found.late_ms = ordered[int(len(ordered) * 0.99)] if ordered else 0.0

    async def _probe(self) -> None:
        while True:
            due = time.perf_counter() + PROBE_S
            await anyio.sleep(PROBE_S)
            self._late.append((time.perf_counter() - due) * 1e3)

    def _spent(self) -> tuple[float, float, float, float]:
        watched = self._watched
        return (
            _machine_s(),
            sum(map(cpu_s, watched.load)),
            sum(map(cpu_s, watched.others)),
            0.0 if watched.server is None else cpu_s(watched.server),
        )


def cpu_s(process: int) -> float:
    """Processor seconds of a process, all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _machine_s() -> float:
    """Processor seconds of everybody, other machines on the same cores included; without interrupts, which are the load's own network."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _waiting, _irq, _softirq, steal = map(int, fields[:8])
    return (user + nice + system + steal) / _TICKS


def resident_mb(process: int) -> float:
    """Memory of a process now."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
