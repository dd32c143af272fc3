"""An uploaded file with sound: taken in within its limits, decoded, and cut into pieces that a recogniser can hear one by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from voicemind.channels.http import WrongContentType, content_type
from voicemind.errors import BadAudio, BadRequest, TooLarge
from voicemind.speech.audio import INPUT_RATE_HZ, from_floats

UPLOAD_LIMIT_BYTES = 25 << 20
LONGEST_S = 30 * 60
SAMPLES_LIMIT = LONGEST_S * 48_000 * 2
"""Samples of all channels together that are decoded of one file, half an hour in stereo: a small file can hold very much silence."""
_MOST_FIELDS = 40
_LARGEST_FIELD = 64 << 10
_RATES_HZ = (4_000, 192_000)
_MOST_CHANNELS = 8
_BLOCK = 1 << 16

_SHORTEST_PIECE_S = 12
_LONGEST_PIECE_S = 25
_WINDOW = INPUT_RATE_HZ // 50

Floats = npt.NDArray[np.float32]


@asynccontextmanager
async def uploaded(request: Request) -> AsyncGenerator[tuple[BinaryIO, list[tuple[str, str]]]]:
    """The form's one file, and its other fields. What is more than a megabyte is kept in a file without a name, which is gone with this block.

    Raises WrongContentType, TooLarge and BadRequest.
    """
    form = await _form(request)
    try:
        found = form.get("file")
        if not isinstance(found, UploadFile):
            raise BadRequest("Send the sound as a file named `file`.", param="file")
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        yield found.file, fields
    finally:
        await form.close()


async def _form(request: Request) -> FormData:
    if content_type(request) != "multipart/form-data":
        raise WrongContentType("Send a form with a file: Content-Type: multipart/form-data.")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > UPLOAD_LIMIT_BYTES:
        raise TooLarge(f"The upload is larger than {UPLOAD_LIMIT_BYTES} bytes.")
    try:
        async with aclosing(_limited(request)) as body:
            return await MultiPartParser(
                request.headers, body, max_files=1, max_fields=_MOST_FIELDS, max_part_size=_LARGEST_FIELD
            ).parse()
    except (MultiPartException, UnicodeDecodeError):  # the latter: a name that is not in the charset of its form
        raise BadRequest("The form cannot be read: it has one file, and a few short fields.") from None


async def _limited(request: Request) -> AsyncGenerator[bytes]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > UPLOAD_LIMIT_BYTES:
            raise TooLarge(f"The upload is larger than {UPLOAD_LIMIT_BYTES} bytes.")
        yield chunk


def decoded(file: BinaryIO) -> bytes:
    """The sound of a WAV, FLAC, MP3 or Ogg file: mono, 16 bit, 16 kHz. Blocks for about 1 % of its length.

    Raises BadAudio for anything else, and TooLarge for more than half an hour.
    """
    import soundfile
    import soxr  # pyright: ignore[reportMissingTypeStubs]

    pieces: list[bytes] = []
    try:
        with soundfile.SoundFile(file) as sound:
            sound.seekable = lambda: False  # the length that a streamed file names is wrong or missing: read to its end
            if not _RATES_HZ[0] <= sound.samplerate <= _RATES_HZ[1] or sound.channels > _MOST_CHANNELS:
                raise BadAudio("Sound of 4 to 192 kHz in at most 8 channels can be used.")
            stream: Any = soxr.ResampleStream(sound.samplerate, INPUT_RATE_HZ, 1, dtype="float32")
            left = min(SAMPLES_LIMIT // sound.channels, LONGEST_S * sound.samplerate)
            while len(block := _block(sound)):
                left -= len(block)
                if left < 0:
                    raise TooLarge(f"The sound is longer than {LONGEST_S // 60} minutes.")
                pieces.append(from_floats(stream.resample_chunk(block)))
            pieces.append(from_floats(stream.resample_chunk(np.zeros(0, np.float32), last=True)))
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError, OverflowError):
        raise BadAudio("This is no sound that can be read: WAV, FLAC, MP3 and Ogg can.") from None
    samples = b"".join(pieces)
    if not samples:
        raise BadAudio("The file holds no sound.")
    return samples


def _block(sound: Any) -> Floats:
    """The next samples, mixed down; what is no number is silence."""
    block: Floats = sound.read(_BLOCK, dtype="float32", always_2d=True)
    mono: Floats = np.nan_to_num(block.mean(axis=1, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
    return mono


def cuts(samples: bytes) -> list[tuple[int, int]]:
    """Where to cut, in bytes: pieces of 12 to 25 seconds, each ending where the sound is quietest."""
    floats = np.frombuffer(samples, "<i2")
    found: list[tuple[int, int]] = []
    start = 0
    while (floats.size - start) > _LONGEST_PIECE_S * INPUT_RATE_HZ:
        first = start + _SHORTEST_PIECE_S * INPUT_RATE_HZ
        windows = floats[first : start + _LONGEST_PIECE_S * INPUT_RATE_HZ].reshape(-1, _WINDOW).astype(np.float32)
        levels = np.convolve(np.square(windows).mean(axis=1), np.ones(15), mode="same")  # over 0.3 s
        end = first + int(np.argmin(levels)) * _WINDOW + _WINDOW // 2
        found.append((start * 2, end * 2))
        start = end
    return [*found, (start * 2, floats.size * 2)]
