"""A reply on its way: ahead of time, held, gone on with, and never further than what was heard."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from voicemind.clock import monotonic_s
from voicemind.engines.cascade.speak import SpokenReply
from voicemind.engines.contract import NOW, AgentSound, AgentText, Event, Occasion, Said
from voicemind.llm.contract import Piece, TextDelta
from voicemind.speech.tts.contract import Tts
from voicemind.speech.tts.scripted import ScriptedTts
from voicemind.store.values import Modality

pytestmark = pytest.mark.anyio

STORY = "Once there was a king. He lived by the sea. Nobody knew his name. He liked it so. The harbour was his. "


class Stage:
    """A scene that remembers what was shown."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.news = anyio.Event()

    async def user_said(self, text: str, *, modality: Modality, message_id: str = "") -> None:
        raise NotImplementedError

    def answer(self, occasion: Occasion = NOW) -> AsyncGenerator[Piece, None]:
        raise NotImplementedError

    async def agent_said(self, said: Said) -> None:
        raise NotImplementedError

    async def show(self, event: Event) -> None:
        self.events.append(event)
        self.news.set()
        self.news = anyio.Event()

    @property
    def frames(self) -> list[AgentSound]:
        return [event for event in self.events if isinstance(event, AgentSound)]

    @property
    def words(self) -> str:
        return next((event.text for event in reversed(self.events) if isinstance(event, AgentText)), "")

    async def until_frames(self, count: int) -> None:
        with anyio.fail_after(10):
            while len(self.frames) < count:
                await self.news.wait()


class Speaker:
    """A model that counts how much of its answer was asked for."""

    def __init__(self, text: str = STORY, *, times: int = 1) -> None:
        self.pieces = text.split(" ") * times
        self.taken = 0

    async def answer(self) -> AsyncGenerator[Piece, None]:
        for piece in self.pieces:
            self.taken += 1
            yield TextDelta(piece + " ")


def reply_to(stage: Stage, *, tts: Tts | None, waits: bool = False) -> SpokenReply:
    now = monotonic_s()
    return SpokenReply(3, scene=stage, tts=tts, voice=None, asked_at=now, heard_at=now, waits=waits)


@asynccontextmanager
async def running(reply: SpokenReply, speaker: Speaker) -> AsyncGenerator[list[int]]:
    """The reply runs meanwhile; yields how often it said that it sounds. What is left of it is cancelled."""
    sounded: list[int] = []

    async def sounding() -> None:
        sounded.append(1)

    async def run() -> None:
        with reply.scope:
            await reply.run(speaker.answer(), sounding)
        reply.over.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield sounded
        reply.scope.cancel()


@pytest.fixture(params=["voice", "text"])
def tts(request: pytest.FixtureRequest) -> Tts | None:
    return ScriptedTts() if request.param == "voice" else None


async def test_a_reply_is_shown_and_sounded_to_its_end(tts: Tts | None) -> None:
    stage, speaker = Stage(), Speaker("Good day.")
    reply = reply_to(stage, tts=tts)

    async with running(reply, speaker) as sounded:
        with anyio.fail_after(10):
            await reply.over.wait()

    assert stage.words.strip() == reply.said.heard == reply.said.generated == "Good day."
    assert not reply.said.interrupted
    assert sounded == [1]
    assert "early" not in reply.said.timings_ms


async def test_a_reply_that_waits_leaves_no_trace_before_it_is_released(tts: Tts | None) -> None:
    stage, speaker = Stage(), Speaker(times=200)
    reply = reply_to(stage, tts=tts, waits=True)

    async with running(reply, speaker) as sounded:
        await anyio.wait_all_tasks_blocked()
        assert 0 < speaker.taken < len(speaker.pieces) / 2
        assert (stage.events, sounded, reply.said.heard) == ([], [], "")

    assert (stage.events, sounded, reply.said.heard) == ([], [], "")
    assert reply.said.interrupted


async def test_a_reply_that_is_released_sounds_at_once_and_knows_that_it_came_early(tts: Tts | None) -> None:
    stage, speaker = Stage(), Speaker("Good day.")
    reply = reply_to(stage, tts=tts, waits=True)

    async with running(reply, speaker):
        await anyio.wait_all_tasks_blocked()
        now = monotonic_s()
        reply.release(asked_at=now - 0.5, heard_at=now - 0.3, endpoint_ms=450.0)
        with anyio.fail_after(10):
            await reply.over.wait()

    said = reply.said
    assert said.heard == "Good day."
    assert said.timings_ms["early"] == 1
    assert said.timings_ms["endpoint"] == 450
    assert said.timings_ms["heard"] == 200
    assert said.timings_ms["thought_first"] >= 0


async def test_a_held_reply_makes_no_sound_and_goes_on_where_it_was_cut() -> None:
    stage, speaker = Stage(), Speaker()
    reply = reply_to(stage, tts=ScriptedTts())

    async with running(reply, speaker):
        await stage.until_frames(30)
        heard = reply.hold()
        assert heard
        assert STORY.startswith(heard)
        assert reply.hold() == heard
        count = len(stage.frames)
        await anyio.wait_all_tasks_blocked()
        assert len(stage.frames) == count

        reply.go_on()
        await stage.until_frames(count + 1)
        again = stage.frames[count]
        sent = stage.frames[count - 1].position
        assert again.position <= sent, "the client threw away what it had not played"
        with anyio.fail_after(20):
            await reply.over.wait()

    assert reply.said.heard == STORY.strip()
    positions = [frame.position for frame in stage.frames[count:]]
    sizes = [len(frame.pcm.samples) // 2 for frame in stage.frames[count:]]
    assert all(later == earlier + size for earlier, later, size in zip(positions, positions[1:], sizes, strict=False))


async def test_a_reply_that_is_held_long_does_not_think_on_for_ever(tts: Tts | None) -> None:
    stage, speaker = Stage(), Speaker(times=200)
    reply = reply_to(stage, tts=tts)

    reply.hold()
    async with running(reply, speaker) as sounded:
        await anyio.wait_all_tasks_blocked()
        assert 0 < speaker.taken < len(speaker.pieces) / 2
        assert (stage.events, sounded) == ([], [])
        reply.go_on()
        while not stage.words:
            with anyio.fail_after(30):
                await stage.news.wait()
