"""Is that the person, or the agent's own voice coming back from the loudspeaker? Decided by comparing what was sent with what is heard. Pure.

The last moments of the microphone are correlated with what the agent said up to LATEST_MS before, at every delay. Where the best match explains nearly
all of the sound (normalised cross-correlation, 1 for the same wave at any loudness), nobody else is speaking. Somebody who speaks over the echo, as loud as it, is not
explained by it.
"""

from __future__ import annotations

from collections import deque
from functools import cached_property

import numpy as np
import numpy.typing as npt

from voicemind.speech.audio import INPUT_RATE_HZ, as_floats

Floats = npt.NDArray[np.float32]

COMPARED_MS = 128
"""How much of the microphone is compared: in less, two vowels of the same pitch look alike."""
EARLIEST_MS, LATEST_MS = -100, 700
"""How much later than it was due a sound may come back: it is buffered, travels, and the clocks at both ends are not the same."""
EXPLAINED = 0.7
_LONGEST_FRAME_S = 1.0
_FADED = 1e-8
"""Mean square of what is too soft to be an echo of anything, -80 dB."""
_COMPARED = INPUT_RATE_HZ * COMPARED_MS // 1000


class _Frame:
    """A piece of the agent's voice. It is brought to the microphone's rate when it is first compared: most never are."""

    def __init__(self, samples: bytes, rate_hz: int, at_s: float) -> None:
        self._samples, self._rate_hz, self.at_s = samples, rate_hz, at_s

    @cached_property
    def sound(self) -> Floats:
        """At 16 kHz."""
        return _at_input_rate(as_floats(self._samples), self._rate_hz)


class OwnVoice:
    """What one agent said lately, against what its person's microphone hears. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._said: deque[_Frame] = deque()
        self._heard: deque[tuple[float, bytes]] = deque(maxlen=COMPARED_MS // 32)

    def spoke(self, samples: bytes, rate_hz: int, at_s: float) -> None:
        """A frame of the agent's voice, 16-bit mono, which begins to sound at `at_s`. Cheap: it is called for every frame."""
        self._said.append(_Frame(samples, rate_hz, at_s))
        until_s = at_s - (LATEST_MS + COMPARED_MS) / 1000 - 1.0
        while self._said[0].at_s < until_s:
            self._said.popleft()

    def hears(self, samples: bytes, at_s: float) -> None:
        """A window of the microphone, 512 samples of 16 kHz, that ended at `at_s`. Every one while the agent may be audible, in order."""
        self._heard.append((at_s, samples))

    def explains(self) -> bool:
        """Whether the last windows of the microphone are the agent's own voice."""
        heard = as_floats(b"".join(samples for _, samples in self._heard))
        if heard.size < _COMPARED or not self._said:
            return False
        end_s = self._heard[-1][0]
        begin_s = end_s - heard.size / INPUT_RATE_HZ
        said = self._sounding(begin_s - LATEST_MS / 1000, end_s - EARLIEST_MS / 1000)
        return likeness(heard, said) >= EXPLAINED

    def _sounding(self, begin_s: float, end_s: float) -> Floats:
        """What the agent said between two moments, at 16 kHz, silence where it said nothing."""
        sound = np.zeros(round((end_s - begin_s) * INPUT_RATE_HZ), dtype=np.float32)
        for frame in self._said:
            if not begin_s - _LONGEST_FRAME_S < frame.at_s < end_s:
                continue
            first = round((frame.at_s - begin_s) * INPUT_RATE_HZ)
            skipped, first = max(0, -first), max(0, first)
            piece = frame.sound[skipped : skipped + max(0, sound.size - first)]
            sound[first : first + piece.size] = piece
        return sound


def likeness(heard: Floats, said: Floats) -> float:
    """The largest normalised cross-correlation of `heard`, shape (n,), with any stretch of `said`, shape (m,), m >= n; 0 to 1."""
    size = 1 << (said.size - 1).bit_length()
    energy = float(np.dot(heard, heard))
    if energy <= _FADED * heard.size:
        return 0.0
    products = np.fft.irfft(np.fft.rfft(said, size) * np.conj(np.fft.rfft(heard, size)), size)
    products = products[: said.size - heard.size + 1]
    sums = np.concatenate(([0.0], np.cumsum(said.astype(np.float64) ** 2)))
    energies = sums[heard.size :] - sums[: -heard.size]
    loud = energies > _FADED * heard.size
    if not loud.any():
        return 0.0
    return float(np.max(np.abs(products[loud]) / np.sqrt(energies[loud] * energy)))


def _at_input_rate(samples: Floats, rate_hz: int) -> Floats:
    """The same sound at 16 kHz, between whose samples lines are drawn: enough to recognise it by."""
    if rate_hz == INPUT_RATE_HZ:
        return samples
    moments = np.arange(int(samples.size * INPUT_RATE_HZ / rate_hz)) * (rate_hz / INPUT_RATE_HZ)
    drawn: Floats = np.interp(moments, np.arange(samples.size), samples).astype(np.float32)
    return drawn
