"""When is the next frame of sound due? Absolute deadlines, a little ahead of real time, so that lateness is caught up. Pure."""

from __future__ import annotations

FRAME_MS = 40
LEAD_MS = 400
"""How far the client's buffer may be ahead of what it plays: enough against jitter, little to throw away at an interruption."""


class Pace:
    """The clock of one reply's sound. Times are monotonic seconds, positions are samples at `rate_hz`."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._began: float | None = None
        self.position = 0
        """Samples that are out."""

    def due(self, now: float) -> float:
        """The moment at which the next frame may go out; not later than `now` for one that is due."""
        if self._began is None:
            return now
        return self._began + self.position / self._rate_hz - LEAD_MS / 1000

    def sent(self, samples: int, *, now: float) -> None:
        """A frame went out. Where the sound had run dry, real time starts anew: the client has been silent meanwhile."""
        dry = self._began is None or now > self._began + self.position / self._rate_hz
        if dry:
            self._began = now - self.position / self._rate_hz
        self.position += samples

    def played(self, now: float) -> int:
        """How many samples have sounded by now, as far as the pace tells."""
        if self._began is None:
            return 0
        return max(0, min(self.position, int((now - self._began) * self._rate_hz)))

    def silent_at(self) -> float:
        """The moment at which everything that is out has sounded."""
        return 0.0 if self._began is None else self._began + self.position / self._rate_hz
