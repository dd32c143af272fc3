"""Runs what blocks in a few threads of its own; work that nobody waits for any more keeps its thread until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import to_thread

_Given = TypeVarTuple("_Given")
_Made = TypeVar("_Made")


class Threads:
    """At most `count` pieces of work are under way; the others wait in the order in which they came.

    Leaving never waits: a caller that is cancelled goes at once. Its work is dropped where it has not begun, and runs to its end where it
    has, and only then does the next one begin. (`to_thread.run_sync(abandon_on_cancel=True)` gives its place away at once.)
    """

    def __init__(self, count: int, *, name: str) -> None:
        self._count, self._name = count, name
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[*_Given], _Made], *given: *_Given) -> _Made:
        """What `work` returns or raises."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._count, thread_name_prefix=self._name)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    async def aclose(self) -> None:
        """Wait for what is under way. Work that comes later gets new threads."""
        pool, self._pool = self._pool, None
        if pool is not None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(pool.shutdown)
