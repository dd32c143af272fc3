"""Whose turn is it? The decisions of a spoken conversation, without any waiting.

    listening ──SpeechStarted──▶ hearing ──SpeechEnded──▶ recognising ──Recognised──▶ thinking ──ReplySounding──▶ speaking
        ▲                           ▲                          │ (nothing said)            │                          │
        └───────────────────────────┼──────────────────────────┘                           │                          │
        ▲                           └──────────── SpeechStarted: hush ─────────────────────┴──────────────────────────┤
        └──────────────────────── ReplyEnded, Interrupt: hush ────────────────────────────────────────────────────────┘

    Typed words start a reply from every state; a reply that still runs is hushed first. Words that are recognised while the person
    already speaks on are kept without a reply of their own: the reply to what follows answers both, even where what follows has no words
    (a cough). Words that come when a reply has begun without them start another one. Leaving is possible from every
    state and final: words that are still being recognised are kept, nothing is said any more.

Replies carry numbers: cancelling is a request, not an instant, so a hushed reply may still report something, which then no longer counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from voicemind.store.values import Modality


class State(Enum):
    """What is going on; the names are those of the diagram."""

    LISTENING = "listening"
    HEARING = "hearing"
    RECOGNISING = "recognising"
    THINKING = "thinking"
    SPEAKING = "speaking"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The person began to speak."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The person has been silent long enough to have finished."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """The words of the utterance that ended; empty where there were none."""

    text: str


@dataclass(frozen=True, slots=True)
class Typed:
    """The person wrote something; `message_id` is the client's own name for it."""

    text: str
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Greeting:
    """The agent is to say this unasked."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplySounding:
    """The first sound or text of a reply is out."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """A reply is over: said and heard to its end, or failed."""

    reply: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The person asked for silence."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """The person is going: no more replies."""


Happening = (
    SpeechStarted | SpeechEnded | Recognised | Typed | Greeting | ReplySounding | ReplyEnded | Interrupted | Leaving
)


@dataclass(frozen=True, slots=True)
class Keep:
    """Store what the person said."""

    text: str
    modality: Modality
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Think:
    """Reply to the conversation as it stands."""

    reply: int


@dataclass(frozen=True, slots=True)
class Say:
    """Say these words."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class Hush:
    """Stop this reply (0: there is none) and tell the client."""

    reply: int


Command = Keep | Think | Say | Hush


class TurnMachine:
    """Feed it what happened; do what it says, in order."""

    def __init__(self) -> None:
        self.state = State.LISTENING
        self.reply = 0
        """The number of the newest reply, running or not."""
        self._owed = False
        """Whether something was said that no reply has answered, since the person went on making sounds."""

    @property
    def replying(self) -> bool:
        """Whether a reply is being thought or said."""
        return self.state in (State.THINKING, State.SPEAKING)

    def feed(self, happening: Happening) -> list[Command]:  # noqa: PLR0911 - one for each kind of happening
        """What to do about it."""
        if self.state is State.LEAVING:
            return self._on_the_way_out(happening)
        match happening:
            case SpeechStarted() | SpeechEnded() | Recognised():
                return self._spoken(happening)
            case ReplySounding() | ReplyEnded():
                return self._replied(happening)
            case Typed(text, message_id):
                return [*self._hushed(), Keep(text, "text", message_id), self._think()]
            case Greeting(text):
                return self._greet(text)
            case Interrupted():
                return self._interrupted()
            case Leaving():
                return [*self._hushed(), *self._become(State.LEAVING)]
            case _:
                assert_never(happening)

    def _spoken(self, happening: SpeechStarted | SpeechEnded | Recognised) -> list[Command]:
        match happening:
            case SpeechStarted():
                self._owed = self._owed or self.state is State.THINKING
                return [*self._hushed(), *self._become(State.HEARING)]
            case SpeechEnded():
                return self._become(State.RECOGNISING) if self.state is State.HEARING else []
            case Recognised(text):
                return self._recognised(text)

    def _replied(self, happening: ReplySounding | ReplyEnded) -> list[Command]:
        if not self.replying or happening.reply != self.reply:
            return []
        return self._become(State.SPEAKING if isinstance(happening, ReplySounding) else State.LISTENING)

    def _on_the_way_out(self, happening: Happening) -> list[Command]:
        match happening:
            case Recognised(text) if text:
                return [Keep(text, "speech")]
            case Typed(text, message_id):
                return [Keep(text, "text", message_id)]
            case Interrupted():
                return [Hush(0)]
            case _:
                return []

    def _become(self, state: State) -> list[Command]:
        self.state = state
        return []

    def _think(self) -> Think:
        self.reply += 1
        self._owed = False
        self.state = State.THINKING
        return Think(self.reply)

    def _hushed(self) -> list[Command]:
        return [Hush(self.reply)] if self.replying else []

    def _recognised(self, text: str) -> list[Command]:
        keep: list[Command] = [Keep(text, "speech")] if text else []
        match self.state:
            case State.HEARING:  # the person speaks on: the reply to what follows answers this too
                self._owed = self._owed or bool(text)
                return keep
            case State.RECOGNISING:
                return [*keep, self._think()] if text or self._owed else self._become(State.LISTENING)
            case _:  # a reply has begun without these words, or typed ones came first
                return [*self._hushed(), *keep, self._think()] if text else []

    def _greet(self, text: str) -> list[Command]:
        if self.state is not State.LISTENING:
            return []
        self.reply += 1
        self.state = State.SPEAKING
        return [Say(self.reply, text)]

    def _interrupted(self) -> list[Command]:
        if not self.replying:
            return [Hush(0)]
        self._owed = False
        self.state = State.LISTENING
        return [Hush(self.reply)]
