"""What the load's people say: real speech without its pauses, and the murmur of a quiet room between."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np

from voicemind.speech.audio import INPUT_RATE_HZ, as_floats, from_floats, read_wav, resampled
from voicemind.speech.vad.contract import WINDOW_MS
from voicemind.speech.vad.silero import SileroVad

SURE = 0.6
LOUD_RMS = 0.05
MURMUR_RMS = 0.001
"""Of full scale: -60 dB, as a good microphone hears a quiet room. Not the digital silence of a muted one."""
_WINDOW = INPUT_RATE_HZ * WINDOW_MS // 1000


async def speech() -> bytes:
    """Half a minute in which Silero hears somebody speaking in every window: 16-bit mono at 16 kHz. The recording comes with the recogniser."""
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise RuntimeError("The recording comes with moonshine-voice, which is not installed: make bench installs it.")
    content = (Path(spec.origin).parent / "assets" / "two_cities.wav").read_bytes()
    samples = np.frombuffer(resampled(read_wav(content), INPUT_RATE_HZ).samples, dtype="<i2")
    windows = samples[: len(samples) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    likelihoods = await _judged(windows.tobytes())
    spoken = windows[np.array(likelihoods) >= SURE].tobytes()
    floats = as_floats(spoken)
    return from_floats(floats * np.float32(LOUD_RMS / np.sqrt(np.mean(floats * floats))))


@cache
def murmur(ms: int) -> bytes:
    """A quiet room, the same one every time."""
    noise = np.random.default_rng(5).standard_normal(INPUT_RATE_HZ * ms // 1000).astype(np.float32)
    return from_floats(noise * np.float32(MURMUR_RMS))


async def _judged(samples: bytes) -> list[float]:
    vad = SileroVad()
    await vad.start()
    try:
        async with vad.track() as track:
            judged: list[float] = []
            track.hear(samples)
            while len(judged) < len(samples) // 2 // _WINDOW:
                judged += await track.judged()
            return judged
    finally:
        await vad.aclose()
