"""How long to wait after a failure, and when to give up: pure, so that it can be read off."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """`attempts` failures, and as many lost leases beside them; `first_s` seconds after the first failure, and four times as long after every further one.

    >>> [Backoff(attempts=5, first_s=5).delay_s(failed) for failed in (1, 2, 3, 4, 5)]
    [5.0, 20.0, 80.0, 320.0, None]
    """

    attempts: int = 5
    first_s: float = 5.0

    def delay_s(self, failed: int) -> float | None:
        """Seconds until the next try when the try of that number, from 1, has failed; None: there is no further one."""
        if failed >= self.attempts:
            return None
        return float(min(self.first_s * 4 ** (failed - 1), LONGEST_S))

    def is_spent(self, lost: int) -> bool:
        """Whether so many processes died over a job, or let its lease run out, that it is better not tried again."""
        return lost >= self.attempts
