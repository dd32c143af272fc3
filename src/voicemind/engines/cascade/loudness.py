"""Where is a sound silent? Kept as one number for each hundredth of a second. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

STEP_S = 0.01
SHORTEST_S = 0.06
"""A silence within a word, before a plosive, is shorter."""
_QUIET = 0.06
"""Of the loudest: below it is silence."""


class Loudness:
    """Feed it the sound as it is made."""

    def __init__(self, rate_hz: int) -> None:
        self._step = int(rate_hz * STEP_S)
        self._rest = np.zeros(0, dtype=np.int16)
        self._parts: list[npt.NDArray[np.float32]] = []

    def add(self, samples: bytes) -> None:
        """More sound: 16-bit samples."""
        sound = np.concatenate([self._rest, np.frombuffer(samples, dtype="<i2")])
        whole = len(sound) // self._step
        self._rest = sound[whole * self._step :]
        steps = sound[: whole * self._step].reshape(whole, self._step)
        self._parts.append(np.abs(steps.astype(np.float32)).mean(axis=1))

    def sounding(self, samples: int) -> tuple[float, float]:
        """The samples at which the sound begins and ends to be more than silence; all of it where it is nothing but silence."""
        loud = np.flatnonzero(~self._quiet())
        if not len(loud):
            return 0.0, float(samples)
        return float(loud[0] * self._step), float(min(samples, (loud[-1] + 1) * self._step))

    def silences(self) -> Iterator[tuple[float, float]]:
        """The silences within it, as samples at which they begin and end, in order."""
        quiet = self._quiet()
        edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(np.int8), [0]])))
        for began, ended in zip(edges[::2], edges[1::2], strict=True):
            if (ended - began) * STEP_S >= SHORTEST_S and began > 0 and ended < len(quiet):
                yield float(began * self._step), float(ended * self._step)

    def _quiet(self) -> npt.NDArray[np.bool_]:
        loud = np.concatenate(self._parts) if self._parts else np.zeros(0, dtype=np.float32)
        return loud <= _QUIET * float(np.quantile(loud, 0.95)) if len(loud) else np.zeros(0, dtype=np.bool_)
