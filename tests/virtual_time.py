"""An event loop whose clock jumps to whatever is due next as soon as nobody has anything to do: no time passes, and every run is the same."""

from __future__ import annotations

import asyncio
import selectors
from types import SimpleNamespace

import pytest


class _Jumping(selectors.DefaultSelector):
    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """For code without threads and sockets."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds that pass only where everybody waits."""
        return self._jumping.now


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Import this to run a module's tests in virtual time."""
    return "asyncio", {"loop_factory": VirtualLoop}


@pytest.fixture(autouse=True)
def virtual_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Import this too: our own clock is the loop's."""
    clock = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    monkeypatch.setattr("voicemind.clock.time", clock)
