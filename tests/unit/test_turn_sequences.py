"""The turn machine under everything that can happen, in every order, with replies that answer its commands late."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voicemind.engines.cascade import happenings as on
from voicemind.engines.cascade.state import Phase, State
from voicemind.engines.cascade.turn import TurnMachine

TEXTS = st.sampled_from(["", "(coughs)", "mhm", "Yeah, right.", "No, wait.", "I live in Oslo", "I live in Oslo."])
LENGTHS = st.sampled_from([96, 200, 320, 1300])
SAID = ("No, wait.", "I live in Oslo", "I live in Oslo.")
"""Those of them that say something."""


class Conversation(RuleBasedStateMachine):
    """Plays the ear, the mouth and the client, and keeps its own books of what they did."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = TurnMachine()
        self.now_s = 0.0
        self.utterance = 0
        self.open = False
        self.unrecognised: list[int] = []
        self.live: int | None = None
        """The reply that is thought or said, and not given up."""
        self.early: int | None = None
        self.held = False
        self.tools = 0
        """Tools of the live reply that run; what is said meanwhile is kept, and answered after them."""
        self.begun: list[int] = []
        self.over: set[int] = set()
        """Replies that were given up or have ended."""
        self.kept: list[str] = []
        self.owed: list[str] = []
        """What has to be kept by now."""
        self.left = False
        self.began: dict[int, tuple[float, bool]] = {}
        """When each utterance began, and whether the agent was speaking."""
        self.agreed: tuple[str, float] | None = None
        """A listener's words that may yet be an answer, and when they began."""

    @property
    def aloud(self) -> bool:
        return self.machine.state in (State.SPEAKING, State.DUCKED, State.HUSHED, State.TOOL_RUNNING)

    def feed(self, happening: on.Happening) -> list[on.Command]:
        commands = self.machine.feed(happening, at_s=self.now_s)
        for command in commands:
            self._done(command)
        return commands

    def _done(self, command: on.Command) -> None:
        match command:
            case on.Think(number) | on.Say(number) | on.SpeakUp(number) | on.ThinkEarly(number):
                self._begun(number, is_early=isinstance(command, on.ThinkEarly))
            case on.Release(number) | on.Forget(number):
                self._decided(number, is_out=isinstance(command, on.Release))
            case on.Hold(number) | on.GoOn(number) | on.Duck(number):
                assert number == self.live, "a reply that was given up is changed"
                self.held = isinstance(command, on.Hold) if not isinstance(command, on.Duck) else self.held
            case on.Hush(number) | on.GiveUp(number):
                assert number == (self.live or 0)
                self.over.add(number)
                self.live = self.agreed = None
                self.tools = 0
            case on.Keep(text):
                assert self.live is None or self.tools, "kept before the reply was"
                self.kept.append(text)
            case on.ShowWords():
                pass

    def _begun(self, number: int, *, is_early: bool) -> None:
        self.agreed = None
        assert not self.left, "a reply after leaving"
        assert self.live is None, "two replies at once"
        assert self.early is None, "a reply beside an early one"
        assert all(number > older for older in self.begun), "numbers that do not rise"
        self.begun.append(number)
        self.live, self.early, self.held = (None, number, False) if is_early else (number, None, False)

    def _decided(self, number: int, *, is_out: bool) -> None:
        assert self.early == number
        self.early, self.held = None, False
        if is_out:
            self.live = number
        else:
            self.over.add(number)

    @rule(seconds=st.sampled_from([0.03, 0.5, 4.5, 25.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.feed(on.Tick())

    @precondition(lambda self: not self.open and not self.left)  # the ear is closed to those who leave
    @rule()
    def speech_starts(self) -> None:
        self.utterance += 1
        self.open = True
        self.began[self.utterance] = (self.now_s, self.aloud)
        self.unrecognised.append(self.utterance)
        self.feed(on.SpeechStarted(self.utterance))

    @precondition(lambda self: self.open)
    @rule(ms=LENGTHS)
    def speech_lasts(self, ms: int) -> None:
        self.feed(on.SpeechLasting(self.utterance, ms))

    @precondition(lambda self: self.open)
    @rule(ms=LENGTHS)
    def speech_pauses(self, ms: int) -> None:
        self.feed(on.SpeechPaused(self.utterance, ms))

    @precondition(lambda self: self.open)
    @rule()
    def speech_resumes(self) -> None:
        self.feed(on.SpeechResumed(self.utterance))

    @precondition(lambda self: self.open)
    @rule()
    def speech_ends(self) -> None:
        self.open = False
        self.feed(on.SpeechEnded(self.utterance))

    @precondition(lambda self: self.utterance)
    @rule(text=TEXTS, whole=st.booleans(), age=st.integers(0, 2))
    def a_partial_comes(self, text: str, whole: bool, age: int) -> None:
        self.feed(on.Partial(self.utterance - age, text, whole))

    @precondition(lambda self: self.unrecognised and not (self.open and len(self.unrecognised) == 1))
    @rule(text=TEXTS)
    def words_come(self, text: str) -> None:
        number = self.unrecognised.pop(0)
        began_s, listens = self.began[number]
        is_newest = number == self.utterance
        is_answer = text == "Yeah, right." and not (listens if is_newest else self.aloud)
        if text in SAID or is_answer or (text in ("mhm", "Yeah, right.") and self.live is None):
            self.owed.append(text)
        elif text in ("mhm", "Yeah, right.") and is_newest and self.machine.phase is Phase.SPEAKING:
            self.agreed = (text, began_s)
        self.feed(on.Recognised(number, text))

    @rule(text=st.sampled_from(["typed", "mhm"]))
    def something_is_typed(self, text: str) -> None:
        self.owed.append(text)
        self.feed(on.Typed(text))

    @rule()
    def a_greeting_is_wanted(self) -> None:
        self.feed(on.Greeting("Welcome."))

    @precondition(lambda self: self.live and not self.held)
    @rule()
    def the_reply_sounds(self) -> None:
        assert self.live
        self.feed(on.ReplySounding(self.live))

    @precondition(lambda self: self.live and not self.held)
    @rule(asks=st.booleans())
    def the_reply_ends(self, asks: bool) -> None:
        number, self.live, self.tools = self.live, None, 0
        assert number
        self.over.add(number)
        if asks and self.agreed and self.now_s - self.agreed[1] <= 1.5:
            self.owed.append(self.agreed[0])
        self.agreed = None
        self.feed(on.ReplyEnded(number, asks=asks))

    @precondition(lambda self: self.early)
    @rule()
    def an_early_reply_fails(self) -> None:
        number, self.early = self.early, None
        assert number
        self.over.add(number)
        answers = [type(command) for command in self.feed(on.ReplyEnded(number, in_vain=True))]
        assert answers in ([], [on.Think]), "what was said before, and waited for the end of this, may be answered now"

    @precondition(lambda self: self.over)
    @rule(sounding=st.booleans(), choice=st.integers(0, 99))
    def a_reply_that_is_over_reports_late(self, sounding: bool, choice: int) -> None:
        number = sorted(self.over)[choice % len(self.over)]
        before = self.machine.phase
        assert self.feed(on.ReplySounding(number) if sounding else on.ReplyEnded(number)) == []
        assert self.machine.phase is before

    @precondition(lambda self: self.live)
    @rule(started=st.booleans())
    def a_tool_is_used(self, started: bool) -> None:
        assert self.live
        number, self.tools = self.live, max(0, self.tools + (1 if started else -1))
        self.feed(on.ToolStarted(number) if started else on.ToolEnded(number))

    @rule(times=st.integers(1, 20))
    def interrupted(self, times: int) -> None:
        for _ in range(times):
            assert [command for command in self.feed(on.Interrupted()) if isinstance(command, on.Hush)]
            assert self.live is None

    @rule(away=st.booleans())
    def nobody_hears_or_somebody_does(self, away: bool) -> None:
        self.feed(on.Away() if away else on.Back())
        if away and self.live is not None:
            assert self.held

    @precondition(lambda self: self.utterance > 3)
    @rule()
    def leaves(self) -> None:
        self.feed(on.Leaving())
        self.left = True
        assert self.live is None

    @invariant()
    def every_word_is_kept_once(self) -> None:
        assert self.kept == self.owed

    @invariant()
    def the_machine_knows_what_runs(self) -> None:
        assert self.machine.replying == (self.live is not None)
        assert (self.machine.phase is Phase.EARLY) == (self.early is not None)
        assert self.machine.expects_words == bool(self.unrecognised)
        if self.machine.state is State.HUSHED or self.machine.state is State.SUSPECTING:
            assert self.held
        if self.machine.state in (State.SPEAKING, State.DUCKED):
            assert not self.held


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=40)
