"""What a voice-activity detector does, whoever provides it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

WINDOW_MS = 32
"""One probability is given for every 32 ms (512 samples at 16 kHz)."""


class VadTrack(Protocol):
    """The voice activity of one microphone, for one task that listens."""

    def hear(self, samples: bytes) -> None:
        """Sound to be judged: 16-bit little-endian mono at 16 kHz, any length. Cheap, and never waits: it is called for every frame."""
        ...

    async def judged(self) -> list[float]:
        """Wait until windows have been judged; how likely each is speech, 0 to 1, oldest first, never empty. Raises ProviderUnavailable.

        What does not fill a window waits for more sound. Windows that could not be judged are forgotten once that was told.
        """
        ...

    @property
    def unjudged(self) -> int:
        """How many whole windows wait for `judged`, or for being judged."""
        ...


@runtime_checkable
class Sifted(Protocol):
    """A track that need not wake its listener for every window."""

    sift: Callable[[float], bool] | None
    """Asked about each window the moment it is judged, where none waits for `judged`: with True it has been dealt with, and `judged` does not tell it.

    It is asked on the loop, by whoever judges for all: it never waits and raises nothing. None to begin with.
    """


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
