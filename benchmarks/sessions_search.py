"""How many people does a server hold? Decides how many to try next, and what the tries so far have shown. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["holds", "breaks", "unmeasured"]
"""Unmeasured: the load generator could not carry so many, or the machine was busy, so that nothing is known of the server."""

CLOSE_ENOUGH = 0.1
"""The search ends once what holds and what does not are this close."""
TRIES = 2
"""How often the same number is tried before it counts as one that cannot be measured: something else may have been in the way for a moment."""


@dataclass
class Search:
    """By halves between the most that surely held and the least that broke, or that could not be measured.

    >>> search = Search(100)
    >>> search.saw("holds"), search.people, search.saw("breaks", "stutter"), search.people
    (None, 160, None, 130)
    """

    people: int
    """Try so many next."""
    step: float = 1.6
    holds: int = 0
    breaks_at: int | None = None
    """The least that broke."""
    broken_by: str = ""
    unmeasured: dict[int, str] = field(default_factory=dict[int, str])
    """What could not be measured, and why."""
    _tries: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether `people` is still to be tried."""
        return self._above() - self.holds > max(CLOSE_ENOUGH * self.holds, 1)

    def saw(self, outcome: Outcome, why: str = "") -> None:
        """What came of the try with `people`."""
        self._tries += 1
        if outcome == "unmeasured":
            if self._tries < TRIES:
                return
            self.unmeasured[self.people] = why
        elif outcome == "breaks":
            self.breaks_at, self.broken_by = self.people, why
        else:
            self.holds = self.people
        self._tries = 0
        above = self._above()
        self.people = round(self.holds * self.step) if above == math.inf else round((self.holds + above) / 2)

    def _above(self) -> float:
        return min(self.breaks_at or math.inf, min(self.unmeasured, default=math.inf))
