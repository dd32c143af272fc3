"""Whose turn is it? The decisions of a spoken conversation, without any waiting.

    listening ─SpeechStarted─▶ hearing ─SpeechEnded─▶ recognising ─words: Keep, Think─▶ thinking ─ReplySounding─▶ speaking ─ReplyEnded─▶ listening
    hearing ─the words of a pause: ThinkEarly─▶ thinking early ─the same words: Keep, Release─▶ thinking
                                                thinking early ─speech goes on, other words: Forget─▶ hearing
    thinking ─SpeechStarted: Hold─▶ suspecting ─nothing said, assent: GoOn─▶ thinking
                                    suspecting ─words: Hush, Keep, Think─▶ thinking
    thinking ─ToolStarted─▶ tool running ─ToolEnded─▶ thinking
    speaking ─SpeechStarted: Duck─▶ ducked ─it dies away, assent: Duck back─▶ speaking
                                    ducked ─words, much speech: Hold─▶ hushed ─nothing said, assent: GoOn─▶ speaking
                                                                       hushed ─words: GiveUp, Keep, Think─▶ thinking
    listening ─nobody says anything: SpeakUp─▶ thinking … speaking ─ReplyEnded─▶ silence (as listening, but no SpeakUp again)
    speaking ─assent over the end of a question, ReplyEnded: Keep, Think─▶ thinking
    thinking early ─Interrupted: Forget, Hush─▶ recognising ─words: Keep─▶ listening    ─ReplyEnded (it failed)─▶ recognising
    every state ─Interrupted: Hush─▶ listening    ─Typed: Hush, Keep, Think─▶ thinking    ─Leaving: Hush─▶ leaving

    Typed words start a reply from every state; a reply that still runs is hushed first. Words that are recognised while the person already speaks on are
    kept without a reply of their own: the reply to what follows answers both, even where what follows has no words (a cough). Words that come while a tool
    runs are kept and answered when it has ended: what it does is not cut in half. While nobody can hear (Away) every reply is held. Leaving is possible
    from every state and final: words that are still being recognised are kept, nothing is said any more.

Two things are kept apart: the person's utterance (`voice.py`) and the reply (`Phase`). Whether the reply sounds, sounds softer or is held follows from both,
so after each happening the difference to how it was is commanded. Replies carry numbers: cancelling is a request, not an instant, so a reply that was given
up may still report something, which then no longer counts.
"""

from __future__ import annotations

from typing import assert_never

from voicemind.engines.cascade import happenings as on
from voicemind.engines.cascade.asides import Asides, still_kept
from voicemind.engines.cascade.endpoint import Endpoint
from voicemind.engines.cascade.posture import Posture
from voicemind.engines.cascade.state import Phase, State, TurnLimits, state_of
from voicemind.engines.cascade.voice import Contest, Voice, contest
from voicemind.engines.cascade.words import Assent, plain, same_words


class TurnMachine:
    """Feed it what happened; do what it says, in order. Times are seconds of a clock that never jumps."""

    def __init__(
        self, *, language: str = "en", limits: TurnLimits | None = None, endpoint: Endpoint | None = None
    ) -> None:
        self.reply = 0
        """The number of the newest reply, running or not, let out or not."""
        self.newest = 0
        """The number of the newest reply of which something was let out."""
        self.gives_partials = False
        """Whether the recogniser is known to tell words before the end. It is learned where it is not set."""
        self.phase = Phase.NONE
        self.voice = Voice()
        self._limits = limits or TurnLimits()
        self._assent = Assent(language)
        self._endpoint = endpoint or Endpoint(language)
        self._contest = Contest.NONE
        self._posture, self._asides = Posture(), Asides()
        self._away = self._leaving = False
        self._owed = False
        """Whether something was said that no reply has answered, since the person went on making sounds or a tool ran."""
        self._unrecognised = self._tools = self._tries = 0
        self._supposed, self._prompted = "", False
        self._quiet_since: float | None = None

    @property
    def replying(self) -> bool:
        """Whether a reply is being thought or said, or is held. An early one is none yet."""
        return self.phase in (Phase.THINKING, Phase.SPEAKING)

    @property
    def expects_words(self) -> bool:
        """Whether an utterance is open or being recognised."""
        return self._unrecognised > 0

    @property
    def state(self) -> State:
        """Where in the diagram the conversation is."""
        if self._leaving:
            return State.LEAVING
        return state_of(self.phase, self.voice, self._posture, has_tools=self._tools > 0, prompted=self._prompted)

    @property
    def wake_at(self) -> float | None:
        """When a Tick is due, if nothing happens before."""
        if self._leaving:
            return None
        if self.replying and self._contest is not Contest.NONE and self.voice.wordless and self.gives_partials:
            return self.voice.began_s + self._limits.contest.wordless_s
        if self._idle and self._limits.silence_s and not self._prompted and self._quiet_since is not None:
            return self._quiet_since + self._limits.silence_s
        return None

    def feed(self, happening: on.Happening, *, at_s: float) -> list[on.Command]:
        """What to do about it."""
        if self._leaving:
            return self._on_the_way_out(happening)
        was_idle = self._idle
        commands = [*self._taken(happening, at_s), *self._adjusted()]
        if self._quiet_since is None or not was_idle or not self._idle:
            self._quiet_since = at_s
        return commands

    @property
    def _idle(self) -> bool:
        return self.phase is Phase.NONE and self.voice.quiet and not self._away

    def _taken(self, happening: on.Happening, at_s: float) -> list[on.Command]:  # noqa: PLR0911 - one for each kind of happening
        if isinstance(happening, on.OfSpeech):
            return self._speech(happening, at_s)
        if isinstance(happening, on.OfReply):
            return self._replied(happening, at_s)
        match happening:
            case on.Partial(utterance, text, whole):
                return self._partial(utterance, text.strip(), whole=whole)
            case on.Recognised(utterance, text):
                return self._recognised(utterance, text.strip())
            case on.Typed(text, message_id):
                self.voice.is_older = True
                return [*self._forgotten(), *self._stopped(), on.Keep(text, "text", message_id), self._think()]
            case on.Greeting(text):
                self._asides.greeting = "" if self.replying else text
                return self._greeted()
            case on.Tick():
                return self._ticked(at_s)
            case _:
                return self._asked_for(happening)

    def _asked_for(self, happening: on.Interrupted | on.Away | on.Back | on.Leaving) -> list[on.Command]:
        """What the person or the session wants of the agent."""
        match happening:
            case on.Interrupted():
                self._owed, self._asides.greeting = False, ""
                if self.phase is Phase.EARLY or (self.phase is Phase.NONE and self.voice.awaited):
                    self.voice.dismissed = True
                return [*self._forgotten(), *(self._stopped(final=True) or [on.Hush(0)])]
            case on.Away() | on.Back():
                self._away = isinstance(happening, on.Away)
                return []
            case on.Leaving():
                commands = [*self._forgotten(), *self._stopped(final=True)]
                self._leaving = True
                return commands
            case _:
                assert_never(happening)

    def _on_the_way_out(self, happening: on.Happening) -> list[on.Command]:
        if isinstance(happening, on.Recognised):
            self._unrecognised = max(0, self._unrecognised - 1)
        return still_kept(happening)

    def _speech(self, happening: on.OfSpeech, at_s: float) -> list[on.Command]:
        if not isinstance(happening, on.SpeechStarted):
            self.voice.follow(happening)
            if isinstance(happening, on.SpeechEnded) and not self._tries:
                return self._early()
            return self._forgotten() if isinstance(happening, on.SpeechResumed) else []
        if happening.utterance > self.voice.utterance:
            self.voice.begin(happening.utterance, at_s=at_s, listens=self._aloud)
            self._unrecognised, self._tries = self._unrecognised + 1, 0
        return self._forgotten()

    def _partial(self, utterance: int, text: str, *, whole: bool) -> list[on.Command]:
        if utterance != self.voice.utterance or self.voice.quiet:
            return []
        self.gives_partials = self.gives_partials or bool(plain(text))
        is_new = text != self.voice.words
        self.voice.say(text, whole=whole)
        is_new = is_new and (not self.replying or self._contested() is Contest.CONFIRMED)
        shown: list[on.Command] = [on.ShowWords(text)] if is_new and plain(text) else []
        return [*shown, *self._early()]

    def _early(self) -> list[on.Command]:
        """Think about words that have probably all been said by now."""
        words = self.voice.words
        if self.replying or self._away or not self.voice.is_stable or self._unrecognised != 1 or self.voice.dismissed:
            return []
        if self.phase is Phase.EARLY and same_words(words, self._supposed):
            return []
        forgotten = self._forgotten()
        if self._tries >= self._limits.early_tries or self._endpoint.is_unfinished(words):
            return forgotten
        self.phase, self._supposed, self._tries, self.reply = Phase.EARLY, words, self._tries + 1, self.reply + 1
        return [*forgotten, on.ThinkEarly(self.reply, words)]

    def _forgotten(self) -> list[on.Command]:
        if self.phase is not Phase.EARLY:
            return []
        self.phase = Phase.NONE
        return [on.Forget(self.reply)]

    @property
    def _aloud(self) -> bool:
        """Whether the agent is doing something that a listener may agree to."""
        return self.phase is Phase.SPEAKING or self._tools > 0

    def _recognised(self, utterance: int, text: str) -> list[on.Command]:
        self._unrecognised = max(0, self._unrecognised - 1)
        is_newest = utterance == self.voice.utterance
        if is_newest:
            self.voice.recognised()
        if not plain(text):
            return [*self._forgotten(), *(self._answered() or self._greeted())]
        if self.replying and self._assent.is_all(text, hums=not (self.voice.listens if is_newest else self._aloud)):
            if is_newest and self.phase is Phase.SPEAKING:
                self._asides.agreed(text, self.voice.began_s)
            return []
        self._prompted = False
        keep = on.Keep(text, "speech")
        if self.phase is Phase.EARLY and self.voice.quiet and same_words(text, self._supposed):
            self._let_out()
            return [keep, on.Release(self.reply)]
        if is_newest and self.voice.dismissed and self.phase is Phase.NONE:
            return [keep, *self._answered()]
        self._owed = True
        if self.replying and self._tools:
            return [keep]
        return [*self._forgotten(), *self._stopped(), keep, *self._answered()]

    def _answered(self) -> list[on.Command]:
        """Answer what no reply has answered, unless the person speaks on."""
        return [self._think()] if self._owed and self.phase is Phase.NONE and not self.voice.sounding else []

    def _replied(self, happening: on.OfReply, at_s: float) -> list[on.Command]:
        if happening.reply != self.reply or self.phase is Phase.NONE:
            return []
        match happening:
            case on.ReplyEnded(_, asks, in_vain):
                agreed = self._asides.answer(at_s, within_s=self._limits.answer_s) if asks else []
                self._owed = self._owed or bool(agreed) or (in_vain and self.replying)
                self._at_rest()
                return [*agreed, *self._answered()]
            case on.ReplySounding() if self.replying:
                self.phase = Phase.SPEAKING
            case on.ToolStarted():
                self._tools += 1
            case on.ToolEnded() if self._tools:
                self._tools -= 1
                return [*self._stopped(), *self._answered()] if self._owed and not self._tools else []
            case _:
                pass  # an early reply lets nothing out
        return []

    def _greeted(self) -> list[on.Command]:
        """Greet as soon as nobody makes a sound, and nobody has said anything."""
        text = self._asides.greeting
        if not text or self.phase is not Phase.NONE or not self.voice.quiet:
            return []
        self._next()
        self.phase = Phase.SPEAKING
        return [on.Say(self.reply, text)]

    def _ticked(self, at_s: float) -> list[on.Command]:
        if self.wake_at is None or self._quiet_since is None or at_s < self.wake_at:
            return []
        if self.replying:
            self.voice.is_noise = True
            return []
        self._prompted = True
        self._next()
        return [on.SpeakUp(self.reply, at_s - self._quiet_since)]

    def _think(self) -> on.Think:
        self._prompted = False
        self._next()
        return on.Think(self.reply)

    def _next(self) -> None:
        self.reply += 1
        self._let_out()

    def _let_out(self) -> None:
        self._at_rest()
        self._owed, self._asides.greeting = False, ""
        self.phase, self.newest = Phase.THINKING, self.reply

    def _at_rest(self) -> None:
        self.phase, self._tools = Phase.NONE, 0
        self._asides.disagreed()
        self._posture.reset()

    def _stopped(self, *, final: bool = False) -> list[on.Command]:
        """Give up the reply that runs; `final`: tell the client once more, even where it is silent already."""
        if not self.replying:
            return []
        was_silenced = self._posture.held_aloud and not final
        self._at_rest()
        return [on.GiveUp(self.reply) if was_silenced else on.Hush(self.reply)]

    def _contested(self) -> Contest:
        """How far the person contends for the turn; what was confirmed stays so until it comes to nothing."""
        return contest(self.voice, self._assent, self._limits.contest, before=self._contest)

    def _adjusted(self) -> list[on.Command]:
        """Have the reply sound as it should by now; one that is to be given up once its tool has ended waits."""
        self._contest = self._contested() if self.replying else Contest.NONE
        if not self.replying:
            return []
        is_aloud, must_wait = self.phase is Phase.SPEAKING, self._away or self._owed
        return [*self._posture.adjust(self.reply, self._contest, is_aloud=is_aloud, must_wait=must_wait)]
