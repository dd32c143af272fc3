"""When somebody had said or typed what is being answered, and where the time of the answer goes from then on."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(slots=True)
class Times:
    """Where the time of one answer goes; see `Said.timings_ms`. All but `endpoint_ms` are seconds of the clock that never jumps."""

    asked_at: float
    heard_at: float
    endpoint_ms: float | None
    is_early: bool
    moments: dict[str, float] = field(default_factory=dict[str, float])

    def mark(self, part: str) -> None:
        """This has happened now, if not before."""
        self.moments.setdefault(part, monotonic_s())

    def timings_ms(self) -> dict[str, float]:
        """By part, in milliseconds since the person had finished."""
        moments = {"heard": self.heard_at, **self.moments}
        timings = {part: round(max(0.0, moment - self.asked_at) * 1000, 1) for part, moment in moments.items()}
        if self.endpoint_ms is not None:
            timings = {"endpoint": round(self.endpoint_ms, 1), **timings}
        return timings | ({"early": 1.0} if self.is_early else {})
