"""When is the next sound due? Absolute deadlines, a little ahead of real time, so that lateness is caught up. Pure."""

from __future__ import annotations

import math

FRAME_MS = 40
PIECE_MS = 200
"""At most so much leaves in one piece: each piece costs the same on its way, however long it is."""
LEAD_MS = 480
"""How far the client's buffer may be ahead of what it plays: enough against jitter, little to throw away at an interruption."""
LOW_MS = 320
"""How little may be left of the lead before more goes out: several frames leave at once, so that a session wakes up six times a second."""


class Pace:
    """The clock of one reply's sound. Times are monotonic seconds, positions are samples at `rate_hz`."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._began: float | None = None
        self._base = 0
        """Where the position was when real time began."""
        self.position = 0
        """Samples that are out."""

    @property
    def is_out(self) -> bool:
        """Whether sound went out since the client last threw its own away."""
        return self._began is not None

    def room(self, now: float) -> int:
        """How many samples may go out at once, in whole frames; 0 where the client has enough."""
        missing_ms = LEAD_MS - (self.silent_at() - now) * 1000
        if missing_ms <= 0:
            return 0
        return min(math.ceil(missing_ms / FRAME_MS) * FRAME_MS, PIECE_MS) * self._rate_hz // 1000

    def due(self, now: float) -> float:
        """The moment at which more is to be sent; not later than `now` where it is due."""
        if self._began is None:
            return now
        return self.silent_at() - LOW_MS / 1000

    def sent(self, samples: int, *, now: float) -> None:
        """A frame went out. Where the sound had run dry, real time starts anew: the client has been silent meanwhile."""
        if self._began is None or now > self.silent_at():
            self._began, self._base = now, self.position
        self.position += samples

    def played(self, now: float) -> int:
        """How many samples have sounded by now, as far as the pace tells."""
        if self._began is None:
            return self.position
        return min(self.position, self._base + max(0, int((now - self._began) * self._rate_hz)))

    def stop(self, position: int) -> None:
        """The client has played this much, threw the rest away, and plays nothing until more is sent."""
        self.position = position
        self._began = None

    def silent_at(self) -> float:
        """The moment at which everything that is out has sounded."""
        return 0.0 if self._began is None else self._began + (self.position - self._base) / self._rate_hz
