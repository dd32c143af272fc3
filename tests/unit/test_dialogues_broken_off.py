"""Spoken conversations in which the sound breaks off, or does not end at all, in virtual time."""

import asyncio

import anyio
import pytest
from tests.dialogue import Person, Stage, World
from tests.virtual_time import anyio_backend, virtual_clock  # noqa: F401 - fixtures

from voicemind.engines.cascade.run import Tact
from voicemind.engines.cascade.state import TurnLimits
from voicemind.engines.contract import AgentSound

pytestmark = pytest.mark.anyio

QUIET = Tact(turn=TurnLimits(silence_s=0.0))


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
