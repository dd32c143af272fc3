"""What a voice-activity detector does, whoever provides it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

WINDOW_MS = 32
"""One probability is given for every 32 ms (512 samples at 16 kHz)."""


class VadTrack(Protocol):
    """The voice activity of one microphone. Calls come one after the other."""

    async def hear(self, samples: bytes) -> list[float]:
        """How likely each 32 ms window that these samples complete is speech, 0 to 1, oldest first.

        `samples` are 16-bit little-endian mono at 16 kHz, any length; what does not fill a window waits for the next call.
        """
        ...


class Vad(Protocol):
    """A voice-activity detector shared by all sessions, so that their windows can be judged in one batch."""

    name: str

    async def start(self) -> None:
        """Load what has to be loaded. Raises ProviderUnavailable or Misconfigured."""
        ...

    def track(self) -> AbstractAsyncContextManager[VadTrack]:
        """Open the track of one microphone; leaving the context forgets it."""
        ...

    async def aclose(self) -> None:
        """Free everything; safe to call twice."""
        ...
