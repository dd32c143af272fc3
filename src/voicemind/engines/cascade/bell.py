"""Wakes the one task that waits for something to have changed."""

from __future__ import annotations

import anyio


class Bell:
    """`ring` never waits and is never lost: rung before anybody waits, it ends the next wait at once."""

    def __init__(self) -> None:
        self._rung = anyio.Event()

    def ring(self) -> None:
        """Something has changed."""
        self._rung.set()

    async def wait(self, seconds: float | None = None) -> None:
        """Until it rings, or for so long."""
        with anyio.move_on_after(seconds):
            await self._rung.wait()
        self._rung = anyio.Event()
