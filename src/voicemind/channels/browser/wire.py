"""What a client may say on `/voice-conversation`: JSON messages, and binary frames of sound. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from voicemind.channels.browser import frames
from voicemind.conversation.opening import MAX_SAID_CHARS
from voicemind.errors import BadMessage

MAX_FRAME_BYTES = 256 * 1024

MessageId = Annotated[str, Meta(max_length=64)]
Count = Annotated[int, Meta(ge=0, le=2**53)]


class Text(msgspec.Struct, tag_field="type", tag="text", frozen=True):
    """The person typed something. A message with an `id` can be sent again after a lost connection: it counts once, and is acknowledged each time."""

    text: str
    id: MessageId = ""


class Audio(msgspec.Struct, tag_field="type", tag="audio", frozen=True):
    """A piece of what the microphone hears: base64 of 16 kHz samples. Where no more comes in the middle of a sentence, silence is assumed."""

    data: str
    """Base64 of 16-bit little-endian mono samples."""


class Interrupt(msgspec.Struct, tag_field="type", tag="interrupt", frozen=True):
    """Stop talking. Answered with `interrupted`, each time."""


class End(msgspec.Struct, tag_field="type", tag="end", frozen=True):
    """The conversation is over. Answered with `complete` once everything is stored."""


class Played(msgspec.Struct, tag_field="type", tag="played", frozen=True):
    """How much of a reply has left the loudspeaker, in milliseconds since the reply began."""

    generation: int
    """Which reply."""
    ms: float
    """In milliseconds."""


class Ack(msgspec.Struct, tag_field="type", tag="ack", frozen=True):
    """Everything up to this sequence number has arrived and need not be kept for a resumption."""

    sequence: Count


class Resume(msgspec.Struct, tag_field="type", tag="resume", frozen=True):
    """The first message on a socket whose address says `resume=1`: go on with this session after that message. Answered with `resumed`."""

    session_id: Annotated[str, Meta(max_length=64)] = msgspec.field(name="sessionId")
    secret: Annotated[str, Meta(max_length=128)]
    sequence: Count = 0


class Metrics(msgspec.Struct, tag_field="type", tag="metrics", frozen=True):
    """What the client measured since its last report: how often its buffer ran dry, and for how many milliseconds in all."""

    underruns: Annotated[int, Meta(ge=0, le=10_000)] = 0
    gap_ms: Annotated[float, Meta(ge=0, le=600_000)] = msgspec.field(default=0.0, name="gapMs")


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples from the client, whichever way they came: 16-bit little-endian mono at 16 kHz."""

    samples: bytes


_Written = Text | Audio | Interrupt | End | Played | Ack | Resume | Metrics
ClientMessage = Text | Sound | Interrupt | End | Played | Ack | Resume | Metrics
MESSAGES: tuple[type[msgspec.Struct], ...] = (Text, Audio, Interrupt, End, Played, Ack, Resume, Metrics)
_decoder: msgspec.json.Decoder[_Written] = msgspec.json.Decoder(_Written)


def parse_text(frame: str) -> ClientMessage:
    """One text frame. Raises BadMessage for what is no message, BadAudio for sound that is none."""
    try:
        message = _decoder.decode(frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(f"This message cannot be used: {_reason(error)}") from error
    if isinstance(message, Audio):
        return Sound(frames.from_base64(message.data))
    if isinstance(message, Text):
        if not message.text.strip():
            raise BadMessage("The text is empty.", param="text")
        if len(message.text) > MAX_SAID_CHARS:
            raise BadMessage(f"The text is longer than {MAX_SAID_CHARS} characters.", param="text")
    return message


def parse_binary(frame: bytes) -> Sound:
    """One binary frame. Raises BadMessage for a foreign header, BadAudio for half a sample."""
    return Sound(frames.parse_client_audio(frame))


def _reason(error: Exception) -> str:
    """What was wrong, without what was said."""
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    return "it is not JSON."
