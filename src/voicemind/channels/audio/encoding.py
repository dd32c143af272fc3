"""Speech as a file that grows while it is being spoken: raw samples, WAV, MP3, FLAC, or Opus in Ogg."""

from __future__ import annotations

import io
import struct
from typing import Any, Protocol

import numpy as np

MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_KINDS = {"mp3": ("MP3", "MPEG_LAYER_III"), "flac": ("FLAC", "PCM_16"), "opus": ("OGG", "OPUS")}
_RATES = {"MP3": {"bitrate_mode": "CONSTANT", "compression_level": 0.5}}
"""A constant rate, or players would take the length of the first sentence for that of the whole: the table of a variable one is written last."""
_UNKNOWN = 0xFFFFFFFF


class Encoder(Protocol):
    """Makes the bytes of a file. Blocks for about 1 % of what it is given."""

    def add(self, samples: bytes) -> bytes:
        """16-bit mono samples; what can be sent already, perhaps nothing."""
        ...

    def end(self) -> bytes:
        """The rest of the file. The last call."""
        ...


def encoder(kind: str, rate_hz: int) -> Encoder:
    """For one of the names in MEDIA_TYPES."""
    if kind in _KINDS:
        return _Compressed(*_KINDS[kind], rate_hz=rate_hz)
    return _Plain(wav_head(rate_hz) if kind == "wav" else b"")


def wav_head(rate_hz: int) -> bytes:
    """The head of a WAV file whose length nobody knows yet: both lengths have their largest value, which players take for that."""
    shape = struct.pack("<HHIIHH", 1, 1, rate_hz, rate_hz * 2, 2, 16)
    return struct.pack("<4sI4s4sI16s4sI", b"RIFF", _UNKNOWN, b"WAVE", b"fmt ", 16, shape, b"data", _UNKNOWN)


class _Plain:
    """Samples as they are, behind a head."""

    def __init__(self, head: bytes) -> None:
        self._head = head

    def add(self, samples: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + samples

    def end(self) -> bytes:
        return self.add(b"")


class _Compressed:
    """libsndfile's encoders, which write into a file that is sent while it grows."""

    def __init__(self, kind: str, subtype: str, *, rate_hz: int) -> None:
        import soundfile

        self._sink = _Sink()
        self._file: Any = soundfile.SoundFile(
            self._sink, "w", samplerate=rate_hz, channels=1, format=kind, subtype=subtype, **_RATES.get(kind, {})
        )

    def add(self, samples: bytes) -> bytes:
        self._file.write(np.frombuffer(samples, "<i2"))
        return self._sink.taken()

    def end(self) -> bytes:
        self._file.close()
        return self._sink.taken()


class _Sink(io.RawIOBase):
    """Takes what is appended; what is written over the beginning, once the length is known, has been sent already and is left out."""

    def __init__(self) -> None:
        self._fresh = bytearray()
        self._at = 0
        self._end = 0

    def taken(self) -> bytes:
        """What has come since the last time."""
        fresh, self._fresh = bytes(self._fresh), bytearray()
        return fresh

    def write(self, data: Any) -> int:
        size = len(data)
        if self._at == self._end:
            self._fresh += bytes(data)
            self._end += size
        elif self._at + size <= len(self._fresh) and self._end == len(self._fresh):
            self._fresh[self._at : self._at + size] = bytes(data)
        self._at += size
        return size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence, self._end)
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True
