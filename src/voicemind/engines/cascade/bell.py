"""Wakes the one task that waits for something to have changed."""

from __future__ import annotations

import asyncio

import anyio


class Bell:
    """`ring` never waits and is never lost: rung before anybody waits, it ends the next wait at once."""

    def __init__(self) -> None:
        self._rung = anyio.Semaphore(0, fast_acquire=True)

    def ring(self) -> None:
        """Something has changed."""
        if not self._rung.value:
            self._rung.release()

    async def wait(self, seconds: float | None = None) -> None:
        """Until it rings, or for so long."""
        if seconds is None:
            await self._rung.acquire()
            return
        # A timer of the loop's: a third of what a scope with a deadline costs, and this waits many times a second.
        timer = asyncio.get_running_loop().call_later(seconds, self.ring)
        try:
            await self._rung.acquire()
        finally:
            timer.cancel()
