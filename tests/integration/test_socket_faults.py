"""Faults 11 to 19 of `/voice-conversation`: floods, slow readers, dead peers, early and late messages."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from tests.cutting import Numbered, Watched, close_code, somebody
from tests.serving import in_process, strict_process
from tests.talking import Talk, end, opened, talking
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicemind.channels.browser.guard import Limits
from voicemind.ops.sockets import SocketPatience

pytestmark = pytest.mark.anyio

SECOND = bytes(32_000)
LETTERS = "abcdefgh"
LONG = " ".join(f"Harbour{one}{two}." for one in LETTERS for two in LETTERS)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path) as client:
        yield client


async def test_sound_that_comes_much_faster_than_speech_is_a_flood(client: httpx.AsyncClient) -> None:
    async with (
        talking(client, agent="thalia", channel="text", greet=False) as other,
        talking(client, binary=True, agent="thalia", greet=False) as talk,
    ):
        for _ in range(17):
            await talk.send_sound(SECOND)
        assert (await talk.until("error"))["code"] == "rate_limited"
        assert await close_code(talk) == 1008
        await other.send(type="text", text="Hello")
        assert (await other.until("agent_response", final=True))["text"]


async def test_a_thousand_messages_at_once_are_a_flood(client: httpx.AsyncClient) -> None:
    async with talking(client, agent="thalia", channel="text", greet=False) as talk:
        for _ in range(1100):
            await talk.send(type="played", generation=1, ms=1)
        assert (await talk.until("error"))["code"] == "rate_limited"
        assert await close_code(talk) == 1008


async def test_a_recording_at_two_and_a_half_times_its_speed_is_no_flood(tmp_path: Path) -> None:
    async with (
        strict_process(tmp_path, {}, limits=Limits(window_s=0.5)) as client,
        talking(client, binary=True, agent="thalia", greet=False) as talk,
    ):
        for _ in range(120):
            await anyio.sleep(0.02 / 2.5)  # who is late does not catch up: that would be faster than it is meant to be
            await talk.send_sound(bytes(640))
        await talk.send(type="text", text="Hello")
        assert (await talk.until("agent_response", final=True))["text"]


async def test_who_abuses_a_session_does_not_keep_its_place(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, max_concurrent_sessions=1) as client,
        talking(client, agent="thalia", channel="text", greet=False) as talk,
    ):
        for _ in range(10):
            await talk.socket.send("nonsense")
        assert await close_code(talk) == 1008
        async with talking(client, agent="thalia", channel="text", greet=False) as other:
            await other.send(type="text", text="Hello")
            assert (await other.until("agent_response", final=True))["text"]


async def test_nothing_is_taken_after_the_end(client: httpx.AsyncClient) -> None:
    async with talking(client, binary=True, agent="counsellor", greet=False) as talk:
        await talk.send(type="text", text="My cat is called Biscuit.")
        await talk.until("agent_response", final=True)
        await talk.send(type="end")
        for _ in range(30):
            await talk.send_sound(bytes(640))
        await talk.send(type="text", text="One more thing.")
        complete = await talk.until("complete")
        assert complete["turns"] == 2
        assert await close_code(talk) == 1000
        codes = [data["code"] for kind, data in talk.seen if kind == "error"]
        assert set(codes) <= {"already_ended"}
    assert (await end(client, talk.conversation_id)).json()["transcript_length"] == 2


async def test_who_ends_before_being_asked_in_leaves_nothing_behind(client: httpx.AsyncClient) -> None:
    session = await opened(client, agent="thalia", channel="text", greet=False)
    async with connect(session["wsUrl"]) as ws:
        talk = Talk(ws, session["conversationId"])
        await talk.send(type="end")
        await talk.until("ready")
        assert (await talk.until("complete"))["reason"] == "end"
        assert await close_code(talk) == 1000


async def test_fifty_who_connect_and_drop_at_once_leave_nothing_behind(tmp_path: Path) -> None:
    watch = Watched()
    async with strict_process(
        tmp_path, {"detached_s": 0, "max_concurrent_sessions": 5, "queue_places": 50}, watch=watch
    ) as client:
        sessions = [await opened(client, agent="thalia", channel="text") for _ in range(50)]

        async def drop(url: str, politely: bool) -> None:
            async with connect(url) as ws:
                if politely:
                    await ws.recv()
                ws.transport.abort()

        async with anyio.create_task_group() as tasks:
            for number, session in enumerate(sessions):
                tasks.start_soon(drop, session["wsUrl"], number % 2 == 0)
        async with talking(client, agent="thalia", channel="text", greet=False) as talk:
            await talk.send(type="end")
            await talk.until("complete")
        await watch.until(lambda: len(watch.ended) == len(watch.started))
        assert sorted(set(watch.ended)) == ["end", "gone"]
        assert watch.queue[-1:] in ([], [0])


async def test_a_client_that_reads_nothing_loses_its_line_and_no_word(tmp_path: Path) -> None:
    watch, patience = Watched(), SocketPatience(unread_s=1, closing_s=30, buffer_bytes=4096)
    async with strict_process(tmp_path, {}, sockets=patience, watch=watch) as client:
        session = await opened(client, agent="thalia", greet=False)
        url = session["wsUrl"] + "&sequence=1"
        async with deaf(url) as ws:
            talk = Numbered(ws, session["conversationId"])
            ready = await talk.until("ready")
            await talk.send(type="text", text=LONG)
            async with talking(client, agent="thalia", channel="text", greet=False) as other:
                await watch.until(lambda: watch.lost == [ready["sessionId"]])
                await other.send(type="text", text="Hello")
                assert (await other.until("agent_response", final=True))["text"]
            assert await close_code(talk) == 1013
        async with connect(url + "&resume=1", max_size=None, max_queue=None) as ws:
            again = Numbered(ws, session["conversationId"])
            await again.send(
                type="resume", sessionId=ready["sessionId"], secret=ready["secret"], sequence=talk.numbers[-1]
            )
            await again.until("resumed")
            await again.send(type="interrupt")
            await again.until("heard")
    seen = talk.seen + again.seen
    assert [data["text"] for kind, data in seen if kind == "transcript" and data["final"]] == [LONG]
    numbers = talk.numbers + again.numbers
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_client_that_takes_sound_too_slowly_is_given_up_though_it_reads(tmp_path: Path) -> None:
    watch, limits = Watched(), Limits(queued_s=0.2, behind_s=0.2)
    patience = SocketPatience(unread_s=60, closing_s=30, buffer_bytes=4096)
    async with strict_process(tmp_path, {}, sockets=patience, limits=limits, watch=watch) as client:
        session = await opened(client, agent="thalia", greet=False)
        async with deaf(session["wsUrl"] + "&sequence=1") as ws:
            talk = Numbered(ws, session["conversationId"])
            await talk.until("ready")
            await talk.send(type="text", text=LONG)
            assert await close_code_slowly(talk) == 1013


async def test_a_dead_peer_is_noticed_by_its_silence_and_its_session_waits(tmp_path: Path) -> None:
    watch, patience = Watched(), SocketPatience(ping_s=0.1, pong_s=2)
    async with (
        strict_process(tmp_path, {}, sockets=patience, watch=watch) as client,
        somebody(client, agent="thalia", channel="text", greet=False) as person,
    ):
        await person.talk.until("state", state="listening")
        person.talk.socket.transport.pause_reading()  # nothing is answered any more, not even a ping
        await watch.until(lambda: watch.lost == [person.ready["sessionId"]])
        async with person.back() as again:
            await again.until("resumed")
        person.talk.cut()


async def test_what_the_client_counted_reaches_whoever_watches(tmp_path: Path) -> None:
    watch = Watched()
    async with (
        strict_process(tmp_path, {}, watch=watch) as client,
        talking(client, agent="thalia", channel="text", greet=False) as talk,
    ):
        await talk.send(type="metrics", underruns=2, gapMs=80)
        await talk.send(type="end")
        await talk.until("complete")
    assert watch.dry == [(2, 80.0)]
    assert watch.ended == ["end"]


async def test_every_interruption_is_acknowledged_even_where_there_is_nothing_to_interrupt(
    client: httpx.AsyncClient,
) -> None:
    async with talking(client, agent="thalia", greet=False) as talk:
        for _ in range(20):
            await talk.send(type="interrupt")
        for _ in range(20):
            await talk.until("interrupted")
        await talk.send(type="text", text=LONG)
        await talk.until("state", state="speaking")
        for _ in range(20):
            await talk.send(type="interrupt")
        for _ in range(20):
            await talk.until("interrupted")
        await talk.send(type="end")
        await talk.until("complete")
    late = [kind for kind, _ in talk.seen[-21:] if kind == "audio_chunk"]
    assert late == []


@asynccontextmanager
async def deaf(url: str) -> AsyncIterator[ClientConnection]:
    """A client with hardly any room for what it does not read."""
    place = urlsplit(url)
    assert place.hostname is not None
    ears = socket.socket()
    ears.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ears.connect((place.hostname, place.port or 80))
    ears.setblocking(False)  # noqa: FBT003 - its name says it
    async with connect(url, sock=ears, max_queue=1, max_size=None) as ws:
        yield ws


async def close_code_slowly(talk: Talk) -> int:
    """The close code, for a client that needs twice as long for sound as it lasts: 200 ms come together at most."""
    try:
        while True:
            kind, _ = await talk.next()
            if kind == "audio_chunk":
                await anyio.sleep(0.4)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
