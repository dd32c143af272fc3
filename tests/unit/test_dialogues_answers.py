"""Sounding conversations in which a short word decides, or an answer fails, in virtual time."""

from collections.abc import AsyncGenerator

import pytest
from tests.dialogue import Person, Stage, World
from tests.virtual_time import anyio_backend, virtual_clock  # noqa: F401 - fixtures

from voicemind.engines.cascade import happenings as on
from voicemind.engines.cascade.run import Tact
from voicemind.engines.cascade.state import TurnLimits
from voicemind.engines.contract import NOW, AgentSound, Hushed, Occasion, Trouble
from voicemind.errors import ProviderUnavailable, leaves
from voicemind.llm.contract import Piece
from voicemind.speech.tts.contract import Sounding
from voicemind.speech.tts.scripted import ScriptedTts

pytestmark = pytest.mark.anyio

QUIET = Tact(turn=TurnLimits(silence_s=0.0))
ASK = "Your table for two is free at eight tonight. Shall I book it?"
TELL = "Your table for two is free at eight tonight. I have booked it."


def users(stage: Stage) -> list[str]:
    return [text for side, text in stage.turns if side == "user"]


async def end_of_the_first_reply(text: str) -> float:
    person = Person()
    person.says(1.0, "Is there a table?")
    stage = await World(person, answers=lambda _: text, tact=QUIET).talk(12.0)
    last = [event for event in stage.all(AgentSound) if isinstance(event, AgentSound)][-1]
    return stage.when(AgentSound) + (last.position + len(last.pcm.samples) // 2) / last.pcm.rate_hz


@pytest.mark.parametrize("before_s", [0.9, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, -0.1])
async def test_a_yes_as_the_question_ends_is_an_answer(before_s: float) -> None:
    ended_s = await end_of_the_first_reply(ASK)
    person = Person()
    person.says(1.0, "Is there a table?")
    person.says(ended_s - before_s, "Yes.")
    stage = await World(person, answers=lambda _: ASK, tact=QUIET).talk(20.0)
    assert stage.turns == [("user", "Is there a table?"), ("agent", ASK), ("user", "Yes."), ("agent", ASK)]


@pytest.mark.parametrize(("text", "before_s"), [(ASK, 2.5), (TELL, 0.9)])
async def test_a_yes_in_the_middle_or_to_no_question_is_a_listeners_sound(text: str, before_s: float) -> None:
    ended_s = await end_of_the_first_reply(text)
    person = Person()
    person.says(1.0, "Is there a table?")
    person.says(ended_s - before_s, "Yes.")
    stage = await World(person, answers=lambda _: text, tact=QUIET).talk(20.0)
    assert stage.turns == [("user", "Is there a table?"), ("agent", text)]


async def test_a_yes_while_the_agent_only_thinks_is_an_answer() -> None:
    person = Person()
    person.says(1.0, "Is there a table?")
    person.says(9.0, "Let me think.")
    person.says(10.4, "Yes.")
    world = World(person, answers=lambda _: ASK, tact=QUIET)
    world.stage.thinking_s = 1.5
    stage = await world.talk(20.0)
    assert users(stage) == ["Is there a table?", "Let me think.", "Yes."]
    assert stage.turns[-1] == ("agent", ASK)


async def test_a_yes_while_the_agent_is_about_to_speak_up_is_an_answer() -> None:
    ended_s = await end_of_the_first_reply(ASK)
    person = Person()
    person.says(1.0, "Is there a table?")
    person.says(ended_s + 6.0, "Yes.")
    world = World(person, answers=lambda _: ASK, tact=Tact(turn=TurnLimits(silence_s=5.0)))
    world.stage.thinking_s = 1.0
    stage = await world.talk(25.0)
    assert [occasion.silence_s > 0 for occasion in stage.asked][:2] == [False, True]
    assert users(stage) == ["Is there a table?", "Yes."]


class BrokenTts(ScriptedTts):
    """Makes no sound."""

    name = "openai"

    async def speak(self, text: str, *, voice: str | None = None, speed: float = 1.0) -> AsyncGenerator[Sounding, None]:
        if text:
            raise ProviderUnavailable("It is broken.", provider=self.name)
        yield await anext(super().speak(text, voice=voice, speed=speed))


async def test_an_early_reply_that_is_forgotten_tells_of_no_failure() -> None:
    person = Person()
    person.says(1.0, "we went home", "and then we slept", pause_s=0.45)
    world = World(person, tts=BrokenTts(), tact=QUIET)
    world.stage.thinking_s = 0.02
    stage = await world.talk(2.9)
    assert len(stage.asked) >= 1
    assert stage.all(Trouble) == []


async def test_a_voice_that_always_fails_ends_the_engine_though_early_replies_are_forgotten() -> None:
    person = Person()
    for number in range(6):
        person.says(1.0 + 10 * number, "we went home", "and we slept", pause_s=0.45)
    world = World(person, tts=BrokenTts(), tact=QUIET)
    with pytest.raises(ExceptionGroup) as failed:
        await world.talk(70.0)
    assert [type(error) for error in leaves(failed.value)] == [ProviderUnavailable]
    assert len(world.stage.all(Trouble)) == 3


class Fails(Stage):
    """Its model fails: at every question, or only while it supposes what the person said."""

    always = True

    async def answer(self, occasion: Occasion = NOW) -> AsyncGenerator[Piece, None]:
        if self.always or occasion.supposing:
            self.asked.append(occasion)
            raise ProviderUnavailable("It is busy.", provider="openai")
        async for piece in super().answer(occasion):
            yield piece


class FailsEarly(Fails):
    always = False


def failing(world: World, stage: type[Stage]) -> World:
    world.stage.__class__ = stage
    return world


class OpenAiVoice(ScriptedTts):
    name = "openai"


async def test_a_language_model_that_fails_is_not_blamed_on_the_voice_of_the_same_provider() -> None:
    person = Person()
    for number in range(5):
        person.says(1.0 + 5 * number, "Who are you?")
    stage = await failing(World(person, tts=OpenAiVoice(), tact=QUIET), Fails).talk(30.0)
    assert len(users(stage)) == 5
    assert len(stage.all(Trouble)) == 5


async def test_an_early_thought_that_failed_does_not_cost_the_answer() -> None:
    person = Person()
    person.says(1.0, "we went home")
    stage = await failing(World(person, tact=QUIET), FailsEarly).talk(10.0)
    assert [bool(occasion.supposing) for occasion in stage.asked][-2:] == [True, False]
    assert [side for side, _ in stage.turns] == ["user", "agent"]
    assert stage.all(Trouble) == []


async def test_an_interruption_while_the_agent_thinks_early_stops_the_answer_and_keeps_the_words() -> None:
    person = Person()
    ended = person.says(1.0, "we went home")
    world = World(person, tact=QUIET)
    world.at(ended + 0.3, world.engine.interrupt)
    stage = await world.talk(12.0)
    assert stage.turns == [("user", "we went home")]
    assert stage.all(AgentSound) == []
    assert len(stage.all(Hushed)) == 1


async def test_a_greeting_survives_a_noise_at_the_beginning() -> None:
    person = Person()
    person.coughs(0.1, 0.3)
    world = World(person, tact=QUIET)
    world.at(0.4, lambda: world.engine.greet("Good day to you."))
    assert (await world.talk(10.0)).turns == [("agent", "Good day to you.")]


async def test_sound_that_is_out_is_not_sent_again_unless_the_client_was_told_to_drop_it() -> None:
    person = Person()
    person.says(1.0, "Who are you?")
    world = World(person, tact=QUIET)
    inbox, noise = world.engine._inbox, 2

    def sound(_: AgentSound) -> None:
        """A noise is noticed in the very moment in which the first sound leaves."""
        world.stage.on_sound = None
        inbox._waiting.appendleft(on.SpeechStarted(noise))
        for happening in (on.SpeechPaused(noise, 40), on.SpeechEnded(noise), on.Recognised(noise, "")):
            inbox.post(happening)

    world.stage.on_sound = sound
    stage = await world.talk(12.0)
    ended, is_dropped = 0, False
    for _, event in stage.seen:
        is_dropped = is_dropped or isinstance(event, Hushed)
        if isinstance(event, AgentSound):
            assert event.position == ended or is_dropped
            ended, is_dropped = event.position + len(event.pcm.samples) // 2, False
    assert ended > 0
