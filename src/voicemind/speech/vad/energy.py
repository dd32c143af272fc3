"""Voice activity by loudness alone: needs no model, and mistakes every loud noise for speech."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import numpy as np

from voicemind.speech.audio import as_floats
from voicemind.speech.vad.contract import WINDOW_MS

_WINDOW_BYTES = WINDOW_MS * 16 * 2
_QUIETEST_DB = -48.0
"""What is quieter than this is never speech, however silent the room."""

_ABOVE_NOISE_DB = 10.0
_STEEPNESS_DB = 2.0
_FLOOR_FALL = 0.3
_FLOOR_RISE_DB = 0.06
"""A window raises the floor by this much (about 2 dB a second), so that a new fan becomes background."""


class EnergyVad:
    """Compares each window with a noise floor that follows the room: quickly down, slowly up."""

    name = "energy"

    async def start(self) -> None:
        """Nothing has to be loaded."""

    @asynccontextmanager
    async def track(self) -> AsyncGenerator[_Track]:
        """Open the track of one microphone."""
        yield _Track()

    async def aclose(self) -> None:
        """Nothing has to be freed."""


class _Track:
    def __init__(self) -> None:
        self._sound = bytearray()
        self._complete = anyio.Event()
        self._floor_db = -60.0

    @property
    def unjudged(self) -> int:
        """Whole windows that wait."""
        return len(self._sound) // _WINDOW_BYTES

    def hear(self, samples: bytes) -> None:
        """Sound to be judged."""
        self._sound += samples
        if len(self._sound) >= _WINDOW_BYTES:
            self._complete.set()

    async def judged(self) -> list[float]:
        """The likelihoods of the windows that came since the last call."""
        await self._complete.wait()
        size = self.unjudged * _WINDOW_BYTES
        windows = as_floats(bytes(self._sound[:size])).reshape(-1, _WINDOW_BYTES // 2)
        del self._sound[:size]
        self._complete = anyio.Event()
        levels_db = 10 * np.log10(np.mean(windows * windows, axis=1) + 1e-10)
        return [self._likelihood(float(level_db)) for level_db in levels_db]

    def _likelihood(self, level_db: float) -> float:
        above_db = level_db - max(self._floor_db + _ABOVE_NOISE_DB, _QUIETEST_DB)
        if level_db < self._floor_db:
            self._floor_db += _FLOOR_FALL * (level_db - self._floor_db)
        else:
            self._floor_db += min(_FLOOR_RISE_DB, level_db - self._floor_db)
        return float(1 / (1 + np.exp(-np.clip(above_db / _STEEPNESS_DB, -30, 30))))
