"""What the server says on `/voice-conversation`. Pure.

Every message is `{"type": …, "data": {…}, "timestamp": <milliseconds since 1970>}`; where the address says `sequence=1`, those of a session also have a
`"sequence"`, which counts them from 1 without gaps and goes on when the session is resumed. What belongs to one connection alone has none: `audio_chunk`,
`queue`, `resumed`, and an `error` that refuses a connection.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from voicemind.channels.browser import frames
from voicemind.errors import BadMessage
from voicemind.speech.audio import Pcm


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
    """Of the sound that is expected, in hertz."""
    output_rate: int
    """Of the agent's voice, in hertz; each piece of sound names its own."""
    encoding: str = "pcm_s16le"
    binary: bool = False
    secret: str = ""
    """With the session's id, and kept as carefully as a key, it lets a client resume."""
    resumable_for_s: float = 0.0
    """How long the session waits for its client after a lost connection."""
    recording: bool = False
    """Whether what is said is recorded: only where whoever opened the conversation agreed."""


class State(Event, frozen=True, rename="camel"):
    """What the agent does now: `waking`, `listening`, `thinking` or `speaking`."""

    type: ClassVar[str] = "state"
    state: str


class Transcript(Event, frozen=True, rename="camel"):
    """What was heard of the person. A final one is stored; one that is not may change and comes again. `id` is that of the typed message."""

    type: ClassVar[str] = "transcript"
    text: str
    final: bool
    turn: int | None = None
    id: str = ""


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
    """In hertz."""
    generation: int
    """Which reply: they are counted from 1."""
    position_ms: int
    """Where in the reply it begins, in milliseconds."""


class Interrupted(Event, frozen=True, rename="camel"):
    """The reply of this generation is silent; drop what is left of its sound. `heard` is what the person has heard of it.

    After a false alarm its sound may go on, at the position where it was cut.
    """

    type: ClassVar[str] = "interrupted"
    generation: int
    heard: str = ""


class Ducked(Event, frozen=True, rename="camel"):
    """Play the reply of this generation softly (`gain`, 0 to 1), because the person may be speaking; or as loud as before (1)."""

    type: ClassVar[str] = "ducked"
    generation: int
    gain: float


class Heard(Event, frozen=True, rename="camel"):
    """How a reply ended, once it is stored: what the person heard of it, and what they did not."""

    type: ClassVar[str] = "heard"
    generation: int
    turn: int
    text: str
    unheard: str
    """What the agent had still wanted to say."""
    interrupted: bool


class ToolCall(Event, frozen=True, rename="camel"):
    """The agent uses a tool."""

    type: ClassVar[str] = "tool_call"
    call_id: str
    tool_name: str
    arguments: str
    status: Literal["running", "ok", "error"]
    ms: float = 0.0
    """How long it has taken, in milliseconds."""


class Timed(Event, frozen=True, rename="camel"):
    """Where the time of a reply went, in milliseconds since the person had finished: `endpoint`, `heard`, `thought_first`, `spoke_first`; `early` is 1 where it was thought of early."""

    type: ClassVar[str] = "metrics"
    generation: int
    timings_ms: Mapping[str, float]


class Acknowledged(Event, frozen=True, rename="camel"):
    """The message with this id had arrived before; it counts once."""

    type: ClassVar[str] = "ack"
    id: str


class Queued(Event, frozen=True, rename="camel"):
    """All places are taken: `position` is 1 for who comes next. `ready` follows, or an error and close code 1013."""

    type: ClassVar[str] = "queue"
    position: int
    waited_s: float
    """For how long this client has waited, in seconds."""


class Resumed(Event, frozen=True, rename="camel"):
    """The session goes on; the `missed` messages after the one that was named follow, in order, each once."""

    type: ClassVar[str] = "resumed"
    session_id: str
    conversation_id: str
    missed: int
    """How many messages follow that were said meanwhile."""
    state: str


class Draining(Event, frozen=True, rename="camel"):
    """The server stops within `within_s` seconds: what is being said is finished; connect again then."""

    type: ClassVar[str] = "draining"
    within_s: float


class Error(Event, frozen=True, rename="camel"):
    """Something went wrong; the conversation goes on unless the socket closes."""

    type: ClassVar[str] = "error"
    message: str
    """For people."""
    code: str
    """For programs: it stays the same."""


class Complete(Event, frozen=True, rename="camel"):
    """The conversation is over; the socket closes next."""

    type: ClassVar[str] = "complete"
    conversation_id: str
    reason: str
    """`end`, `idle`, `length`, `gone`, `replaced` or `shutdown`."""
    turns: int
    """How many turns are stored."""


EVENTS: tuple[type[Event], ...] = (
    Ready,
    State,
    Transcript,
    AgentResponse,
    AudioChunk,
    Interrupted,
    Ducked,
    Heard,
    ToolCall,
    Timed,
    Acknowledged,
    Queued,
    Resumed,
    Draining,
    Error,
    Complete,
)

_encoder = msgspec.json.Encoder()


def serialise(event: Event, *, timestamp_ms: int, sequence: int | None = None) -> str:
    """One text frame."""
    frame = encoded(event, timestamp_ms=timestamp_ms)
    return frame.decode() if sequence is None else numbered(frame, sequence)


def encoded(event: Event, *, timestamp_ms: int) -> bytes:
    """A message as it is kept: without a number."""
    return _encoder.encode({"type": event.type, "data": event, "timestamp": timestamp_ms})


def numbered(frame: bytes, sequence: int) -> str:
    """The text frame of a message with its number."""
    return f'{frame[:-1].decode()},"sequence":{sequence}}}'


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


def sound_of(chunk: AudioChunk) -> Pcm:
    """The sound of an `audio_chunk` as a client reads it. Raises BadAudio."""
    return Pcm(frames.from_base64(chunk.audio_base64), chunk.rate)
