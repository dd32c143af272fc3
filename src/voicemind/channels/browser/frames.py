"""Sound on the wire of `/voice-conversation`: base64 in messages, or binary frames. Pure.

Signed 16-bit little-endian mono: 16 kHz from the client, the rate that the message names from the server. A binary frame is a 16-byte
little-endian header and the samples:

    client → server    u32 kind = 1 · u32 sequence · f64 capture frame (the client's own clock; kept for diagnosis)
    server → client    u32 kind = 2 · u32 generation · u32 position (samples since the reply began) · u32 rate in hertz
"""

from __future__ import annotations

import base64
import binascii
import struct

from voicemind.errors import BadAudio, BadMessage
from voicemind.speech.audio import Pcm

CLIENT_AUDIO, SERVER_AUDIO = 1, 2
_CLIENT_HEADER = struct.Struct("<IId")
_SERVER_HEADER = struct.Struct("<IIII")


def parse_client_audio(frame: bytes) -> bytes:
    """The samples of a client's binary frame. Raises BadMessage for a foreign header, BadAudio for half a sample."""
    if len(frame) < _CLIENT_HEADER.size:
        raise BadMessage("A binary frame starts with a header of 16 bytes.")
    kind, _sequence, _captured = _CLIENT_HEADER.unpack_from(frame)
    if kind != CLIENT_AUDIO:
        raise BadMessage(f"Binary frames of kind {kind} are unknown.")
    return whole_samples(frame[_CLIENT_HEADER.size :])


def client_audio(samples: bytes, *, sequence: int, captured: float = 0.0) -> bytes:
    """A binary frame as a client sends it."""
    return _CLIENT_HEADER.pack(CLIENT_AUDIO, sequence, captured) + samples


def server_audio(pcm: Pcm, *, generation: int, position: int) -> bytes:
    """A binary frame of a reply's sound."""
    return _SERVER_HEADER.pack(SERVER_AUDIO, generation, position, pcm.rate_hz) + pcm.samples


def parse_server_audio(frame: bytes) -> tuple[Pcm, int, int]:
    """A server's binary frame as a client reads it: the sound, its generation, its position. Raises BadMessage or BadAudio."""
    if len(frame) < _SERVER_HEADER.size:
        raise BadMessage("A binary frame starts with a header of 16 bytes.")
    kind, generation, position, rate_hz = _SERVER_HEADER.unpack_from(frame)
    if kind != SERVER_AUDIO or not rate_hz:
        raise BadMessage(f"Binary frames of kind {kind} are unknown.")
    return Pcm(whole_samples(frame[_SERVER_HEADER.size :]), rate_hz), generation, position


def from_base64(text: str) -> bytes:
    """Samples that travel as text. Raises BadAudio."""
    try:
        return whole_samples(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadAudio("The audio is not base64.") from error


def whole_samples(content: bytes) -> bytes:
    """The same bytes, if they are 16-bit samples. Raises BadAudio."""
    if len(content) % 2:
        raise BadAudio("The audio ends in half a sample: it must be 16-bit.")
    return content
