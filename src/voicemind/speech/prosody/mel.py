"""Sound as Whisper's encoder wants to see it: the logarithm of its power in 80 bands of the mel scale, every 10 ms. Pure.

The figures are those of openai/whisper, `whisper/audio.py`; the mel scale is Slaney's, as `librosa.filters.mel` draws it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_Doubles = npt.NDArray[np.float64]

BANDS = 80
_RATE_HZ, _WINDOW, _STEP = 16_000, 400, 160
_LINEAR_UNTIL_HZ, _HZ_A_MEL = 1000.0, 200.0 / 3
_STEP_ABOVE = np.log(6.4) / 27
_SMALLEST_POWER, _RANGE = 1e-10, 8.0


def log_mel(sound: Floats) -> Floats:
    """Shape (80, n // 160) for a sound of shape (n,), which is first brought to mean 0 and variance 1."""
    even = ((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)).astype(np.float32)
    padded = np.pad(even, _WINDOW // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_STEP][:-1]
    power = np.abs(np.fft.rfft(windows * _HANN, axis=1)) ** 2
    logs = np.log10(np.maximum(power @ _FILTERS, _SMALLEST_POWER)).T
    seen: Floats = ((np.maximum(logs, logs.max() - _RANGE) + 4) / 4).astype(np.float32)
    return seen


def _mel_of(hertz: float) -> float:
    if hertz < _LINEAR_UNTIL_HZ:
        return hertz / _HZ_A_MEL
    return float(_LINEAR_UNTIL_HZ / _HZ_A_MEL + np.log(hertz / _LINEAR_UNTIL_HZ) / _STEP_ABOVE)


def _hertz_of(mels: _Doubles) -> _Doubles:
    corner = _LINEAR_UNTIL_HZ / _HZ_A_MEL
    return np.where(mels < corner, mels * _HZ_A_MEL, _LINEAR_UNTIL_HZ * np.exp(_STEP_ABOVE * (mels - corner)))


def _filters() -> _Doubles:
    """Triangles of equal area, shape (201, 80): what each frequency counts in each band."""
    frequencies = np.fft.rfftfreq(_WINDOW, 1 / _RATE_HZ)
    corners = _hertz_of(np.linspace(0, _mel_of(_RATE_HZ / 2), BANDS + 2))
    low, peak, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (frequencies[:, None] - low) / (peak - low)
    falling = (high - frequencies[:, None]) / (high - peak)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low), dtype=np.float64)


_HANN = np.hanning(_WINDOW + 1)[:-1]
_FILTERS = _filters()
