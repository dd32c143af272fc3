"""What a person sees of a conversation in the terminal, and what the keys do."""

from __future__ import annotations

import os
import struct
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import anyio
import pytest
import typer
from rich.console import Console
from rich.status import Status

from voicemind.channels.browser import events
from voicemind.cli import talk as talk_command
from voicemind.cli.answers import ReplySound, ServerEvent
from voicemind.cli.caller import Talk
from voicemind.cli.chat import Chat
from voicemind.cli.keyboard import Keyboard
from voicemind.cli.running import OUR_TROUBLE, plain_errors
from voicemind.cli.talk import FRAME_BYTES, Hearing, exchange, frames_of, recorded
from voicemind.errors import BadAudio, BadRequest, ProviderUnavailable
from voicemind.speech.audio import Pcm, write_wav


class Line(Talk):
    """A conversation without a server: it keeps what the person did."""

    def __init__(self) -> None:
        self.did: list[str] = []

    async def say(self, text: str) -> None:
        self.did.append(text)

    async def interrupt(self) -> None:
        self.did.append("<interrupt>")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


async def _events(*events: ServerEvent) -> AsyncGenerator[ServerEvent]:
    for event in events:
        await anyio.lowlevel.checkpoint()
        yield event


@pytest.mark.anyio
async def test_lines_are_read_as_they_were_typed_until_there_are_no_more(pipe: tuple[int, int]) -> None:
    keyboard = Keyboard(pipe[0])
    os.write(pipe[1], "Hello\nGrüße, 世界\nno end".encode())
    os.close(pipe[1])

    with anyio.fail_after(30):
        assert [await keyboard.line() for _ in range(4)] == ["Hello", "Grüße, 世界", "no end", None]


@pytest.mark.anyio
async def test_waiting_for_a_line_can_be_given_up(pipe: tuple[int, int]) -> None:
    with anyio.fail_after(30), anyio.move_on_after(0.01) as waiting:
        await Keyboard(pipe[0]).line()
    os.close(pipe[1])

    assert waiting.cancelled_caught


@pytest.mark.anyio
async def test_a_line_is_sent_only_after_the_answer_to_the_one_before(pipe: tuple[int, int]) -> None:
    line = Line()
    chat = Chat(line)
    os.write(pipe[1], b"one\ntwo\n/end\n")
    os.close(pipe[1])
    turns = [
        events.Ready("s", "c", "c", "a", "Mara", "text", 16_000, 16_000),
        events.AgentResponse("Hello.", final=True, generation=0),
        events.State("listening"),
    ]
    send, receive = anyio.create_memory_object_stream[ServerEvent](20)

    async def relayed() -> AsyncGenerator[ServerEvent]:
        async with receive:
            async for event in receive:
                yield event

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks, send:
            tasks.start_soon(chat.show, relayed())
            tasks.start_soon(chat.read, Keyboard(pipe[0]))
            for event in turns:
                await send.send(event)
            await anyio.wait_all_tasks_blocked()
            assert line.did == ["one"]
            await send.send(events.State("listening"))  # of the greeting, late
            await anyio.wait_all_tasks_blocked()
            assert line.did == ["one"]
            await send.send(events.Transcript("one", final=True))
            await send.send(events.AgentResponse("First.", final=True, generation=1))
            await anyio.wait_all_tasks_blocked()
            assert line.did == ["one", "two"]
            tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_growing_reply_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    chat = Chat(Line())
    texts = ["I", "I hear", "I hear you [bold]."]

    with anyio.fail_after(30):
        await chat.show(_events(*(events.AgentResponse(text, final=text == texts[-1], generation=1) for text in texts)))

    assert capsys.readouterr().out.endswith("› I hear you [bold].\n")
    assert chat.is_over


@pytest.mark.anyio
async def test_ctrl_c_interrupts_and_twice_leaves(pipe: tuple[int, int]) -> None:
    now = 100.0
    line = Line()
    chat = Chat(line, clock=lambda: now)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat.read, Keyboard(pipe[0]))
            await chat.interrupt()
            now += 10
            await chat.interrupt()
            await anyio.wait_all_tasks_blocked()
            now += 1
            await chat.interrupt()
    os.close(pipe[1])

    assert line.did == ["<interrupt>", "<interrupt>"]


def test_a_recording_ends_in_a_second_of_silence_and_whole_frames() -> None:
    frames = frames_of(Pcm(struct.pack("<100h", *[7] * 100), 16_000))

    assert {len(frame) for frame in frames} == {FRAME_BYTES}
    assert b"".join(frames)[200:] == bytes(len(frames) * FRAME_BYTES - 200)
    assert len(frames) == 51


def test_a_recording_of_any_rate_arrives_as_a_recogniser_wants_it(tmp_path: Path) -> None:
    file = tmp_path / "speech.wav"
    file.write_bytes(write_wav(Pcm(bytes(48_000 * 2), 48_000)))

    assert recorded(file).rate_hz == 16_000


def test_a_recording_that_is_none_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "speech.wav"
    file.write_bytes(b"ID3 this is music")

    with pytest.raises(BadAudio, match=r"speech\.wav.*not a PCM WAV"):
        recorded(file)
    with pytest.raises(BadRequest, match="No such file"):
        recorded(tmp_path / "missing.wav")


def _hearing(*events: ServerEvent) -> Hearing:
    hearing = Hearing(Status("", console=Console(quiet=True)))
    for event in events:
        hearing.notice(event)
    return hearing


READY = events.Ready("s", "c", "c", "a", "Mara", "voice", 16_000, 24_000)
SPOKEN = events.Transcript("My cat is called Biscuit.", final=True, turn=1)
ANSWER = events.AgentResponse("What a name!", final=True, generation=1, turn=2)
SOUND = ReplySound(Pcm(b"\x01\x00" * 480, 24_000), 1, 0)
LISTENING = events.State("listening")


def test_the_answer_is_complete_when_its_text_is_final_and_the_agent_listens_again() -> None:
    hearing = _hearing(READY, LISTENING, SPOKEN)
    hearing.all_sent()
    assert hearing.understood.is_set()

    hearing.notice(SOUND)
    hearing.notice(LISTENING)
    assert not hearing.answered.is_set()

    hearing.notice(ANSWER)
    hearing.notice(LISTENING)
    assert hearing.answered.is_set()
    assert hearing.sound() == Pcm(SOUND.pcm.samples, 24_000)


def test_an_answer_in_the_middle_of_the_recording_is_not_the_end() -> None:
    hearing = _hearing(READY, LISTENING, SPOKEN, ANSWER, LISTENING, SPOKEN)
    hearing.all_sent()
    hearing.notice(LISTENING)

    assert not hearing.answered.is_set()


def test_silence_is_not_taken_for_speech() -> None:
    hearing = _hearing(READY, LISTENING)
    hearing.all_sent()

    assert not hearing.understood.is_set()


def test_another_engine_does_not_end_the_waiting() -> None:
    hearing = _hearing(READY, events.Error("I have to go on in another way.", "engine_changed"), LISTENING)

    assert hearing.ready.is_set()


def test_trouble_at_the_server_ends_the_waiting() -> None:
    with pytest.raises(ProviderUnavailable, match="The voice is broken"):
        _hearing(READY, events.Error("The voice is broken.", "provider_unavailable"))


@pytest.mark.anyio
@pytest.mark.parametrize("limit", ["WAKING_LIMIT_S", "ANSWER_LIMIT_S"])
async def test_a_server_that_keeps_somebody_waiting_too_long_is_told_in_one_line(
    limit: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(talk_command, limit, 0.01)

    class Deaf(Line):
        @property
        def is_live(self) -> bool:
            return True

        async def hear(self, samples: bytes) -> None:
            await anyio.sleep_forever()

    async def told() -> AsyncGenerator[ServerEvent]:
        if limit == "ANSWER_LIMIT_S":
            yield LISTENING
        await anyio.sleep_forever()

    hearing = _hearing()
    with anyio.fail_after(20), pytest.raises(typer.Exit) as left, plain_errors():
        await exchange(Deaf(), told(), hearing, pcm=Pcm(b"", 16_000), speed=1.0)
    assert left.value.exit_code == OUR_TROUBLE
    assert "came in time" in capsys.readouterr().err
