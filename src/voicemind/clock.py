"""The time, in the three forms that the program uses."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The moment, in UTC and with its zone: for what is stored."""
    return datetime.now(UTC)


def epoch_ms() -> int:
    """Milliseconds since 1970: for `timestamp` on the wire."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds that never jump: for every time-out and every latency."""
    return time.monotonic()
