"""The turn machine, by plain calls."""

from hypothesis import given
from hypothesis import strategies as st

from voicemind.engines.cascade.turn import (
    Command,
    Greeting,
    Happening,
    Hush,
    Interrupted,
    Keep,
    Leaving,
    Recognised,
    ReplyEnded,
    ReplySounding,
    Say,
    SpeechEnded,
    SpeechStarted,
    State,
    Think,
    TurnMachine,
    Typed,
)


def fed(*happenings: Happening) -> tuple[TurnMachine, list[Command]]:
    machine, commands = TurnMachine(), []
    for happening in happenings:
        commands = machine.feed(happening)
    return machine, commands


def test_a_spoken_sentence_is_kept_and_answered() -> None:
    machine, commands = fed(SpeechStarted(), SpeechEnded(), Recognised("Hello."))
    assert commands == [Keep("Hello.", "speech"), Think(1)]
    assert machine.state is State.THINKING


def test_a_typed_sentence_is_kept_and_answered_from_any_state() -> None:
    assert fed(Typed("Hi"))[1] == [Keep("Hi", "text"), Think(1)]
    assert fed(SpeechStarted(), Typed("Hi"))[1] == [Keep("Hi", "text"), Think(1)]
    assert fed(Typed("a"), ReplySounding(1), Typed("b"))[1] == [Hush(1), Keep("b", "text"), Think(2)]


def test_noise_without_words_returns_to_listening() -> None:
    machine, commands = fed(SpeechStarted(), SpeechEnded(), Recognised(""))
    assert commands == []
    assert machine.state is State.LISTENING


def test_speaking_into_a_reply_hushes_it() -> None:
    machine, commands = fed(Typed("a"), ReplySounding(1), SpeechStarted())
    assert commands == [Hush(1)]
    assert machine.state is State.HEARING


def test_speaking_on_before_the_reply_sounds_hushes_it_too() -> None:
    assert fed(SpeechStarted(), SpeechEnded(), Recognised("I live"), SpeechStarted())[1] == [Hush(1)]


def test_words_recognised_while_the_person_speaks_on_are_kept_without_a_reply() -> None:
    machine, commands = fed(SpeechStarted(), SpeechEnded(), SpeechStarted(), Recognised("I live in"))
    assert commands == [Keep("I live in", "speech")]
    assert machine.state is State.HEARING


def test_a_cough_after_a_question_does_not_swallow_its_answer() -> None:
    machine, commands = fed(
        SpeechStarted(), SpeechEnded(), SpeechStarted(), Recognised("Who are you?"), SpeechEnded(), Recognised("")
    )
    assert commands == [Think(1)]
    assert machine.state is State.THINKING


def test_a_cough_while_the_agent_thinks_only_delays_the_answer() -> None:
    assert fed(Typed("Who are you?"), SpeechStarted(), SpeechEnded(), Recognised(""))[1] == [Think(2)]


def test_a_cough_after_an_interruption_brings_no_answer_back() -> None:
    assert fed(Typed("a"), Interrupted(), SpeechStarted(), SpeechEnded(), Recognised(""))[1] == []


def test_words_that_come_after_the_reply_began_start_another_one() -> None:
    late = (SpeechStarted(), SpeechEnded(), SpeechStarted(), SpeechEnded(), Recognised("I live"), Recognised("in Oslo"))
    assert fed(*late)[1] == [Hush(1), Keep("in Oslo", "speech"), Think(2)]


def test_an_interruption_is_acknowledged_even_when_nothing_is_said() -> None:
    assert fed(Interrupted())[1] == [Hush(0)]
    machine, commands = fed(Typed("a"), ReplySounding(1), Interrupted())
    assert commands == [Hush(1)]
    assert machine.state is State.LISTENING
    assert machine.feed(Interrupted()) == [Hush(0)]


def test_a_hushed_reply_no_longer_counts() -> None:
    machine, _ = fed(Typed("a"), ReplySounding(1), Typed("b"))
    assert machine.feed(ReplySounding(1)) == []
    assert machine.state is State.THINKING
    assert machine.feed(ReplyEnded(1)) == []
    assert machine.state is State.THINKING


def test_a_greeting_is_said_only_into_silence() -> None:
    assert fed(Greeting("Welcome."))[1] == [Say(1, "Welcome.")]
    assert fed(SpeechStarted(), Greeting("Welcome."))[1] == []


def test_on_the_way_out_words_are_kept_and_nothing_is_answered() -> None:
    machine, commands = fed(Typed("a"), ReplySounding(1), Leaving())
    assert commands == [Hush(1)]
    assert machine.feed(Recognised("one more thing")) == [Keep("one more thing", "speech")]
    assert machine.feed(Typed("bye")) == [Keep("bye", "text")]
    assert machine.feed(SpeechStarted()) == []
    assert machine.feed(Recognised("")) == []
    assert machine.state is State.LEAVING


words = st.sampled_from(["", "yes", "I live in Oslo"])
number = st.integers(0, 4)
happenings = st.one_of(
    st.builds(SpeechStarted),
    st.builds(SpeechEnded),
    st.builds(Recognised, words),
    st.builds(Typed, words.filter(bool)),
    st.builds(Greeting, words.filter(bool)),
    st.builds(ReplySounding, number),
    st.builds(ReplyEnded, number),
    st.builds(Interrupted),
    st.builds(Leaving),
)


@given(st.lists(happenings, max_size=60))
def test_no_two_replies_run_at_once_and_no_word_is_lost(sequence: list[Happening]) -> None:
    machine = TurnMachine()
    running: int | None = None
    for happening in sequence:
        commands = machine.feed(happening)
        if isinstance(happening, Recognised | Typed) and happening.text:
            assert [command.text for command in commands if isinstance(command, Keep)] == [happening.text]
        if isinstance(happening, ReplyEnded) and happening.reply == running:
            running = None
        for command in commands:
            if isinstance(command, Hush):
                assert command.reply in (0, running)
                running = None
            if isinstance(command, Think | Say):
                assert running is None
                running = command.reply
        assert machine.replying == (running is not None)
