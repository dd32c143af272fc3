"""Sound as a value: mono 16-bit samples with their rate, and the WAV files they come from and go to."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicemind.errors import BadAudio

INPUT_RATE_HZ = 16_000
"""What every recogniser and every voice-activity detector here is given."""


@dataclass(frozen=True, slots=True)
class Pcm:
    """Mono, signed 16-bit little-endian samples.

    `samples` is raw bytes, so `len(samples) == 2 * n`; `rate_hz` is in hertz. Convert at the edge (`channels/`, `speech/*/`), never in between.
    """

    samples: bytes
    rate_hz: int

    @property
    def duration_ms(self) -> float:
        """How long it sounds, in milliseconds."""
        return len(self.samples) / 2 / self.rate_hz * 1000


def as_floats(samples: bytes) -> npt.NDArray[np.float32]:
    """16-bit samples as float32 in [-1, 1), shape (n,)."""
    return np.frombuffer(samples, dtype="<i2").astype(np.float32) / 32768.0


def from_floats(floats: npt.NDArray[np.float32]) -> bytes:
    """float32 in [-1, 1], shape (n,), as 16-bit samples; what is louder is clipped."""
    return (np.clip(floats, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()


def resampled(pcm: Pcm, rate_hz: int) -> Pcm:
    """The same sound at another rate (soxr, high quality). Whole clips only: a stream needs a `soxr.ResampleStream`."""
    if pcm.rate_hz == rate_hz or not pcm.samples:
        return Pcm(pcm.samples, rate_hz)
    import soxr  # pyright: ignore[reportMissingTypeStubs]

    samples = np.frombuffer(pcm.samples, dtype="<i2")
    return Pcm(soxr.resample(samples, pcm.rate_hz, rate_hz).astype("<i2").tobytes(), rate_hz)


def read_wav(content: bytes) -> Pcm:
    """The sound of a PCM WAV file, mixed down to mono 16 bit at the file's own rate.

    Raises BadAudio for anything else: no RIFF header, no samples, a compressed format, a rate outside 8 to 96 kHz.
    """
    try:
        with wave.open(io.BytesIO(content)) as file:
            channels, width, rate_hz = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except (
        wave.Error,
        EOFError,
        ValueError,
        MemoryError,
        RuntimeError,
    ) as error:  # RuntimeError: a chunk ends beyond its file
        raise BadAudio("This is not a PCM WAV file.") from error
    if not 8_000 <= rate_hz <= 96_000:
        raise BadAudio(f"A WAV file of {rate_hz} Hz cannot be used; 8000 to 96000 Hz can.")
    frames = frames[: len(frames) - len(frames) % (width * channels)]
    if not frames:
        raise BadAudio("The WAV file holds no sound.")
    match width:
        case 1:
            wide = (np.frombuffer(frames, dtype=np.uint8).astype(np.int32) - 128) << 8
        case 2:
            wide = np.frombuffer(frames, dtype="<i2").astype(np.int32)
        case 3:
            octets = np.frombuffer(frames, dtype=np.uint8).reshape(-1, 3).astype(np.int32)
            wide = (octets[:, 1] | (octets[:, 2] << 8)).astype(np.int16).astype(np.int32)
        case 4:
            wide = np.frombuffer(frames, dtype="<i4") >> 16
        case _:
            raise BadAudio(f"A WAV file with samples of {width} bytes cannot be used.")
    mono = wide.reshape(-1, channels).mean(axis=1)
    return Pcm(mono.astype("<i2").tobytes(), rate_hz)


def write_wav(pcm: Pcm) -> bytes:
    """A WAV file of the sound."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(pcm.rate_hz)
        file.writeframes(pcm.samples)
    return out.getvalue()
