"""What is kept as heard where clients tell how far they have played, in virtual time."""

from __future__ import annotations

import pytest
from tests.dialogue import Person, Stage, World
from tests.virtual_time import anyio_backend, virtual_clock  # noqa: F401 - fixtures

from voicemind.engines.cascade.run import Tact
from voicemind.engines.cascade.state import TurnLimits
from voicemind.engines.contract import AgentSound

pytestmark = pytest.mark.anyio

ANSWER = "I am glad that you ask me this, and I will tell you all about it now."
QUIET = Tact(turn=TurnLimits(silence_s=0.0))


async def talk_with_a_client_that_tells(share: float | None, *, answer: str = ANSWER) -> Stage:
    """It plays so much of the sound and then no more, and tells ten times in a second; None: it never tells."""
    person = Person()
    person.says(1.0, "Who are you?")
    world = World(person, answers=lambda _: answer, tact=QUIET)

    async def tell() -> None:
        sounds = [event for event in world.stage.all(AgentSound) if isinstance(event, AgentSound)]
        if share is None or not sounds:
            return
        since_ms = (world.stage.now_s - world.stage.when(AgentSound)) * 1000
        world.engine.played(sounds[-1].generation, min(since_ms, share * 60 * len(answer)))

    for number in range(150):
        world.at(number / 10, tell)
    return await world.talk(15.0)


@pytest.mark.parametrize("answer", [ANSWER, "I am Joe."])
async def test_of_a_reply_that_a_client_tells_never_sounded_nothing_is_kept(answer: str) -> None:
    stage = await talk_with_a_client_that_tells(0.0, answer=answer)

    assert stage.all(AgentSound)
    assert "".join(said.heard for said in stage.said) in {"", "I"}
    assert all(said.interrupted for said in stage.said)


async def test_of_a_reply_whose_sound_stopped_in_the_middle_only_the_beginning_is_kept() -> None:
    [said] = (await talk_with_a_client_that_tells(0.5)).said

    assert ANSWER.startswith(said.heard)
    assert 0.4 < len(said.heard) / len(ANSWER) < 0.65
    assert said.interrupted


@pytest.mark.parametrize("share", [None, 0.95, 1.0])
async def test_a_reply_that_was_played_to_its_end_is_kept_as_heard(share: float | None) -> None:
    [said] = (await talk_with_a_client_that_tells(share)).said

    assert (said.heard, said.interrupted) == (ANSWER, False)
