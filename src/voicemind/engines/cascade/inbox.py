"""What has happened and is not yet decided on, in order; waiting for it may have an end without losing anything."""

from __future__ import annotations

from collections import deque

import anyio

from voicemind.clock import monotonic_s
from voicemind.engines.cascade.happenings import Happening

HAPPENINGS_WAITING = 32
"""Where more wait, whoever can wait has to: a client that types or interrupts faster than that is slowed down."""


class Inbox:
    """Of one conversation, for one task that takes."""

    def __init__(self) -> None:
        self._waiting: deque[Happening] = deque()
        self._filled = anyio.Event()
        self._taken = anyio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def post(self, happening: Happening) -> None:
        """Add it at once: for what the engine itself notices, which is never much."""
        self._waiting.append(happening)
        self._filled.set()

    async def put(self, happening: Happening) -> None:
        """Add it as soon as there is room; returns without where nobody takes any more."""
        while len(self._waiting) >= HAPPENINGS_WAITING and not self._closed:
            if self._taken.is_set():  # whoever waits for the one that is not must be woken by it
                self._taken = anyio.Event()
            await self._taken.wait()
        if not self._closed:
            self.post(happening)

    def close(self) -> None:
        """Nobody takes any more: nobody is to wait for room either. Safe to call twice."""
        self._closed = True
        self._taken.set()

    async def take(self, *, until_s: float | None) -> Happening | None:
        """The oldest; None where nothing has come until then."""
        if not self._waiting:
            self._filled = anyio.Event()
            with anyio.move_on_after(None if until_s is None else max(0.0, until_s - monotonic_s())):
                await self._filled.wait()
        if not self._waiting:
            return None
        self._taken.set()
        return self._waiting.popleft()
