"""When somebody had said or typed what is being answered: the moment from which an answer's times count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from voicemind.clock import monotonic_s


@dataclass(slots=True)
class Asked:
    """Seconds of the clock that never jumps: `at_s` when the person had finished, `heard_s` when it was known what they said. `silence_ms`: what it took to believe the former."""

    at_s: float
    heard_s: float
    silence_ms: int | None = None

    @classmethod
    def now(cls) -> Self:
        """Typed this moment, or not asked at all."""
        at_s = monotonic_s()
        return cls(at_s, at_s)
