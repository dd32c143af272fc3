"""A conversation is not lost with its voice: where an engine fails the next one takes over, last of all writing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from tests.cutting import Watched, close_code, somebody
from tests.serving import in_process, scripted_settings, strict_process
from tests.talking import talking

from voicemind.assembly.house import House
from voicemind.assembly.voices import Voices
from voicemind.conversation.relay import BuildEngine, Relay
from voicemind.engines.cascade.failures import TOO_MANY
from voicemind.engines.contract import AgentText, Engine, Said, Scene, StateChanged
from voicemind.errors import Misconfigured, ProviderRefused, ProviderUnavailable
from voicemind.mind.agent import Agent
from voicemind.mind.prompt import Channel
from voicemind.speech.audio import INPUT_RATE_HZ
from voicemind.speech.tts.contract import Sounding
from voicemind.speech.tts.scripted import ScriptedTts

pytestmark = pytest.mark.anyio


class Failing:
    """Says one thing, and fails at the next thing that it is asked."""

    quiet = True

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.asked = anyio.Event()
        self.calls: list[str] = []

    async def run(self) -> None:
        await self.scene.show(StateChanged("listening"))
        await self.scene.show(AgentText(3, "I can still"))
        await self.scene.agent_said(Said(3, "I can still speak.", "I can still", interrupted=True))
        async with anyio.create_task_group() as tasks:  # an engine is made of tasks: its error comes in a group
            tasks.start_soon(self.fail)

    async def fail(self) -> None:
        await self.asked.wait()
        raise ProviderUnavailable("The voice is gone.", provider="test")

    async def read(self, text: str, *, message_id: str = "") -> None:
        self.asked.set()

    def hear(self, samples: bytes) -> None: ...

    async def greet(self, text: str) -> None: ...

    async def interrupt(self) -> None: ...

    async def finish(self) -> None: ...

    def close(self) -> None:
        self.calls.append("close")

    def away(self) -> None:
        self.calls.append("away")

    def back(self) -> None:
        self.calls.append("back")

    def played(self, generation: int, ms: float) -> None:
        self.calls.append(f"played {generation} {ms}")


def first_fails(monkeypatch: pytest.MonkeyPatch, *, last: bool = False) -> None:
    """Before the engines that there are comes one that fails; `last`: instead of them."""
    engines = Voices.engines

    def lined_up(self: Voices, agent: Agent, channel: Channel) -> Sequence[BuildEngine]:
        return [Failing] if last else [Failing, refuses, *engines(self, agent, channel)]

    monkeypatch.setattr(Voices, "engines", lined_up)


def refuses(scene: Scene) -> Engine:
    raise ProviderRefused("This language is not spoken.", provider="test")


async def test_the_next_engine_answers_what_the_one_that_failed_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_fails(monkeypatch)
    watch = Watched()
    async with (
        strict_process(tmp_path, {}, watch=watch) as client,
        talking(client, agent="thalia", channel="text", greet=False) as talk,
    ):
        first = await talk.until("agent_response", final=True)
        assert (first["turn"], first["generation"], first["text"]) == (1, 3, "I can still")
        await talk.send(type="text", text="Tell me about the court.", id="one")
        assert (await talk.until("error"))["code"] == "engine_changed"
        transcript = await talk.until("transcript", final=True)
        assert (transcript["id"], transcript["turn"]) == ("one", 2)
        answer = await talk.until("agent_response", final=True)
        assert (answer["turn"], answer["generation"]) == (3, 4), "a reply has the number of an earlier one"
        await talk.send(type="text", text="Tell me about the court.", id="one")
        assert (await talk.until("ack"))["id"] == "one"
    assert watch.changed == ["provider_unavailable"]


class HearsAndFails(Failing):
    """Understands two utterances, and fails before it has answered."""

    async def run(self) -> None:
        await self.scene.show(StateChanged("listening"))
        await self.scene.user_said("Tell me about the court", modality="speech")
        await self.scene.show(StateChanged("thinking"))
        await self.scene.user_said("and about the king.", modality="speech")
        raise ProviderUnavailable("The voice is gone.", provider="test")


@pytest.mark.parametrize("channel", ["voice", "text"])
async def test_what_was_spoken_is_answered_once_by_the_next_engine_and_stays_one_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channel: Channel
) -> None:
    engines = Voices.engines

    def lined_up(self: Voices, agent: Agent, _: Channel) -> Sequence[BuildEngine]:
        return [HearsAndFails, *engines(self, agent, channel)]

    monkeypatch.setattr(Voices, "engines", lined_up)
    async with in_process(tmp_path) as client, talking(client, agent="thalia", greet=False) as talk:
        assert (await talk.until("error"))["code"] == "engine_changed"
        answer = await talk.until("heard")
        assert (answer["turn"], answer["interrupted"]) == (3, False)
        await talk.send(type="text", text="Thank you.")
        assert (await talk.until("heard"))["turn"] == 5
        stored = (await client.get(f"/api/v1/conversations/{talk.conversation_id}/turns")).json()["items"]
    assert [turn["role"] for turn in stored] == ["user", "user", "agent", "user", "agent"]
    assert [turn["generated"] for turn in stored[:2]] == ["Tell me about the court", "and about the king."]
    finals = [data["text"] for kind, data in talk.seen if kind == "transcript" and data["final"]]
    assert finals == ["Tell me about the court", "and about the king.", "Thank you."]


@pytest.mark.parametrize("early_thinking", [True, False])
async def test_words_that_a_broken_voice_left_unanswered_are_answered_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, early_thinking: bool
) -> None:
    speak, watch = ScriptedTts.speak, Watched()

    async def fails_at_first(self: ScriptedTts, text: str, *, voice: str | None = None) -> AsyncGenerator[Sounding]:
        if not watch.changed:
            raise ProviderUnavailable("The voice is gone.", provider="scripted")
        async for piece in speak(self, text, voice=voice):
            yield piece

    monkeypatch.setattr(ScriptedTts, "speak", fails_at_first)
    settings: dict[str, Any] = {"voice_fallback": "scripted/scripted", "scripted_stt_text": "Tell me about the court."}
    async with (
        strict_process(tmp_path, {**settings, "early_thinking": early_thinking}, watch=watch) as client,
        talking(client, binary=True, agent="thalia", greet=False) as talk,
    ):
        await talk.until("state", state="listening")

        async def speak_up() -> None:
            """An utterance between two silences, not faster than it sounds."""
            for frame in utterance():
                await talk.send_sound(frame)
                await anyio.sleep(0.01)

        for spoken in range(1, TOO_MANY + 1):
            async with anyio.create_task_group() as tasks:  # nobody speaks again before they have been silent
                tasks.start_soon(speak_up)
                assert (await talk.until("transcript", final=True))["text"] == "Tell me about the court."
                assert (await talk.until("error"))["code"] == "provider_unavailable"
                if spoken < TOO_MANY:
                    await talk.until("state", state="listening")
        assert (await talk.until("error"))["code"] == "engine_changed"
        answer = await talk.until("heard")
        stored = (await client.get(f"/api/v1/conversations/{talk.conversation_id}/turns")).json()["items"]
    assert [turn["role"] for turn in stored].count("user") == TOO_MANY, "it was recognised or stored once more"
    assert stored[-1]["seq"] == answer["turn"]
    assert stored[-1]["role"] == "agent"
    assert answer["text"]


def utterance() -> list[bytes]:
    """Something that the energy detector takes for a voice, in frames of 20 ms."""
    noise = np.random.default_rng(1).normal(0, 6000, INPUT_RATE_HZ).clip(-32000, 32000).astype("<i2").tobytes()
    sound = bytes(INPUT_RATE_HZ) + noise + bytes(INPUT_RATE_HZ * 3)
    return [sound[start : start + 640] for start in range(0, len(sound), 640)]


async def test_a_session_whose_last_engine_fails_says_so_and_its_conversation_can_be_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with in_process(tmp_path) as client:
        with monkeypatch.context() as patch:
            first_fails(patch, last=True)
            async with somebody(client, agent="thalia", channel="text", greet=False) as person:
                await person.talk.send(type="text", text="Hello", id="one")
                assert (await person.talk.until("error"))["code"] == "provider_unavailable"
                assert await close_code(person.talk) == 1011
        async with talking(
            client, agent="thalia", channel="text", greet=False, conversation_id=person.talk.conversation_id
        ) as again:
            await again.send(type="text", text="Hello", id="one")
            assert (await again.until("agent_response", final=True))["turn"] == 3


def test_an_engine_that_takes_over_knows_that_nobody_listens_and_hears_of_its_own_replies_alone() -> None:
    built: list[Failing] = []

    def build(scene: Scene) -> Failing:
        built.append(Failing(scene))
        return built[-1]

    class Stage:
        async def user_said(self, text: str, **_: object) -> None: ...

    relay = Relay(Stage(), [build, build])  # type: ignore[arg-type] # nothing of it is used
    assert relay.numbered(AgentText(2, "x")) == AgentText(2, "x")
    relay.away()
    assert relay.next()
    assert relay.numbered(AgentText(1, "y")) == AgentText(3, "y")
    relay.played(2, 10)
    relay.played(3, 20)
    assert [engine.calls for engine in built] == [["away", "close"], ["away", "played 1 20"]]
    assert not relay.next()


@pytest.mark.parametrize("pairs", ["scripted", "scripted/nothing", "nothing/scripted"])
def test_a_fall_back_that_does_not_exist_stops_the_start(tmp_path: Path, pairs: str) -> None:
    with pytest.raises(Misconfigured) as stopped:
        House.build(scripted_settings(tmp_path, voice_fallback=pairs))
    assert stopped.value.setting == "VOICEMIND_VOICE_FALLBACK"


async def test_the_voices_of_a_fall_back_take_over_and_after_them_comes_writing(tmp_path: Path) -> None:
    house = House.build(scripted_settings(tmp_path, voice_fallback="scripted/scripted"))
    assert len(house.voices.engines(house.agents["thalia"], "voice")) == 3
    assert len(house.voices.engines(house.agents["thalia"], "text")) == 1
    assert house.voices.stand_ins == ()
    house = House.build(scripted_settings(tmp_path, stt="moonshine", voice_fallback="scripted/scripted"))
    (stand_in,) = house.voices.stand_ins
    assert "scripted" in stand_in.name
