"""Wakes the one task that waits for something to have changed."""

from __future__ import annotations

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
        with anyio.move_on_after(seconds):
            await self._rung.acquire()
