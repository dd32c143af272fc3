"""When a session ends by itself: nobody did anything, it has lasted too long, or its client did not come back. Pure; times are monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LeftBy = Literal["idle", "length", "gone"]


@dataclass(slots=True)
class Deadlines:
    """The limits, and since when each of them counts. `gone_at` is None while a client is there."""

    idle_s: float
    length_s: float
    detached_s: float
    began_at: float
    active_at: float
    gone_at: float | None = None

    def next(self) -> tuple[float, LeftBy]:
        """The moment at which the session ends if nothing changes, and why."""
        ends: list[tuple[float, LeftBy]] = [
            (self.active_at + self.idle_s, "idle"),
            (self.began_at + self.length_s, "length"),
        ]
        if self.gone_at is not None:
            ends.append((self.gone_at + self.detached_s, "gone"))
        return min(ends)
