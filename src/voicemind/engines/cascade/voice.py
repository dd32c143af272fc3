"""What is known of the person's newest utterance, and how likely it is that they want to take the turn with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from voicemind.engines.cascade.happenings import (
    OfSpeech,
    SpeechEnded,
    SpeechLasting,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voicemind.engines.cascade.words import Assent, plain


class Contest(Enum):
    """Whether the person contends with the agent for the turn."""

    NONE = "none"
    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class ContestLimits:
    """`confirm_ms` of speech whose words are no assent, or `long_ms` of speech whose words are not known, take the turn.

    Speech in which no word was found for `wordless_s` takes it no longer: it is a noise.
    """

    confirm_ms: int = 300
    long_ms: int = 1200
    wordless_s: float = 4.0


@dataclass(slots=True)
class Voice:
    """The newest utterance. `sounding` until it ends, then `awaited` until it is recognised; neither: the person is quiet."""

    utterance: int = 0
    sounding: bool = False
    awaited: bool = False
    paused: bool = False
    speech_ms: int = 0
    words: str = ""
    """The newest partial."""
    whole: bool = False
    """Whether `words` has everything that was said."""
    times: int = 0
    """How often these words came, in a row, within one pause."""
    began_s: float = 0.0
    is_noise: bool = False
    wordless: bool = False
    """Whether the recogniser was asked and found no words."""
    listens: bool = False
    """Whether it began while the agent spoke, or used a tool: then assent is a listener's sound, else an answer."""
    is_older: bool = False
    """Whether it began before something was typed, so that it does not contend with the answer to that."""
    dismissed: bool = False
    """Whether it is not to be answered."""

    def begin(self, utterance: int, *, at_s: float, listens: bool = False) -> None:
        """Another utterance: nothing of the one before counts any longer."""
        self.utterance, self.sounding, self.awaited, self.paused = utterance, True, False, False
        self.speech_ms, self.words, self.whole, self.times = 0, "", False, 0
        self.began_s, self.is_noise, self.wordless = at_s, False, False
        self.listens, self.is_older, self.dismissed = listens, False, False

    def follow(self, happening: OfSpeech) -> None:
        """It goes on, pauses or ends. What is told of an older utterance does not count."""
        if happening.utterance != self.utterance or not self.sounding:
            return
        match happening:
            case SpeechLasting(_, ms):
                self.speech_ms = ms
            case SpeechPaused(_, ms):
                self.paused, self.speech_ms, self.times = True, ms, 0
            case SpeechResumed():
                self.paused = self.whole = self.dismissed = False
            case SpeechEnded():
                self.sounding, self.awaited = False, True
            case SpeechStarted():
                pass
            case _:
                assert_never(happening)

    def recognised(self) -> None:
        """The person is quiet."""
        self.sounding = self.awaited = self.paused = False

    def say(self, words: str, *, whole: bool) -> None:
        """A partial came."""
        self.times = self.times + 1 if self.paused and words == self.words else 1
        self.words, self.whole = words, whole
        self.wordless = not plain(words)
        self.is_noise = self.is_noise and self.wordless

    @property
    def is_stable(self) -> bool:
        """Whether the person is silent and these are probably all of their words: they are whole, came twice, or were enough to end the utterance."""
        return self.paused and (self.whole or self.times > (0 if self.awaited else 1)) and bool(plain(self.words))

    @property
    def quiet(self) -> bool:
        """Whether nothing of it is open."""
        return not (self.sounding or self.awaited)


def contest(voice: Voice, assent: Assent, limits: ContestLimits, *, before: Contest = Contest.NONE) -> Contest:
    """What this utterance means for a reply that runs; what was confirmed `before` is not suspected again."""
    if voice.quiet or voice.is_noise or voice.is_older:
        return Contest.NONE
    is_assent = assent.is_all(voice.words, hums=not voice.listens)
    if not is_assent and (voice.speech_ms >= limits.confirm_ms or (voice.paused and voice.whole)):
        return Contest.CONFIRMED
    if voice.speech_ms >= limits.long_ms and not plain(voice.words) and not voice.whole:
        return Contest.CONFIRMED
    if voice.paused and is_assent and (voice.whole or voice.speech_ms < limits.confirm_ms):
        return Contest.NONE
    return Contest.CONFIRMED if before is Contest.CONFIRMED else Contest.SUSPECTED
