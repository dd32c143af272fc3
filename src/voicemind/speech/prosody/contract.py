"""What a judge of prosody does, whoever provides it: it hears from the melody of speech whether somebody has finished."""

from __future__ import annotations

from typing import Protocol

LONGEST_S = 8
"""Only the last so many seconds of an utterance are listened to."""


class Prosody(Protocol):
    """Shared by all sessions. `start` before the first question, `aclose` after the last; questions may overlap."""

    name: str

    async def start(self) -> None:
        """Load what has to be loaded. Raises ProviderUnavailable or Misconfigured."""
        ...

    async def finished(self, samples: bytes) -> float:
        """How likely it is that the person has finished, 0 to 1. Advice, not knowledge.

        `samples` are the utterance so far, 16-bit little-endian mono at 16 kHz, with the beginning of the silence after it. Raises ProviderUnavailable.
        """
        ...

    async def aclose(self) -> None:
        """Free everything; safe to call twice."""
        ...
