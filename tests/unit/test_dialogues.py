"""Whole spoken conversations with the real engine, in virtual time: half a minute of talk takes a fraction of a second."""

from itertools import pairwise

import numpy as np
import pytest
from tests.dialogue import FRAME, Dictation, Person, Samples, Stage, Streaming, World
from tests.virtual_time import anyio_backend, virtual_clock  # noqa: F401 - fixtures

from voicemind.engines.cascade.run import Tact
from voicemind.engines.cascade.state import TurnLimits
from voicemind.engines.contract import AgentSound, AgentText, Ducked, Hushed, StateChanged, Trouble, TurnTimed
from voicemind.errors import ProviderUnavailable, leaves
from voicemind.speech.audio import INPUT_RATE_HZ, as_floats, from_floats, resampled
from voicemind.speech.stt.scripted import ScriptedStt
from voicemind.speech.vad.energy import EnergyVad

pytestmark = pytest.mark.anyio

ANSWER = "I am glad that you ask me this, and I will tell you all about it now."
QUIET = Tact(turn=TurnLimits(silence_s=0.0))


def sounds(stage: Stage, generation: int) -> list[tuple[float, AgentSound]]:
    return [
        (at_s, event) for at_s, event in stage.seen if isinstance(event, AgentSound) and event.generation == generation
    ]


async def test_plain_turns_follow_each_other() -> None:
    person = Person()
    ended = person.says(1.0, "Who are you?")
    person.says(12.0, "And where do you live?")
    stage = await World(person).talk(30.0)
    assert stage.turns == [
        ("user", "Who are you?"),
        ("agent", ANSWER),
        ("user", "And where do you live?"),
        ("agent", ANSWER),
    ]
    assert stage.kinds() == ["StateChanged"] * 7
    assert stage.when(AgentSound) - ended < 0.65  # 0.3 s of it are the model's
    [first, _] = [event.timings_ms for event in stage.all(TurnTimed) if isinstance(event, TurnTimed)]
    assert 200 <= first["endpoint"] <= 204  # to half a step of loudness


async def test_a_pause_in_the_middle_of_a_sentence_is_no_end() -> None:
    person = Person()
    person.says(1.0, "I went to the", "harbour with my", "sister.", pause_s=0.65)
    stage = await World(person).talk(10.0)
    assert stage.turns == [("user", "I went to the harbour with my sister."), ("agent", ANSWER)]


async def test_who_pauses_long_is_waited_for_longer_in_time() -> None:
    person = Person()
    for number in range(4):
        person.says(1.0 + 10 * number, "we went home", "it was late", pause_s=0.45)
    person.says(41.0, "we went home", "it was late", pause_s=0.56)
    stage = await World(person, tact=QUIET).talk(50.0)
    assert [text for side, text in stage.turns if side == "user"] == ["we went home it was late"] * 5


@pytest.mark.parametrize("word", ["mhm", "Yeah.", "Right.", "Okay,", ""])
async def test_a_listeners_sound_softens_the_agent_for_a_moment_and_no_more(word: str) -> None:
    person = Person()
    person.says(1.0, "Who are you?")
    if word:
        person.says(4.0, word)
    else:
        person.coughs(4.0)
    stage = await World(person).talk(12.0)
    assert stage.ducks() == [True, False]
    assert 4.09 < stage.when(Ducked) < 4.2
    assert stage.when(Ducked, 1) - stage.when(Ducked) < 0.4
    assert stage.hushes() == []
    assert stage.turns == [("user", "Who are you?"), ("agent", ANSWER)]


async def test_words_stop_the_agent_and_what_was_heard_of_it_is_kept() -> None:
    person = Person()
    person.says(1.0, "Who are you?")
    person.says(4.0, "No wait, tell me about the sea instead.")
    stage = await World(person).talk(16.0)
    [hushed] = stage.hushes()
    assert stage.when(Ducked) < 4.15
    assert 4.3 < stage.when(Hushed) < 4.5
    assert sounds(stage, 1)[-1][0] <= stage.when(Hushed)
    assert [side for side, _ in stage.turns] == ["user", "agent", "user", "agent"]
    assert stage.turns[1][1] == hushed.heard
    assert ANSWER.startswith(hushed.heard)
    assert 10 < len(hushed.heard) < 40
    assert stage.said[0].interrupted
    assert stage.turns[2:] == [("user", "No wait, tell me about the sea instead."), ("agent", ANSWER)]


async def test_after_a_false_alarm_the_agent_goes_on_with_the_word_that_was_cut() -> None:
    person = Person()
    person.says(1.0, "Who are you?")
    person.coughs(4.0, 1.6)
    stage = await World(person).talk(16.0)
    [hushed] = stage.hushes()
    assert stage.ducks() == [True, False]
    gap = [at_s for at_s, _ in sounds(stage, 1) if hushed and stage.when(Hushed) < at_s < stage.when(Ducked, 1)]
    assert gap == []
    assert [said.heard for said in stage.said] == [ANSWER]
    assert not stage.said[0].interrupted
    assert sounds(stage, 1)[-1][0] > stage.when(Ducked, 1)


async def test_a_noise_that_does_not_end_holds_the_agent_for_seconds_only() -> None:
    person = Person()
    person.says(1.0, "Who are you?")
    person.coughs(4.0, 9.0)
    stage = await World(person).talk(20.0)
    assert len(stage.hushes()) == 1
    assert stage.turns == [("user", "Who are you?"), ("agent", ANSWER)]


def echoing(world: World, *, delay_s: float, loudness: float) -> None:
    """What the agent says comes back into the microphone."""
    room = np.zeros(INPUT_RATE_HZ * 60, dtype=np.float32)
    until_s = 0.0

    def play(event: AgentSound) -> None:
        nonlocal until_s
        starts_s = max(until_s, world.stage.now_s)
        sound = as_floats(resampled(event.pcm, INPUT_RATE_HZ).samples)
        until_s = starts_s + len(event.pcm.samples) / 2 / event.pcm.rate_hz
        first = round((starts_s + delay_s) * INPUT_RATE_HZ)
        room[first : first + sound.size] += loudness * sound

    def microphone(number: int, frame: Samples) -> Samples:
        here = as_floats(frame.tobytes()) + room[number * FRAME : (number + 1) * FRAME]
        return np.frombuffer(from_floats(here.astype(np.float32)), dtype=np.int16)

    world.stage.on_sound = play
    world.microphone = microphone


@pytest.mark.parametrize("delay_s", [0.08, 0.2, 0.4])
@pytest.mark.parametrize("loudness", [0.1, 0.6])
async def test_the_agents_own_echo_does_not_interrupt_it(delay_s: float, loudness: float) -> None:
    world = World(Person(), stt=ScriptedStt(text="No wait, stop."), vad=EnergyVad(), tact=QUIET)
    world.at(1.0, lambda: world.engine.read("Who are you?"))
    echoing(world, delay_s=delay_s, loudness=loudness)
    stage = await world.talk(12.0)
    assert (stage.ducks(), stage.hushes()) == ([], [])
    assert stage.turns == [("user", "Who are you?"), ("agent", ANSWER)]


async def test_somebody_who_speaks_over_the_echo_is_heard() -> None:
    person = Person()
    person.says(3.0, "No wait, stop it at once please.")
    world = World(person, stt=ScriptedStt(text="No wait, stop."), vad=EnergyVad(), tact=QUIET)
    world.at(1.0, lambda: world.engine.read("Who are you?"))
    echoing(world, delay_s=0.15, loudness=0.1)
    stage = await world.talk(12.0)
    assert stage.when(Hushed) < 4.0
    assert stage.turns[2] == ("user", "No wait, stop.")


async def test_thinking_early_takes_the_model_off_the_path() -> None:
    first_sound: list[float] = []
    for tries in (0, 3):
        person = Person()
        ended = person.says(1.0, "tell me where you live now")
        world = World(person, tact=Tact(turn=TurnLimits(early_tries=tries)))
        stage = await world.talk(10.0)
        first_sound.append(stage.when(AgentSound) - ended)
        assert (world.engine.early.tried, world.engine.early.paid) == ((1, 1) if tries else (0, 0))
        assert stage.said[0].timings_ms.get("early", 0.0) == float(bool(tries))
        assert [side for side, _ in stage.turns] == ["user", "agent"]
    assert first_sound[0] - first_sound[1] > 0.29


async def test_what_was_thought_early_in_vain_leaves_no_trace() -> None:
    person = Person()
    person.says(1.0, "tell me where you live", "and where your sister lives", pause_s=0.35)
    world = World(person, answers=lambda text: f"You said: {text}. That is all.")
    stage = await world.talk(12.0)
    assert (world.engine.early.tried, world.engine.early.paid) == (2, 1)
    words = "tell me where you live and where your sister lives"
    assert [occasion.supposing for occasion in stage.asked] == ["tell me where you live", words]
    assert stage.turns == [("user", words), ("agent", f"You said: {words}. That is all.")]
    assert {event.generation for event in stage.all(AgentText) if isinstance(event, AgentText)} == {2}
    assert sounds(stage, 1) == []


async def test_a_recogniser_that_lags_behind_loses_no_words() -> None:
    person = Person()
    person.says(1.0, "tell me where you live", "and where your sister lives", pause_s=0.35)
    stage = await World(person, stt=Streaming(person, delay_s=0.02)).talk(12.0)
    assert stage.turns[0] == ("user", "tell me where you live and where your sister lives")
    assert [side for side, _ in stage.turns] == ["user", "agent"]


async def test_the_words_of_a_pause_are_not_recognised_a_second_time_at_its_end() -> None:
    person = Person()
    person.says(1.0, "Who?")
    stt = Dictation(person)
    stage = await World(person, stt=stt).talk(3.0)
    assert stage.turns[0] == ("user", "Who?")
    assert stt.asked == 1


async def test_twenty_interruptions_in_a_second_are_one() -> None:
    world = World(Person(), tact=QUIET)
    world.at(1.0, lambda: world.engine.read("Who are you?"))
    for number in range(20):
        world.at(3.0 + number / 20, world.engine.interrupt)
    world.at(8.0, world.engine.interrupt)
    stage = await world.talk(10.0)
    assert [hushed.generation for hushed in stage.hushes()] == [1] * 21
    assert sounds(stage, 1)[-1][0] <= 3.0
    assert stage.turns == [("user", "Who are you?"), ("agent", stage.hushes()[0].heard)]
    assert len({hushed.heard for hushed in stage.hushes()}) == 1
    assert 0 < len(stage.hushes()[0].heard) < len(ANSWER)


async def test_an_interruption_while_the_person_speaks_leaves_their_words() -> None:
    person = Person()
    person.says(3.0, "Tell me about the sea.")
    world = World(person)
    world.at(1.0, lambda: world.engine.read("Who are you?"))
    world.at(3.2, world.engine.interrupt)
    stage = await world.talk(14.0)
    assert [side for side, _ in stage.turns] == ["user", "agent", "user", "agent"]
    assert stage.turns[2] == ("user", "Tell me about the sea.")


async def test_the_agent_speaks_up_once_in_each_silence() -> None:
    person = Person()
    person.says(60.0, "Who are you?")
    world = World(person, answers=lambda text: "Are you still there?" if text == "(silence)" else ANSWER)
    stage = await world.talk(150.0)
    assert [occasion.silence_s > 0 for occasion in stage.asked] == [True, False, True]
    assert stage.asked[0].silence_s == pytest.approx(20.0, abs=0.1)
    assert stage.turns == [
        ("agent", "Are you still there?"),
        ("user", "Who are you?"),
        ("agent", ANSWER),
        ("agent", "Are you still there?"),
    ]


async def test_an_open_microphone_in_a_text_conversation_hears_nothing_and_nobody_speaks_up() -> None:
    world = World(Person())
    world.engine = type(world.engine)(world.stage, stt=None, vad=None, tts=None, language="en", voice=None)
    assert (await world.talk(60.0)).asked == []


async def test_the_last_words_survive_a_hang_up_in_the_middle_of_them() -> None:
    person = Person()
    person.says(1.0, "My cat is called Biscuit and I live in Oslo.")
    stage = await World(person, stt=Dictation(person, delay_s=2.0)).talk(2.5)
    [(side, words)] = stage.turns
    assert side == "user"
    assert words.startswith("My cat is called Biscuit and")


async def test_a_tab_that_is_closed_in_the_middle_of_an_answer_misses_nothing_of_it() -> None:
    world = World(Person(), tact=QUIET)
    world.at(1.0, lambda: world.engine.read("Who are you?"))

    async def away() -> None:
        world.engine.away()
        world.engine.away()

    async def back() -> None:
        world.engine.back()
        world.engine.back()

    world.at(3.0, away)
    world.at(9.0, back)
    stage = await world.talk(20.0)
    assert [at_s for at_s, _ in sounds(stage, 1) if 3.0 < at_s < 9.0] == []
    assert sounds(stage, 1)[-1][0] > 9.0
    assert [said.heard for said in stage.said] == [ANSWER]


async def test_a_tab_that_stays_closed_leaves_what_was_heard() -> None:
    world = World(Person(), tact=QUIET)
    world.at(1.0, lambda: world.engine.read("Who are you?"))

    async def away() -> None:
        world.engine.away()

    world.at(3.0, away)
    stage = await world.talk(100.0)
    assert stage.turns[0] == ("user", "Who are you?")
    [(side, heard)] = stage.turns[1:]
    assert side == "agent"
    assert 0 < len(heard) < len(ANSWER)


async def test_a_recogniser_that_fails_again_and_again_ends_the_engine() -> None:
    person = Person()
    for number in range(4):
        person.says(1.0 + 5 * number, "Who are you?")
    stt = Dictation(person)
    stt.broken = True
    world = World(person, stt=stt)
    with pytest.raises(ExceptionGroup) as failed:
        await world.talk(30.0)
    assert [type(error) for error in leaves(failed.value)] == [ProviderUnavailable]
    assert len(world.stage.all(Trouble)) == 3


async def test_two_failures_with_a_success_between_them_are_accidents() -> None:
    person = Person()
    for number in range(6):
        person.says(1.0 + 10 * number, "Who are you?")
    stt = Dictation(person)

    async def toggle() -> None:
        stt.broken = not stt.broken

    world = World(person, stt=stt)
    for at_s in (0.5, 18.0, 28.0, 48.0):
        world.at(at_s, toggle)
    stage = await world.talk(55.0)
    assert len(stage.all(Trouble)) == 4
    assert [text for side, text in stage.turns if side == "user"] == ["Who are you?"] * 2


async def test_states_alternate_as_clients_know_them() -> None:
    person = Person()
    person.says(1.0, "Who are you?")
    person.says(4.0, "No wait, tell me about the sea instead.")
    stage = await World(person).talk(16.0)
    states = [event.state for event in stage.all(StateChanged) if isinstance(event, StateChanged)]
    assert states == ["listening", "thinking", "speaking", "listening", "thinking", "speaking", "listening"]


async def test_sound_of_an_older_reply_never_comes_and_positions_go_back_only_to_what_was_cut() -> None:
    person = Person()
    person.says(1.0, "Who are you?")
    person.says(3.0, "mhm")
    person.coughs(4.0, 1.5)
    person.says(8.0, "No wait, stop it now.")
    stage = await World(person).talk(20.0)
    generations = [event.generation for event in stage.all(AgentSound) if isinstance(event, AgentSound)]
    assert generations == sorted(generations)
    turned_back = 0
    for number in set(generations):
        positions = [event.position for _, event in sounds(stage, number)]
        turned_back += sum(later <= earlier for earlier, later in pairwise(positions))
    assert turned_back == 1
