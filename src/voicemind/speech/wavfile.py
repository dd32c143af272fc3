"""A WAV file that grows and can be played at every moment, also when its writer was killed; and the outline of what it holds."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from voicemind.speech.audio import INPUT_RATE_HZ

CHANNELS = 2
FRAME_BYTES = 2 * CHANNELS
HEADER_BYTES = 44
PIXEL = INPUT_RATE_HZ // 20
"""Samples for each point of the outline: 50 ms."""
_AT_ONCE = PIXEL * 20 * 60
_RIFF_SIZE_AT, _DATA_SIZE_AT = 4, 40


class GrowingWav:
    """16-bit stereo at 16 kHz, for its owner's eyes only. An existing file is gone on with.

    Raises OSError where the file cannot be opened or written. The sizes in the header are written after the sound: they never promise more than is there.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        size = os.fstat(self._file).st_size
        self.bytes = max(size - HEADER_BYTES, 0) // FRAME_BYTES * FRAME_BYTES
        """How much sound there is."""
        if size < HEADER_BYTES:
            os.pwrite(self._file, header(0), 0)
        self._write_sizes()

    @property
    def samples(self) -> int:
        """How many samples each side has."""
        return self.bytes // FRAME_BYTES

    def append(self, sound: bytes) -> None:
        """Put the sound at the end."""
        view, at = memoryview(sound), HEADER_BYTES + self.bytes
        while view:
            written = os.pwrite(self._file, view, at)
            view, at = view[written:], at + written
        self.bytes += len(sound)
        self._write_sizes()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write_sizes(self) -> None:
        os.pwrite(self._file, struct.pack("<I", self.bytes), _DATA_SIZE_AT)
        os.pwrite(self._file, struct.pack("<I", self.bytes + HEADER_BYTES - 8), _RIFF_SIZE_AT)


def header(size: int) -> bytes:
    """The 44 bytes before `size` bytes of sound: RIFF with one `fmt ` and one `data` chunk (Multimedia Programming Interface 1.0, Microsoft and IBM, 1991)."""
    rate = INPUT_RATE_HZ
    form = struct.pack("<HHIIHH", 1, CHANNELS, rate, rate * FRAME_BYTES, FRAME_BYTES, 16)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", size + HEADER_BYTES - 8, b"WAVE", b"fmt ", 16)
        + form
        + struct.pack("<4sI", b"data", size)
    )


def duration_ms(path: Path) -> int:
    """How long such a file sounds. Raises OSError."""
    return max(path.stat().st_size - HEADER_BYTES, 0) // FRAME_BYTES * 1000 // INPUT_RATE_HZ


def peaks(path: Path) -> dict[str, Any]:
    """The outline, in the JSON format of audiowaveform (its README, "JSON data format", version 2): least and greatest value of each side, 8 bits, point by point.

    Raises OSError.
    """
    points: list[int] = []
    with path.open("rb") as file:
        file.seek(HEADER_BYTES)
        while block := file.read(_AT_ONCE * FRAME_BYTES):
            sound = np.frombuffer(block[: len(block) // FRAME_BYTES * FRAME_BYTES], dtype="<i2").reshape(-1, CHANNELS)
            sides = np.pad(np.ascontiguousarray(sound.T), ((0, 0), (0, -len(sound) % PIXEL))).reshape(
                CHANNELS, -1, PIXEL
            )
            outline = np.stack([sides.min(axis=2).T, sides.max(axis=2).T], axis=2) >> 8
            points.extend(outline.ravel().tolist())
    return {
        "version": 2,
        "channels": CHANNELS,
        "sample_rate": INPUT_RATE_HZ,
        "samples_per_pixel": PIXEL,
        "bits": 8,
        "length": len(points) // (2 * CHANNELS),
        "data": points,
    }
