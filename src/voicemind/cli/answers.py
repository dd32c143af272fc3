"""What a server's answers mean to a client: events of the socket, results and refusals of the HTTP endpoints. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from voicemind.channels.browser import events, frames
from voicemind.errors import (
    BadMessage,
    BadRequest,
    Busy,
    ConversationOver,
    Forbidden,
    ProviderUnavailable,
    Unauthenticated,
    UnknownAgent,
    UnknownConversation,
    UnknownMeeting,
    UnknownMind,
    UnknownUser,
    VoicemindError,
)
from voicemind.speech.audio import Pcm

SERVICE = "voicemind"
PASSING = frozenset({"engine_changed", "bad_message", "rate_limited", "recording_stopped"})
"""Codes of errors after which the answer still comes, unless the socket closes."""
_EVENTS: Mapping[str, type[events.Event]] = {event.type: event for event in events.EVENTS}
_Shape = TypeVar("_Shape")
_UNKNOWN: Mapping[str, tuple[type[VoicemindError], str]] = {
    error.code: (error, f" `{listing}` shows which there are.")
    for error, listing in (
        (UnknownMind, "voicemind minds list"),
        (UnknownConversation, "voicemind conversations list"),
        (UnknownMeeting, "voicemind meetings list"),
        (UnknownUser, "voicemind users list"),
    )
}
"""What a code of a 404 means, and where to look; an unknown agent's answer names the agents itself."""


@dataclass(frozen=True, slots=True)
class ReplySound:
    """A piece of a reply's sound, however it travelled; `position` counts samples since the reply began."""

    pcm: Pcm
    generation: int
    position: int


ServerEvent = events.Event | ReplySound
"""Everything a socket gives: the classes of `events.EVENTS` but AudioChunk, which arrives as ReplySound."""


class Health(msgspec.Struct, frozen=True):
    """`GET /healthz`."""

    service: str
    version: str = "?"


class Readiness(msgspec.Struct, frozen=True):
    """`GET /readyz`: `ready`, `loading`, or the code of what stands in the way."""

    status: str


class OpenedConversation(msgspec.Struct, frozen=True, rename="camel"):
    """`POST /api/voice-sessions`: a conversation that waits for its socket at `ws_url`."""

    conversation_id: str
    ws_url: str
    agent_id: str = ""


class Remembered(msgspec.Struct, frozen=True):
    """`POST /api/elevenlabs/end`: how a conversation ended; `before` and `after` are the mind's blocks as text.

    With the status `pending` the reflection still runs on the server, and the rest is empty.
    """

    status: str = "pending"
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    reflection_notes: str = ""
    transcript_length: int = 0
    reflection_status: str = ""
    operations: list[Any] = []

    @property
    def is_pending(self) -> bool:
        """Whether the reflection still runs."""
        return self.status == "pending"

    def news(self) -> dict[str, list[str]]:
        """The lines that each block has now and had not before, without their bullets; blocks without news are left out.

        >>> Remembered("success", before={"memory": "[nothing yet]"}, after={"memory": "- Has a cat.", "goals": ""}).news()
        {'memory': ['Has a cat.']}
        """
        found: dict[str, list[str]] = {}
        for label, text in self.after.items():
            known = set(self.before.get(label, "").splitlines())
            lines = [
                line.strip().removeprefix("- ") for line in text.splitlines() if line.strip() and line not in known
            ]
            if lines:
                found[label] = lines
        return found


class _ErrorObject(msgspec.Struct, frozen=True):
    message: str = ""
    code: str | None = None


class _ErrorBody(msgspec.Struct, frozen=True):
    """Both forms of an error: `error` is a sentence or code beside a `detail`, or an object with a `message`."""

    error: str | _ErrorObject = ""
    detail: str = ""


class _Numbered(msgspec.Struct, frozen=True):
    sequence: int | None = None


def event_of(frame: str | bytes) -> ServerEvent | None:
    """One frame of the socket; None for a kind that this client does not know. Raises BadMessage or BadAudio."""
    if isinstance(frame, bytes):
        pcm, generation, position = frames.parse_server_audio(frame)
        return ReplySound(pcm, generation, position)
    kind, content = events.parse_event(frame)
    if kind not in _EVENTS:
        return None
    try:
        event = msgspec.convert(content, _EVENTS[kind])
    except msgspec.ValidationError as error:
        raise BadMessage(f"The server's {kind} message lacks what it should hold.") from error
    if isinstance(event, events.AudioChunk):
        return ReplySound(events.sound_of(event), event.generation, event.position_ms * event.rate // 1000)
    return event


def sequence_of(frame: str | bytes) -> int | None:
    """The number of a frame that `event_of` could read; None for one that has none."""
    return None if isinstance(frame, bytes) else msgspec.json.decode(frame, type=_Numbered).sequence


def decoded(content: bytes, shape: type[_Shape]) -> _Shape:
    """An answer's body. Raises BadMessage for one that is something else."""
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadMessage("The server's answer is not what it should be. Is it another version of Voicemind?") from error


def refusal(status: int, content: bytes) -> VoicemindError:
    """The error behind an answer that is none of the 2xx: a mistake of ours for 4xx, else trouble at the server."""
    code, message = _sentence(status, content)
    mistakes: dict[int, type[VoicemindError]] = {403: Forbidden, 404: UnknownAgent, 409: ConversationOver}
    if status == 401:
        return Unauthenticated(f"{message.rstrip('.')}. Set VOICEMIND_API_KEY to a key of this server.")
    if status == 404 and code in _UNKNOWN:
        unknown, hint = _UNKNOWN[code]
        return unknown(f"{message[:1].upper()}{message[1:].rstrip('.')}.{hint}")
    if status == 503:
        return Busy(message, retry_after_s=10)
    if 400 <= status < 500:
        return mistakes.get(status, BadRequest)(message)
    return ProviderUnavailable(message, provider=SERVICE)


def _sentence(status: int, content: bytes) -> tuple[str, str]:
    """The code and the sentence."""
    try:
        body = msgspec.json.decode(content, type=_ErrorBody)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        body = _ErrorBody()
    plain = body.error if isinstance(body.error, _ErrorObject) else _ErrorObject(body.error, code=body.error)
    return plain.code or "", body.detail or plain.message or f"The server answered with status {status}."
