"""The load of the completions' benchmark: callers that ask when they are due, on bare connections, and how busy everything was meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import anyio

from benchmarks.completions_upstream import FIRST, LAST
from benchmarks.watching import Meanwhile, Watch, Watched

LIMIT_S = 90.0

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
class Round(Meanwhile):
    """What one stretch of load found. Times in milliseconds, from when a request was due."""

    first_ms: list[float] = field(default_factory=list[float])
    errors: int = 0
    misstored: int = 0
    """Answers that are in the store and were not given, or the other way round."""

    def compare(self, stored: int) -> None:
        """With what the server has `stored` meanwhile: an answer that cannot be stored ends as properly as any other. One that broke off on its way here may be stored whole."""
        given = len(self.first_ms)
        self.misstored = max(given - stored, stored - given - self.errors, 0)
        self.errors += self.misstored

    def problems(self, *, is_control: bool = False) -> list[str]:
        """See `Meanwhile`; what is not stored makes figures too good."""
        own = [f"{self.misstored} answers differ from what is stored"] if self.misstored else []
        return own + super().problems(is_control=is_control)

    @property
    def rate(self) -> float:
        """Whole answers a second."""
        return len(self.first_ms) / self.spent_s


async def paced(url: str, request: Request, watched: Watched, *, every_s: float, for_s: float) -> Round:
    """One caller, asking at fixed moments whether or not the last answer took longer."""
    found = Round()
    async with Watch(watched, found):
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

    async with Watch(watched, found):
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

    async with Watch(watched, found), anyio.create_task_group() as tasks:
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
