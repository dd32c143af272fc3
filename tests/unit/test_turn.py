"""The turn machine, by plain calls."""

import pytest

from voicemind.engines.cascade.happenings import (
    Away,
    Back,
    Command,
    Duck,
    Forget,
    GiveUp,
    GoOn,
    Greeting,
    Happening,
    Hold,
    Hush,
    Interrupted,
    Keep,
    Leaving,
    Partial,
    Recognised,
    Release,
    ReplyEnded,
    ReplySounding,
    Say,
    ShowWords,
    SpeakUp,
    SpeechEnded,
    SpeechLasting,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Think,
    ThinkEarly,
    Tick,
    ToolEnded,
    ToolStarted,
    Typed,
)
from voicemind.engines.cascade.state import State, TurnLimits
from voicemind.engines.cascade.turn import TurnMachine

SPEAKING: tuple[Happening, ...] = (Typed("a"), ReplySounding(1))


def spoken(number: int, words: str) -> tuple[Happening, ...]:
    return (SpeechStarted(number), SpeechEnded(number), Recognised(number, words))


def fed(
    *happenings: Happening, machine: TurnMachine | None = None, at_s: float = 0.0
) -> tuple[TurnMachine, list[Command]]:
    machine = machine or TurnMachine()
    commands: list[Command] = []
    for happening in happenings:
        commands = machine.feed(happening, at_s=at_s)
    return machine, commands


def test_a_spoken_sentence_is_kept_and_answered() -> None:
    machine, commands = fed(*spoken(1, "Hello."))
    assert commands == [Keep("Hello.", "speech"), Think(1)]
    assert machine.state is State.THINKING


def test_a_typed_sentence_is_kept_and_answered_from_any_state() -> None:
    assert fed(Typed("Hi"))[1] == [Keep("Hi", "text"), Think(1)]
    assert fed(SpeechStarted(1), Typed("Hi"))[1][:2] == [Keep("Hi", "text"), Think(1)]
    assert fed(*SPEAKING, Typed("b"))[1] == [Hush(1), Keep("b", "text"), Think(2)]


@pytest.mark.parametrize("noise", ["", "(coughs)", "[music]", "…"])
def test_noise_without_words_returns_to_listening(noise: str) -> None:
    machine, commands = fed(*spoken(1, noise))
    assert commands == []
    assert machine.state is State.LISTENING


def test_a_sound_while_the_agent_speaks_makes_it_softer_and_no_more() -> None:
    machine, commands = fed(*SPEAKING, SpeechStarted(1))
    assert commands == [Duck(1, is_soft=True)]
    assert machine.state is State.DUCKED


def test_a_sound_that_dies_away_at_once_loses_nothing() -> None:
    machine, commands = fed(*SPEAKING, SpeechStarted(1), SpeechPaused(1, 160))
    assert commands == [Duck(1, is_soft=False)]
    assert machine.state is State.SPEAKING
    assert fed(SpeechEnded(1), Recognised(1, ""), machine=machine)[1] == []


@pytest.mark.parametrize("words", ["mhm", "Yeah.", "Yeah, yeah, okay.", "Uh-huh", "right", "I see.", "(coughs)"])
def test_assent_neither_interrupts_nor_becomes_a_turn(words: str) -> None:
    machine, commands = fed(*SPEAKING, SpeechStarted(1), SpeechLasting(1, 320), Partial(1, words))
    assert commands == []
    assert fed(SpeechPaused(1, 400), SpeechEnded(1), Recognised(1, words), machine=machine)[1] == [
        Duck(1, is_soft=False)
    ]
    assert machine.state is State.SPEAKING


def test_words_while_the_agent_speaks_hold_it_and_their_end_gives_it_up() -> None:
    machine, commands = fed(*SPEAKING, SpeechStarted(1), SpeechLasting(1, 320), Partial(1, "No, wait"))
    assert commands == [ShowWords("No, wait"), Hold(1, is_shown=True)]
    assert machine.state is State.HUSHED
    commands = fed(SpeechPaused(1, 500), SpeechEnded(1), Recognised(1, "No, wait a moment."), machine=machine)[1]
    assert commands == [GiveUp(1), Keep("No, wait a moment.", "speech"), Think(2)]


def test_words_count_only_together_with_some_speech() -> None:
    assert fed(*SPEAKING, SpeechStarted(1), Partial(1, "No"))[0].state is State.DUCKED
    assert fed(*SPEAKING, SpeechStarted(1), Partial(1, "No"), SpeechLasting(1, 320))[0].state is State.HUSHED


def test_a_short_command_takes_the_turn_however_short_it_is() -> None:
    machine, commands = fed(*SPEAKING, SpeechStarted(1), SpeechPaused(1, 220), SpeechEnded(1), Recognised(1, "Stop."))
    assert commands == [Hush(1), Keep("Stop.", "speech"), Think(2)]
    assert machine.state is State.THINKING


def test_after_a_false_alarm_the_reply_goes_on_where_it_was_cut() -> None:
    machine, commands = fed(*SPEAKING, SpeechStarted(1), SpeechLasting(1, 320), SpeechLasting(1, 1216))
    assert commands == [Hold(1, is_shown=True)]
    commands = fed(SpeechPaused(1, 1300), SpeechEnded(1), Recognised(1, ""), machine=machine)[1]
    assert commands == [Duck(1, is_soft=False), GoOn(1)]
    assert machine.state is State.SPEAKING


def test_a_noise_without_end_holds_a_reply_for_seconds_only() -> None:
    machine = TurnMachine()
    machine.gives_partials = True
    fed(*SPEAKING, SpeechStarted(1), SpeechLasting(1, 1216), machine=machine, at_s=10.0)
    assert machine.wake_at is None
    fed(Partial(1, ""), machine=machine, at_s=10.5)
    assert machine.wake_at == 14.0
    assert machine.feed(Tick(), at_s=13.9) == []
    assert machine.feed(Tick(), at_s=14.0) == [Duck(1, is_soft=False), GoOn(1)]
    assert machine.feed(Partial(1, ""), at_s=15.0) == []
    assert machine.feed(Partial(1, "No, wait"), at_s=16.0) == [ShowWords("No, wait"), Hold(1, is_shown=True)]


def test_speech_that_nobody_has_found_words_in_yet_is_no_noise() -> None:
    machine, _ = fed(*SPEAKING, SpeechStarted(1), SpeechLasting(1, 1216), Partial(1, ""))
    assert machine.wake_at is None
    fed(SpeechEnded(1), Recognised(1, "No, wait."), *spoken(2, ""), machine=machine)
    assert not machine.gives_partials
    assert fed(SpeechStarted(3), Partial(3, "Well"), machine=machine)[0].gives_partials


@pytest.mark.parametrize("words", ["Yes.", "Okay.", "Yeah, right."])
def test_assent_while_the_agent_only_thinks_is_a_turn(words: str) -> None:
    machine, _ = fed(Typed("a"), SpeechStarted(1), SpeechPaused(1, 400), Partial(1, words, whole=True))
    assert machine.state is State.SUSPECTING
    assert fed(SpeechEnded(1), Recognised(1, words), machine=machine)[1] == [Hush(1), Keep(words, "speech"), Think(2)]


@pytest.mark.parametrize("words", ["mhm", "Uh-huh.", "Hm, um.", ""])
def test_a_hum_while_the_agent_thinks_changes_nothing(words: str) -> None:
    machine, _ = fed(Typed("a"), SpeechStarted(1), SpeechPaused(1, 400), Partial(1, words, whole=True))
    assert machine.state is State.THINKING
    assert fed(SpeechEnded(1), Recognised(1, words), machine=machine)[1] == []


def test_assent_that_began_before_the_reply_sounded_is_a_turn_although_it_sounds_by_now() -> None:
    late = (Typed("a"), SpeechStarted(1), SpeechEnded(1), ReplySounding(1))
    assert fed(*late, Recognised(1, "Yes."))[1][-2:] == [Keep("Yes.", "speech"), Think(2)]


@pytest.mark.parametrize("words", ["Yes.", "mhm"])
def test_assent_in_the_last_moment_of_a_question_answers_it_when_it_has_been_asked(words: str) -> None:
    machine, commands = fed(*SPEAKING, *spoken(1, words), at_s=10.0)
    assert Keep(words, "speech") not in commands
    assert machine.feed(ReplyEnded(1, asks=True), at_s=11.4) == [Keep(words, "speech"), Think(2)]


def test_assent_to_what_was_no_question_or_was_said_long_before_it_is_no_turn() -> None:
    machine, _ = fed(*SPEAKING, *spoken(1, "Yes."), at_s=10.0)
    assert machine.feed(ReplyEnded(1), at_s=11.0) == []
    machine, _ = fed(*SPEAKING, *spoken(1, "Yes."), at_s=10.0)
    assert machine.feed(ReplyEnded(1, asks=True), at_s=11.6) == []
    machine, _ = fed(*SPEAKING, *spoken(1, "Yes."), at_s=10.0)
    fed(Typed("b"), ReplySounding(2), machine=machine, at_s=10.5)
    assert machine.feed(ReplyEnded(2, asks=True), at_s=11.0) == []


EARLY: tuple[Happening, ...] = (SpeechStarted(1), SpeechPaused(1, 900), Partial(1, "I live", whole=True))


def test_an_early_reply_that_failed_is_thought_of_again_when_its_words_are_final() -> None:
    assert fed(*EARLY, ReplyEnded(1, in_vain=True), SpeechEnded(1), Recognised(1, "I live."))[1] == [
        Keep("I live.", "speech"),
        Think(2),
    ]
    assert fed(*EARLY, SpeechEnded(1), Recognised(1, "I live."), ReplyEnded(1, in_vain=True))[1] == [Think(2)]


def test_words_that_came_once_in_the_pause_are_thought_about_as_soon_as_the_speech_has_ended() -> None:
    machine, commands = fed(SpeechStarted(1), SpeechPaused(1, 900), Partial(1, "I live", whole=False), SpeechEnded(1))
    assert commands == [ThinkEarly(1, "I live")]
    assert fed(Recognised(1, "I live."), machine=machine)[1] == [Keep("I live.", "speech"), Release(1)]


def test_words_from_before_the_pause_are_not_thought_about_before_they_are_recognised() -> None:
    assert fed(SpeechStarted(1), Partial(1, "I live", whole=False), SpeechPaused(1, 900), SpeechEnded(1))[1] == []


def test_an_interruption_while_the_agent_thinks_early_keeps_the_words_and_answers_nothing() -> None:
    machine, commands = fed(*EARLY, Interrupted())
    assert commands == [Forget(1), Hush(0)]
    assert fed(Partial(1, "I live", whole=True), machine=machine)[1] == []
    assert fed(SpeechEnded(1), Recognised(1, "I live."), machine=machine)[1] == [Keep("I live.", "speech")]
    assert machine.state is State.LISTENING
    assert fed(*spoken(2, "Hello."), machine=machine)[1] == [Keep("Hello.", "speech"), Think(2)]


def test_who_speaks_on_after_an_interruption_is_answered() -> None:
    machine, _ = fed(*EARLY, Interrupted(), SpeechResumed(1))
    assert fed(SpeechEnded(1), Recognised(1, "I live in Oslo."), machine=machine)[1][-1] == Think(2)


def test_what_was_said_before_something_was_typed_does_not_hold_the_answer_to_it() -> None:
    talking = (SpeechStarted(1), SpeechLasting(1, 1216), Partial(1, "and now the news"))
    machine, commands = fed(*talking, Typed("b"))
    assert commands == [Keep("b", "text"), Think(1)]
    assert fed(ReplySounding(1), Partial(1, "and now the news of"), machine=machine)[1] == []
    assert machine.state is State.SPEAKING


def test_a_greeting_waits_for_the_end_of_a_noise_and_is_dropped_for_words() -> None:
    machine, _ = fed(SpeechStarted(1), Greeting("Welcome."))
    assert fed(SpeechEnded(1), Recognised(1, "(coughs)"), machine=machine)[1] == [Say(1, "Welcome.")]
    machine, _ = fed(SpeechStarted(1), Greeting("Welcome."))
    assert fed(SpeechEnded(1), Recognised(1, "Hello."), machine=machine)[1] == [Keep("Hello.", "speech"), Think(1)]
    assert fed(ReplySounding(1), ReplyEnded(1), *spoken(2, ""), machine=machine)[1] == []


def test_stale_partials_of_what_was_said_before_never_interrupt() -> None:
    machine, _ = fed(*spoken(1, "Who are you?"), ReplySounding(1))
    for _ in range(20):
        assert fed(Partial(1, "Who are you?", whole=True), machine=machine)[1] == []
    fed(SpeechStarted(2), machine=machine)
    for _ in range(20):
        assert fed(Partial(1, "Who are you?"), SpeechLasting(1, 2000), machine=machine)[1] == []
    assert machine.state is State.DUCKED


def test_a_reply_that_is_thought_of_waits_while_the_person_makes_sounds() -> None:
    machine, commands = fed(*spoken(1, "I live"), SpeechStarted(2))
    assert commands == [Hold(1, is_shown=False)]
    assert machine.state is State.SUSPECTING
    assert fed(SpeechPaused(2, 160), machine=machine)[1] == [GoOn(1)]
    assert fed(SpeechResumed(2), machine=machine)[1] == [Hold(1, is_shown=False)]
    assert fed(SpeechEnded(2), Recognised(2, "in Oslo."), machine=machine)[1] == [
        Hush(1),
        Keep("in Oslo.", "speech"),
        Think(2),
    ]


def test_a_reply_whose_sound_was_on_its_way_when_it_was_held_is_told_to_be_silent() -> None:
    held = (*spoken(1, "a"), SpeechStarted(2), SpeechLasting(2, 320), Partial(2, "But why"))
    machine, commands = fed(*held, ReplySounding(1))
    assert commands == [Hold(1, is_shown=True)]
    assert machine.state is State.HUSHED


def test_words_recognised_while_the_person_speaks_on_are_kept_without_a_reply() -> None:
    machine, commands = fed(SpeechStarted(1), SpeechEnded(1), SpeechStarted(2), Recognised(1, "I live in"))
    assert commands == [Keep("I live in", "speech")]
    assert machine.state is State.HEARING


def test_a_cough_after_a_question_does_not_swallow_its_answer() -> None:
    late = (SpeechStarted(1), SpeechEnded(1), SpeechStarted(2), Recognised(1, "Who are you?"))
    machine, commands = fed(*late, SpeechEnded(2), Recognised(2, ""))
    assert commands == [Think(1)]
    assert machine.state is State.THINKING


def test_a_cough_after_an_interruption_brings_no_answer_back() -> None:
    assert fed(Typed("a"), Interrupted(), *spoken(1, ""))[1] == []


def test_words_that_come_after_a_reply_began_start_another_one() -> None:
    assert fed(SpeechStarted(1), SpeechEnded(1), Typed("b"), Recognised(1, "in Oslo"))[1] == [
        Hush(1),
        Keep("in Oslo", "speech"),
        Think(2),
    ]


def test_an_interruption_is_acknowledged_however_often_and_is_final() -> None:
    assert fed(Interrupted())[1] == [Hush(0)]
    machine, commands = fed(*SPEAKING, Interrupted())
    assert commands == [Hush(1)]
    assert machine.state is State.LISTENING
    for _ in range(20):
        assert fed(Interrupted(), machine=machine)[1] == [Hush(0)]
    assert machine.newest == 1


def test_an_interruption_ends_a_held_reply_for_good() -> None:
    machine, commands = fed(*SPEAKING, SpeechStarted(1), SpeechLasting(1, 320), Partial(1, "No wait"), Interrupted())
    assert commands == [Hush(1)]
    assert fed(SpeechEnded(1), Recognised(1, ""), machine=machine)[1] == []


def test_a_hushed_reply_no_longer_counts() -> None:
    machine, _ = fed(*SPEAKING, Typed("b"))
    assert fed(ReplySounding(1), ReplyEnded(1), machine=machine)[1] == []
    assert machine.state is State.THINKING


def test_a_greeting_is_said_only_into_silence() -> None:
    assert fed(Greeting("Welcome."))[1] == [Say(1, "Welcome.")]
    assert fed(SpeechStarted(1), Greeting("Welcome."))[1] == []


def test_the_words_of_a_pause_are_thought_about_early_and_let_out_when_they_were_all() -> None:
    machine, commands = fed(SpeechStarted(1), SpeechPaused(1, 900), Partial(1, "Who are you?", whole=True))
    assert commands == [ShowWords("Who are you?"), ThinkEarly(1, "Who are you?")]
    assert fed(Partial(1, "who are you", whole=True), machine=machine)[1] == [ShowWords("who are you")]
    assert fed(SpeechEnded(1), Recognised(1, "who are you"), machine=machine)[1] == [
        Keep("who are you", "speech"),
        Release(1),
    ]
    assert machine.state is State.THINKING


def test_words_that_may_be_incomplete_are_thought_about_when_they_come_twice() -> None:
    machine, commands = fed(SpeechStarted(1), SpeechPaused(1, 900), Partial(1, "Who are"), Partial(1, "Who are you"))
    assert commands == [ShowWords("Who are you")]
    assert fed(Partial(1, "Who are you"), machine=machine)[1] == [ThinkEarly(1, "Who are you")]


@pytest.mark.parametrize(
    "goes_on", [(SpeechResumed(1),), (SpeechEnded(1), Recognised(1, "")), (SpeechEnded(1), SpeechStarted(2))]
)
def test_what_was_thought_early_is_forgotten_when_it_was_not_all(goes_on: tuple[Happening, ...]) -> None:
    machine, _ = fed(SpeechStarted(1), SpeechPaused(1, 900), Partial(1, "I live", whole=True))
    assert fed(*goes_on, machine=machine)[1] == [Forget(1)]


def test_other_words_than_were_supposed_are_answered_anew() -> None:
    early = (SpeechStarted(1), SpeechPaused(1, 900), Partial(1, "I live", whole=True))
    assert fed(*early, SpeechEnded(1), Recognised(1, "I leave."))[1] == [
        Forget(1),
        Keep("I leave.", "speech"),
        Think(2),
    ]


def test_an_utterance_is_thought_about_early_three_times_at_most_and_never_in_the_middle_of_a_sentence() -> None:
    machine, tried = TurnMachine(), 0
    machine.feed(SpeechStarted(1), at_s=0.0)
    for number in range(10):
        fed(SpeechPaused(1, 500), machine=machine)
        commands = fed(Partial(1, f"word {'x' * number}", whole=True), machine=machine)[1]
        tried += any(isinstance(command, ThinkEarly) for command in commands)
        fed(SpeechResumed(1), machine=machine)
    assert tried == 3
    assert fed(SpeechStarted(1), SpeechPaused(1, 900), Partial(1, "I live in the", whole=True))[0].reply == 0


def test_thinking_early_can_be_switched_off() -> None:
    machine = TurnMachine(limits=TurnLimits(early_tries=0))
    fed(SpeechStarted(1), SpeechPaused(1, 900), Partial(1, "Who are you?", whole=True), machine=machine)
    assert machine.state is State.HEARING


def test_the_agent_speaks_up_once_in_a_silence() -> None:
    machine = TurnMachine(limits=TurnLimits(silence_s=20.0))
    machine.feed(Tick(), at_s=5.0)
    assert machine.wake_at == 25.0
    assert machine.feed(Tick(), at_s=24.0) == []
    assert machine.feed(Tick(), at_s=26.0) == [SpeakUp(1, 21.0)]
    fed(ReplySounding(1), ReplyEnded(1), machine=machine, at_s=30.0)
    assert machine.state is State.SILENCE
    fed(*spoken(1, ""), machine=machine, at_s=40.0)
    assert machine.wake_at is None
    fed(*spoken(2, "Hello"), ReplySounding(2), ReplyEnded(2), machine=machine, at_s=60.0)
    assert machine.wake_at == 80.0


def test_the_agent_never_speaks_up_where_that_is_off_or_nobody_is_there() -> None:
    assert fed(Tick(), machine=TurnMachine(limits=TurnLimits(silence_s=0.0)))[0].wake_at is None
    machine, _ = fed(Tick(), Away())
    assert machine.wake_at is None
    assert fed(Back(), machine=machine, at_s=7.0)[0].wake_at == 27.0


def test_while_nobody_can_hear_the_reply_is_held() -> None:
    machine, commands = fed(*SPEAKING, Away())
    assert commands == [Hold(1, is_shown=True)]
    assert fed(Away(), machine=machine)[1] == []
    assert fed(Back(), machine=machine)[1] == [GoOn(1)]
    assert fed(Back(), machine=machine)[1] == []
    assert fed(Away(), Typed("b"), machine=machine)[1] == [
        GiveUp(1),
        Keep("b", "text"),
        Think(2),
        Hold(2, is_shown=False),
    ]


def test_words_during_a_tool_call_wait_for_its_end_and_assent_is_ignored() -> None:
    running = (Typed("a"), ToolStarted(1))
    machine, _ = fed(*running)
    assert machine.state is State.TOOL_RUNNING
    assert fed(*spoken(1, "okay"), machine=machine)[1] == [GoOn(1)]
    assert Keep("And my sister?", "speech") in fed(*spoken(2, "And my sister?"), machine=machine)[1]
    assert machine.state is State.TOOL_RUNNING
    assert fed(ToolEnded(1), machine=machine)[1] == [Hush(1), Think(2)]
    assert fed(*running, Interrupted())[1] == [Hush(1)]


def test_on_the_way_out_words_are_kept_and_nothing_is_answered() -> None:
    machine, commands = fed(*SPEAKING, SpeechStarted(1), SpeechEnded(1), Leaving())
    assert commands == [Hush(1)]
    assert machine.expects_words
    assert fed(Recognised(1, "one more thing"), machine=machine)[1] == [Keep("one more thing", "speech")]
    assert not machine.expects_words
    assert fed(Typed("bye"), machine=machine)[1] == [Keep("bye", "text")]
    assert fed(Interrupted(), machine=machine)[1] == [Hush(0)]
    assert fed(SpeechStarted(2), Tick(), Recognised(2, ""), machine=machine)[1] == []
    assert machine.state is State.LEAVING
