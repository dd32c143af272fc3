"""The protocol of `/voice-conversation`: what a client may say, what the server says, and the layout of binary audio frames. Pure.

Every server message is `{"type": …, "data": {…}, "timestamp": <milliseconds since 1970>}`. Sound is signed 16-bit little-endian mono:
16 kHz from the client, the rate that the message names from the server. With `?binary=1` sound travels in binary frames of a 16-byte
little-endian header and the samples:

    client → server    u32 kind = 1 · u32 sequence · f64 capture frame (the client's own clock; kept for diagnosis)
    server → client    u32 kind = 2 · u32 generation · u32 position (samples since the reply began) · u32 rate in hertz
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from voicemind.conversation.opening import MAX_SAID_CHARS
from voicemind.errors import BadAudio, BadMessage
from voicemind.speech.audio import Pcm

MAX_FRAME_BYTES = 256 * 1024
CLIENT_AUDIO, SERVER_AUDIO = 1, 2
_CLIENT_HEADER = struct.Struct("<IId")
_SERVER_HEADER = struct.Struct("<IIII")


class Text(msgspec.Struct, tag_field="type", tag="text", frozen=True):
    """The person typed something."""

    text: str


class Audio(msgspec.Struct, tag_field="type", tag="audio", frozen=True):
    """A piece of what the microphone hears: base64 of 16 kHz samples."""

    data: str


class Interrupt(msgspec.Struct, tag_field="type", tag="interrupt", frozen=True):
    """Stop talking."""


class End(msgspec.Struct, tag_field="type", tag="end", frozen=True):
    """The conversation is over."""


class Played(msgspec.Struct, tag_field="type", tag="played", frozen=True):
    """How much of a reply has left the loudspeaker, in milliseconds since the reply began."""

    generation: int
    ms: float


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples from the client, whichever way they came: 16-bit little-endian mono at 16 kHz."""

    samples: bytes


ClientMessage = Text | Sound | Interrupt | End | Played
_decoder: msgspec.json.Decoder[Text | Audio | Interrupt | End | Played] = msgspec.json.Decoder(
    Text | Audio | Interrupt | End | Played
)


def parse_text(frame: str) -> ClientMessage:
    """One text frame. Raises BadMessage for what is no message, BadAudio for sound that is none."""
    try:
        message = _decoder.decode(frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(f"This message cannot be used: {_reason(error)}") from error
    if isinstance(message, Audio):
        return Sound(_samples(_from_base64(message.data)))
    if isinstance(message, Text):
        if not message.text.strip():
            raise BadMessage("The text is empty.", param="text")
        if len(message.text) > MAX_SAID_CHARS:
            raise BadMessage(f"The text is longer than {MAX_SAID_CHARS} characters.", param="text")
    return message


def parse_binary(frame: bytes) -> Sound:
    """One binary frame. Raises BadMessage for a foreign header, BadAudio for half a sample."""
    if len(frame) < _CLIENT_HEADER.size:
        raise BadMessage("A binary frame starts with a header of 16 bytes.")
    kind, _sequence, _captured = _CLIENT_HEADER.unpack_from(frame)
    if kind != CLIENT_AUDIO:
        raise BadMessage(f"Binary frames of kind {kind} are unknown.")
    return Sound(_samples(frame[_CLIENT_HEADER.size :]))


def _reason(error: Exception) -> str:
    """What was wrong, without what was said."""
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    return "it is not JSON."


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadAudio("The audio is not base64.") from error


def _samples(content: bytes) -> bytes:
    if len(content) % 2:
        raise BadAudio("The audio ends in half a sample: it must be 16-bit.")
    return content


def binary_audio(pcm: Pcm, *, generation: int, position: int) -> bytes:
    """A binary frame of a reply's sound."""
    return _SERVER_HEADER.pack(SERVER_AUDIO, generation, position, pcm.rate_hz) + pcm.samples


def client_audio(samples: bytes, *, sequence: int, captured: float = 0.0) -> bytes:
    """A binary frame as a client sends it."""
    return _CLIENT_HEADER.pack(CLIENT_AUDIO, sequence, captured) + samples


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """The `data` of one server message; the class names its type."""

    type: ClassVar[str]


class Ready(Event, frozen=True, rename="camel"):
    """The conversation can begin."""

    type: ClassVar[str] = "ready"
    session_id: str
    conversation_id: str
    conversation_detail_id: str
    agent_id: str
    agent_name: str
    channel: str
    input_rate: int
    output_rate: int
    encoding: str = "pcm_s16le"
    binary: bool = False


class State(Event, frozen=True, rename="camel"):
    """What the agent does now: `waking`, `listening`, `thinking` or `speaking`."""

    type: ClassVar[str] = "state"
    state: str


class Transcript(Event, frozen=True, rename="camel"):
    """What was heard of the person. A final one is stored; one that is not may change and comes again."""

    type: ClassVar[str] = "transcript"
    text: str
    final: bool
    turn: int | None = None


class AgentResponse(Event, frozen=True, rename="camel"):
    """What the agent says: the whole text of the reply so far. The final one is stored, and is what was heard where it was interrupted."""

    type: ClassVar[str] = "agent_response"
    text: str
    final: bool
    generation: int
    interrupted: bool = False
    turn: int | None = None


class AudioChunk(Event, frozen=True, rename="camel"):
    """A piece of the reply's sound, for clients that do not take binary frames."""

    type: ClassVar[str] = "audio_chunk"
    audio_base64: str
    rate: int
    generation: int
    position_ms: int


class Interrupted(Event, frozen=True, rename="camel"):
    """The reply of this generation is silent from now on; drop what is left of its sound."""

    type: ClassVar[str] = "interrupted"
    generation: int


class Error(Event, frozen=True, rename="camel"):
    """Something went wrong; the conversation goes on unless the socket closes."""

    type: ClassVar[str] = "error"
    message: str
    code: str


class Complete(Event, frozen=True, rename="camel"):
    """The conversation is over; the socket closes next."""

    type: ClassVar[str] = "complete"
    conversation_id: str
    reason: str
    turns: int


EVENTS: tuple[type[Event], ...] = (Ready, State, Transcript, AgentResponse, AudioChunk, Interrupted, Error, Complete)

_encoder = msgspec.json.Encoder()


def serialise(event: Event, *, timestamp_ms: int) -> str:
    """One text frame."""
    return _encoder.encode({"type": event.type, "data": event, "timestamp": timestamp_ms}).decode()


def audio_chunk(pcm: Pcm, *, generation: int, position: int) -> AudioChunk:
    """A reply's sound as a message; `position` counts samples since the reply began."""
    return AudioChunk(
        audio_base64=base64.b64encode(pcm.samples).decode(),
        rate=pcm.rate_hz,
        generation=generation,
        position_ms=position * 1000 // pcm.rate_hz,
    )


def parse_event(frame: str | bytes) -> tuple[str, dict[str, Any]]:
    """A server message as a client reads it: its type and its data, keys as on the wire. Raises BadMessage."""
    try:
        message = msgspec.json.decode(frame)
        return str(message["type"]), dict(message["data"])
    except (msgspec.MsgspecError, RecursionError, UnicodeError, KeyError, TypeError, ValueError) as error:
        raise BadMessage("The server sent something that is no message of this protocol.") from error


def parse_binary_audio(frame: bytes) -> tuple[Pcm, int, int]:
    """A binary server frame as a client reads it: the sound, its generation, its position. Raises BadMessage or BadAudio."""
    if len(frame) < _SERVER_HEADER.size:
        raise BadMessage("A binary frame starts with a header of 16 bytes.")
    kind, generation, position, rate_hz = _SERVER_HEADER.unpack_from(frame)
    if kind != SERVER_AUDIO or not rate_hz:
        raise BadMessage(f"Binary frames of kind {kind} are unknown.")
    return Pcm(_samples(frame[_SERVER_HEADER.size :]), rate_hz), generation, position


def sound_of(chunk: AudioChunk) -> Pcm:
    """The sound of an `audio_chunk` as a client reads it. Raises BadAudio."""
    return Pcm(_samples(_from_base64(chunk.audio_base64)), chunk.rate)
