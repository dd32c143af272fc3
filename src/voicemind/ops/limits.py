"""How much at once: which caller asks too often, and whether there is room for one more request. Decides only; the time is given to it."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from voicemind.errors import Busy, TooOften

CALLERS_KEPT = 10_000
"""Callers whose last requests are remembered; the one that has been quiet for longest is forgotten first."""
BURST_S = 10
"""So many seconds' worth of requests may come at one moment."""
RETRY_AFTER_S = 2
"""When to come back to a server that is full: the time of a short answer."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


class Rates:
    """A token bucket for each caller: at most `per_minute` requests a minute over time, and `burst` at one moment. 0: no limit."""

    def __init__(self, per_minute: int, *, burst: int | None = None) -> None:
        self._a_second = per_minute / 60
        self.burst = max(1, math.ceil(self._a_second * BURST_S)) if burst is None else burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str, *, now_s: float) -> None:
        """One request of this caller. `now_s` never runs backwards. Raises TooOften, which says when the next one is welcome."""
        if not self._a_second:
            return
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._buckets[caller] = _Bucket(self.burst, now_s)
            if len(self._buckets) > CALLERS_KEPT:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(caller)
        bucket.left = min(self.burst, bucket.left + (now_s - bucket.at_s) * self._a_second)
        bucket.at_s = now_s
        if bucket.left < 1:
            wait_s = math.ceil((1 - bucket.left) / self._a_second)
            raise TooOften("Too many requests; please come back in a moment.", retry_after_s=max(wait_s, 1))
        bucket.left -= 1


class Room:
    """Requests that are being answered; a stream is one until it ends."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.taken = 0

    def enter(self) -> None:
        """One more. Raises Busy where there is no room; else `leave` must follow once."""
        if self.taken >= self._most:
            raise Busy("This server has as many requests as it can serve.", retry_after_s=RETRY_AFTER_S)
        self.taken += 1

    def leave(self) -> None:
        """It is answered."""
        self.taken -= 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Both, for one process."""

    rates: Rates
    room: Room
