"""A watch on the process itself: a blocked event loop and descriptors that run low are said aloud, and survived."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import anyio
import structlog

from voicemind.clock import monotonic_s
from voicemind.ops import metrics

log = structlog.get_logger(__name__)

_OPEN = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"  # noqa: PTH112 - once, at import


@dataclass(frozen=True, slots=True)
class Alarms:
    """When to say something: `lag_s` in seconds, `files` as a share of the descriptors that may be open."""

    look_every_s: float = 0.5
    lag_s: float = 0.5
    files: float = 0.8


class Vitals:
    """`run` looks until it is cancelled. It says each trouble once: when it begins, and when it is over."""

    def __init__(self, alarms: Alarms = Alarms()) -> None:
        self._alarms = alarms
        self._is_low = False

    async def run(self) -> None:
        """Look, again and again."""
        while True:
            due = monotonic_s() + self._alarms.look_every_s
            await anyio.sleep(self._alarms.look_every_s)
            try:
                self._look(max(monotonic_s() - due, 0.0))
            except Exception:  # the boundary of a background job: who looks at the server must not stop it
                log.exception("vitals cannot be read")

    def _look(self, lag_s: float) -> None:
        metrics.LOOP_LAG.set(lag_s)
        if lag_s >= self._alarms.lag_s:
            metrics.ALARMS.labels("loop").inc()
            log.warning("the event loop was blocked", ms=round(lag_s * 1000))
        count, most = open_files(), most_files()
        metrics.OPEN_FILES.set(count)
        metrics.MAX_FILES.set(most)
        is_low = count >= most * self._alarms.files
        if is_low and not self._is_low:
            metrics.ALARMS.labels("files").inc()
            log.warning("descriptors run low", open=count, most=most)
        elif self._is_low and not is_low:
            log.info("descriptors suffice again", open=count, most=most)
        self._is_low = is_low


def open_files() -> int:
    """How many descriptors this process has open; where not even that can be asked for any more, as many as it may have."""
    try:
        return len(os.listdir(_OPEN)) - 1  # noqa: PTH208 - a list is needed, and this is asked often
    except OSError:
        most = most_files()
        return 0 if math.isinf(most) else round(most)


def most_files() -> float:
    """How many it may have open; infinitely many where nobody limits them."""
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return math.inf if most < 0 else most
