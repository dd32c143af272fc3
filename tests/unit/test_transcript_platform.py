"""The transcript is what was really said and heard, whatever a platform sends, how often, and in which order."""

from hashlib import sha256

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.platforms import Exchange, Manner, Platform, stored

from voicemind.conversation.told import fingerprint
from voicemind.llm.contract import Message, ToolCall
from voicemind.store.values import Call

MANNERS = st.builds(
    Manner,
    newest=st.sampled_from([None, None, None, 3, 5]),
    is_merging=st.booleans(),
    keeps_silence=st.booleans(),
    marks_cuts=st.booleans(),
    is_sloppy=st.booleans(),
)


class Talks(RuleBasedStateMachine):
    """A person, a platform, and our exchange."""

    def __init__(self) -> None:
        super().__init__()
        self.ours = Exchange()
        self.theirs = Platform(Manner())
        self.count = 0
        self.sent: list[Message] | None = None
        """The request whose answer has not been heard."""
        self.received = ""
        self.is_whole = self.is_lost = False
        self.calls: tuple[ToolCall, ...] = ()
        self.newest = ""

    @initialize(manner=MANNERS, greets=st.booleans())
    def begin(self, manner: Manner, greets: bool) -> None:
        self.theirs.manner = manner
        if greets:
            self.theirs.talk.append(Message("assistant", "Good day, you have reached the counsellor."))

    def words(self, side: str) -> str:
        self.count += 1
        letters = (
            sha256(f"{side}{self.count}".encode()).hexdigest().translate(str.maketrans("0123456789", "ghijklmnop"))
        )
        return f"{letters[:3]} {letters[3:8]}, {letters[8:12]} {letters[12:16]} {letters[16:22]}."

    def send(self, *, is_silent: bool = False) -> None:
        """Something new is asked: the platform has dropped what it was given before."""
        messages = self.theirs.told(is_silent=is_silent)
        self.sent, self.received, self.is_whole, self.is_lost, self.calls = messages, "", False, False, ()
        self.theirs.log.append(messages)
        before = self.ours.turns
        done = self.ours.request(messages)
        if done.does == "generate":
            assert stored(self.ours.turns) == self.theirs.expected()
            assert done.history[-1].role in ("user", "tool")
        else:
            assert self.ours.turns == before
        if done.does == "replay":
            (turn,) = done.replay
            self.received, self.is_whole = turn.generated, True
            self.calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in turn.calls)

    @precondition(lambda self: not self.theirs.asking)
    @rule()
    def speak(self) -> None:
        self.newest = self.words("u")
        self.theirs.asking = [self.newest]
        self.send()

    @precondition(lambda self: not self.theirs.asking and self.theirs.manner.newest is None and self.theirs.talk)
    @rule()
    def say_the_usual(self) -> None:
        self.newest = "Yes."
        self.theirs.asking = [self.newest]
        self.send()

    @precondition(lambda self: self.theirs.asking)
    @rule()
    def be_recognised_further(self) -> None:
        self.newest = f"{self.theirs.asking[-1].rstrip('.')} {self.words('u')}"
        self.theirs.asking[-1] = self.newest
        self.send()

    @precondition(lambda self: self.theirs.asking and self.theirs.talk)
    @rule()
    def be_recognised_otherwise(self) -> None:
        self.newest = self.words("u")
        self.theirs.asking[-1] = self.newest
        self.send()

    @precondition(lambda self: len(self.theirs.asking) == 1)
    @rule()
    def go_on_before_the_answer(self) -> None:
        self.newest = self.words("u")
        self.theirs.asking.append(self.newest)
        self.send()

    @precondition(lambda self: self.sent is not None)
    @rule()
    def try_again(self) -> None:
        assert self.sent is not None
        before, was_pending = self.ours.turns, self.ours.pending is not None
        done = self.ours.request(self.sent)
        if was_pending:
            assert done.does == "join"
        elif self.is_whole and not self.is_lost:
            assert done.does == "replay"
            assert done.replay[0].generated == self.received
        else:
            assert done.does == "generate"
            self.received, self.is_whole, self.is_lost, self.calls = "", False, False, ()
            assert stored(self.ours.turns) == self.theirs.expected()
        if done.does != "generate":
            assert self.ours.turns == before

    @precondition(lambda self: self.ours.pending is not None)
    @rule()
    def finish(self) -> None:
        self.received, self.is_whole = self.words("a"), True
        self.ours.finish(self.received)

    @precondition(lambda self: self.ours.pending is not None)
    @rule(has_words=st.booleans())
    def finish_with_a_call(self, has_words: bool) -> None:
        self.received, self.is_whole = self.words("a") if has_words else "", True
        self.calls = (ToolCall(f"call-{self.count}-{len(self.ours.turns)}", "look_up", "{}"),)
        self.ours.finish(self.received, tuple(Call(call.id, call.name, call.arguments) for call in self.calls))

    @precondition(lambda self: self.ours.pending is not None)
    @rule()
    def finish_and_lose_it(self) -> None:
        """We are killed after the last word, before it is stored."""
        self.received, self.is_whole, self.is_lost = self.words("a"), True, True
        self.ours.pending = None

    @precondition(lambda self: self.ours.pending is not None)
    @rule(share=st.floats(0, 1))
    def lose_the_connection(self, share: float) -> None:
        whole = self.words("a")
        self.received, self.is_whole = whole[: int(len(whole) * share)].rstrip(), False
        self.ours.break_off(self.received)

    @precondition(lambda self: self.sent is not None and self.is_whole)
    @rule()
    def be_heard(self) -> None:
        self.theirs.heard(self.received, self.calls)
        self.sent = None
        if self.calls:
            self.theirs.talk += [Message("tool", "found", tool_call_id=call.id) for call in self.calls]
            self.send()

    @precondition(lambda self: self.sent is not None and self.received and not self.calls)
    @rule(share=st.floats(0.05, 1))
    def be_interrupted(self, share: float) -> None:
        heard = self.received[: max(4, int(len(self.received) * share))].rstrip()
        self.theirs.heard(heard, is_cut=True)
        self.sent = None
        self.speak()

    @precondition(lambda self: self.sent is None and self.theirs.can_correct)
    @rule(share=st.floats(0.05, 1))
    def hear_of_what_was_really_heard(self, share: float) -> None:
        whole = self.received
        self.theirs.correct(whole[: max(4, int(len(whole) * share))].rstrip())

    @precondition(lambda self: self.sent is None and self.theirs.talk and self.theirs.manner.newest is None)
    @rule()
    def be_told_something_by_the_platform(self) -> None:
        self.theirs.talk.append(Message("assistant", self.words("p")))
        self.theirs.can_correct = False

    @precondition(lambda self: self.sent is None and self.theirs.talk and self.theirs.talk[-1].role == "assistant")
    @rule()
    def be_silent(self) -> None:
        if self.theirs.manner.keeps_silence:
            self.theirs.talk.append(Message("user", "..."))
            self.send()
        else:
            self.send(is_silent=True)

    @precondition(lambda self: self.theirs.log)
    @rule(which=st.integers(0, 1000))
    def repeat_something_old(self, which: int) -> None:
        old = self.theirs.log[which % len(self.theirs.log)]
        if self.sent is not None and fingerprint(old) == fingerprint(self.sent):
            return
        before, pending = self.ours.turns, self.ours.pending
        done = self.ours.request(old)
        assert done.edits == ()
        assert self.ours.turns == before
        self.ours.pending = pending

    @invariant()
    def the_last_words_are_there(self) -> None:
        said = [row for row in stored(self.ours.turns) if row[0] == "user"]
        expected = [row for row in self.theirs.expected() if row[0] == "user"]
        assert said[-1:] == expected[-1:] or not self.theirs.log


Talks.TestCase.settings = settings(
    max_examples=150, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestTalks = Talks.TestCase
