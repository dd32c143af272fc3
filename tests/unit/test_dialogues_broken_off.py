"""Spoken conversations in which the sound breaks off, or does not end at all, in virtual time."""

import asyncio

import anyio
import pytest
from tests.dialogue import Dictation, Person, Stage, World
from tests.virtual_time import anyio_backend, virtual_clock  # noqa: F401 - fixtures

from voicemind.engines.cascade.run import Tact
from voicemind.engines.cascade.state import TurnLimits
from voicemind.engines.contract import AgentSound, Hushed

pytestmark = pytest.mark.anyio

QUIET = Tact(turn=TurnLimits(silence_s=0.0))
ANSWER = "I am glad that you ask me this, and I will tell you all about it now."
LONG = "This is a very long answer that goes on and on. " * 12


async def talk_until(world: World, off_s: float, *, for_s: float = 30.0, on_s: float | None = None) -> Stage:
    """Live for so long; the microphone sends nothing from `off_s` until `on_s`."""
    stage = world.stage
    stage.began_s = asyncio.get_running_loop().time()
    with anyio.fail_after(for_s + 60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.engine.run)
            for at_s, act in world.plan:
                tasks.start_soon(world.later, at_s, act)
            for number in range(round(for_s * 50)):
                await anyio.sleep(max(0.0, (number + 1) / 50 - stage.now_s))
                if number / 50 < off_s or (on_s is not None and number / 50 >= on_s):
                    world.engine.hear(world.person.frame(number).tobytes())
            tasks.cancel_scope.cancel()
    world.engine.close()
    return stage


@pytest.mark.parametrize("after_s", [-0.1, 0.02, 0.06, 0.15, 0.4])
async def test_words_are_answered_where_the_microphone_is_muted_right_behind_them(after_s: float) -> None:
    person = Person()
    ended = person.says(1.0, "What time is it now?")
    stage = await talk_until(World(person, tact=QUIET), ended + after_s)
    assert [side for side, _ in stage.turns] == ["user", "agent"]
    assert stage.turns[0] == ("user", "What time is it now?")
    assert stage.when(AgentSound) < ended + 2.0


async def test_a_typed_question_is_answered_where_the_microphone_was_muted_in_the_middle_of_a_sentence() -> None:
    person = Person()
    person.says(1.0, "What time is it now?")
    world = World(person, tact=QUIET)
    world.at(8.0, lambda: world.engine.read("I typed this."))
    stage = await talk_until(world, 1.7)
    assert [side for side, _ in stage.turns] == ["user", "agent", "user", "agent"]
    assert stage.turns[2] == ("user", "I typed this.")


async def test_sound_that_comes_late_for_a_moment_cuts_no_sentence_in_two() -> None:
    person = Person()
    person.says(1.0, "tell me", "where you live", pause_s=0.9)
    world = World(person, tact=QUIET)
    stage = await talk_until(world, 1.5, on_s=2.3, for_s=12.0)
    assert [text for side, text in stage.turns if side == "user"] == ["tell me where you live"]


async def test_a_microphone_that_comes_back_is_heard_again() -> None:
    person = Person()
    person.says(1.0, "What time is it now?")
    person.says(15.0, "And where are we?")
    stage = await talk_until(World(person, tact=QUIET), 1.8, on_s=14.0)
    assert [side for side, _ in stage.turns] == ["user", "agent", "user", "agent"]
    assert stage.turns[2] == ("user", "And where are we?")


def said_words(stage: Stage) -> list[str]:
    return [word for side, text in stage.turns if side == "user" for word in text.split()]


async def test_nothing_of_a_speech_without_end_is_lost() -> None:
    person = Person()
    words = [f"w{number}" for number in range(560)]  # 134 s
    person.says(1.0, " ".join(words))
    stage = await World(person, tact=QUIET).talk(145.0)
    assert list(dict.fromkeys(said_words(stage))) == words
    assert len(said_words(stage)) <= len(words) + 2  # where it is cut in the middle of a word both parts have it


async def test_a_long_speech_is_cut_at_a_pause() -> None:
    person = Person()
    halves = [" ".join(f"{side}{number}" for number in range(220)) for side in "ab"]  # 53 s each
    person.says(1.0, *halves, pause_s=0.3)
    stage = await World(person, tact=QUIET).talk(120.0)
    assert [text for side, text in stage.turns if side == "user"] == halves


async def test_a_typed_question_is_answered_though_a_radio_talks() -> None:
    person = Person()
    person.says(1.0, " ".join(f"w{number}" for number in range(240)))
    world = World(person, tact=QUIET)
    world.at(5.0, lambda: world.engine.read("What time is it?"))
    stage = await world.talk(55.0)
    assert stage.turns[:2] == [("user", "What time is it?"), ("agent", ANSWER)]
    assert stage.when(AgentSound) < 7.0


class AtTheEnd(Dictation):
    """Tells no words before the end, as a service to which whole clips are sent."""

    whole_partials = False  # type: ignore[assignment] # it is a Dictation in everything else

    async def partial_words(self, numbers: list[int]) -> str:
        return ""


async def test_a_recogniser_without_partials_does_not_let_the_agent_talk_over_a_long_sentence() -> None:
    person = Person()
    person.says(1.0, "Who are you?")
    ended = person.says(6.0, " ".join(f"word{number}" for number in range(30)))
    stage = await World(person, answers=lambda _: LONG, stt=AtTheEnd(person), tact=QUIET).talk(20.0)
    hushed = stage.when(Hushed)
    assert hushed < 7.5
    assert [at_s for at_s, event in stage.seen if isinstance(event, AgentSound) and hushed + 0.1 < at_s < ended] == []


async def test_words_after_a_long_noise_interrupt() -> None:
    person = Person()
    person.says(1.0, "Who are you?")
    quiet_s = person.coughs(6.0, 5.0)
    person.says(quiet_s, "please stop talking now because I have to tell you something")
    stage = await World(person, answers=lambda _: LONG, tact=QUIET).talk(20.0)
    assert any(quiet_s < at_s < quiet_s + 1.2 for at_s, event in stage.seen if isinstance(event, Hushed))
