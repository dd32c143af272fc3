"""The words of turn-taking: what can happen in a spoken conversation, and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass

from voicemind.store.values import Modality


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The person makes sounds of speech: utterance `utterance` begins. Numbers rise."""

    utterance: int


@dataclass(frozen=True, slots=True)
class SpeechLasting:
    """This utterance has `ms` milliseconds of speech in it by now, pauses aside."""

    utterance: int
    ms: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The person is silent, perhaps to breathe, after `ms` milliseconds of speech."""

    utterance: int
    ms: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """The person speaks on in the same utterance."""

    utterance: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The person has been silent long enough to have finished."""

    utterance: int


@dataclass(frozen=True, slots=True)
class Partial:
    """The words of an utterance so far. `whole` says that nothing was said since that they do not have."""

    utterance: int
    text: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Recognised:
    """The words of an utterance that ended; empty where there were none."""

    utterance: int
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
    """A reply is over: said and heard to its end, or failed.

    `asks`: its last words are a question. `in_vain`: it failed before anything of it was let out, so that another one may do better.
    """

    reply: int
    asks: bool = False
    in_vain: bool = False


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A reply uses a tool."""

    reply: int


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """A tool that a reply used has answered, or failed."""

    reply: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The person asked for silence."""


@dataclass(frozen=True, slots=True)
class Away:
    """Nobody can hear."""


@dataclass(frozen=True, slots=True)
class Back:
    """Somebody listens again."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Nothing but time has passed."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """The person is going: no more replies."""


OfSpeech = SpeechStarted | SpeechLasting | SpeechPaused | SpeechResumed | SpeechEnded
OfReply = ReplySounding | ReplyEnded | ToolStarted | ToolEnded
Happening = OfSpeech | Partial | Recognised | Typed | Greeting | OfReply | Interrupted | Away | Back | Tick | Leaving


@dataclass(frozen=True, slots=True)
class ShowWords:
    """Show what the person has said so far."""

    text: str


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
class ThinkEarly:
    """Begin a reply to the conversation as if the person had just said `text`, and let nothing of it out."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class Release:
    """The person did say what the early reply supposed: let it out."""

    reply: int


@dataclass(frozen=True, slots=True)
class Forget:
    """Give an early reply up, without a trace."""

    reply: int


@dataclass(frozen=True, slots=True)
class SpeakUp:
    """Begin a reply to `silence_s` seconds in which nobody said anything."""

    reply: int
    silence_s: float


@dataclass(frozen=True, slots=True)
class Say:
    """Say these words."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class Duck:
    """Let a reply sound softer, or as loud as before."""

    reply: int
    is_soft: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """Stop the sound of a reply that may yet go on. `is_shown` where some of it is out: then tell the client."""

    reply: int
    is_shown: bool


@dataclass(frozen=True, slots=True)
class GoOn:
    """Let a held reply sound from where it was cut."""

    reply: int


@dataclass(frozen=True, slots=True)
class Hush:
    """Stop this reply for good (0: there is none), keep what was heard of it, and tell the client."""

    reply: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A reply that is held already does not go on: keep what was heard of it."""

    reply: int


Command = ShowWords | Keep | Think | ThinkEarly | Release | Forget | SpeakUp | Say | Duck | Hold | GoOn | Hush | GiveUp
