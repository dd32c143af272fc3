"""Since when is it silent? Told by how loud the sound is: finer than windows, and sooner than a detector, which goes on hearing a voice that has stopped. Pure."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from voicemind.speech.audio import INPUT_RATE_HZ, as_floats
from voicemind.speech.vad.contract import WINDOW_MS

STEP_MS = 8
NEAR = 4.0
"""As power: what is no louder than the room by 6 dB is the room."""
LOUDEST_ROOM = 10 ** (-45 / 10)
"""Mean square of full scale, -45 dB: in what is louder than that, somebody may be speaking softly."""
FAINT = 0.0005**2
"""-66 dB: nobody speaks so softly."""
REMEMBERED_MS = 192
_ROOM = 0.25
"""The quietest part of what came before an utterance: the rest of it may be its beginning."""
_LONG_BEFORE_MS = 256
_STEP = INPUT_RATE_HZ * STEP_MS // 1000


class Stillness:
    """Of one microphone. It says nothing of a room that is loud, or not known; sound is 16-bit samples."""

    def __init__(self) -> None:
        self._limit = FAINT
        """What is not louder is silence."""
        self._last: deque[bytes] = deque(maxlen=REMEMBERED_MS // WINDOW_MS)

    def begin(self, before: bytes) -> None:
        """An utterance begins; `before` is the sound until that was noticed. Where there is little of it, it may be speech."""
        self._last.clear()
        powers = _powers(before)
        if not powers.size:
            return
        room = float(np.quantile(powers, _ROOM))
        limit = max(NEAR * room, FAINT) if room <= LOUDEST_ROOM else FAINT
        self._limit = limit if powers.size * STEP_MS >= _LONG_BEFORE_MS else min(limit, self._limit)

    def add(self, window: bytes) -> None:
        """More of the utterance."""
        self._last.append(window)

    def ms(self) -> int:
        """For how long it has been silent; what is longer than REMEMBERED_MS is not told."""
        powers = _powers(b"".join(self._last))
        loud = np.flatnonzero(powers > self._limit)
        return int(powers.size - 1 - loud[-1] if loud.size else powers.size) * STEP_MS

    def goes_on(self, samples: bytes) -> bool:
        """Whether this is silence too."""
        floats = as_floats(samples)
        return bool(floats.size) and float(np.dot(floats, floats)) <= self._limit * floats.size


def _powers(samples: bytes) -> npt.NDArray[np.float32]:
    """The mean square of each whole step, the last one ending with the samples."""
    floats = as_floats(samples)
    steps = floats[floats.size % _STEP :].reshape(-1, _STEP)
    powers: npt.NDArray[np.float32] = np.einsum("ij,ij->i", steps, steps) / _STEP
    return powers
