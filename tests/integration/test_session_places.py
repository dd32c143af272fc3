"""Fault 20, time limits, roll-out: who may talk, who waits, and for how long."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from tests.cutting import Numbered, close_code, somebody
from tests.serving import in_process
from tests.talking import Talk, opened, talking
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from voicemind.conversation.roll_out import RollOut
from voicemind.conversation.session import Session

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def newcomer(client: httpx.AsyncClient, **body: Any) -> AsyncIterator[Talk]:
    """A socket that is not yet ready, and may never be."""
    session = await opened(client, agent="thalia", channel="text", greet=False, **body)
    async with connect(session["wsUrl"]) as socket:
        yield Talk(socket, session["conversationId"])


async def test_newcomers_wait_in_line_and_the_first_one_comes_first(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, max_concurrent_sessions=1) as client,
        talking(client, agent="thalia", channel="text", greet=False) as talk,
        newcomer(client) as first,
    ):
        assert (await first.until("queue"))["position"] == 1
        async with newcomer(client) as second:
            assert (await second.until("queue"))["position"] == 2
            await talk.send(type="text", text="Hello")
            assert (await talk.until("agent_response", final=True))["text"]
            await talk.send(type="end")
            await first.until("ready")
            assert (await second.until("queue"))["position"] == 1
            await first.send(type="end")
            await second.until("ready")
            await second.send(type="text", text="Hello")
            assert (await second.until("agent_response", final=True))["text"]


async def test_who_leaves_the_queue_frees_a_place_in_it(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, max_concurrent_sessions=1, queue_places=2) as client,
        talking(client, agent="thalia", channel="text", greet=False),
        newcomer(client) as first,
    ):
        await first.until("queue", position=1)
        async with newcomer(client) as second:
            await second.until("queue", position=2)
            await first.socket.close()
            waited = await second.until("queue", position=1)
            assert waited["waitedS"] >= 0


async def test_where_the_queue_is_full_a_newcomer_is_told_so_and_nobody_is_disturbed(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, max_concurrent_sessions=1, queue_places=1) as client,
        talking(client, agent="thalia", channel="text", greet=False) as talk,
    ):
        late = await opened(client, agent="thalia", channel="text", greet=False)
        async with newcomer(client) as waiting:
            await waiting.until("queue", position=1)
            async with connect(late["wsUrl"]) as socket:
                refused = Talk(socket, "")
                assert (await refused.until("error"))["code"] == "busy"
                assert await close_code(refused) == 1013
            answer = await client.post("/api/voice-sessions", json={"agent": "thalia"})
            assert (answer.status_code, answer.json()["error"]) == (503, "busy")
        await talk.send(type="text", text="Hello")
        assert (await talk.until("agent_response", final=True))["text"]


async def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, max_concurrent_sessions=1, queue_wait_s=0.1) as client,
        talking(client, agent="thalia", channel="text", greet=False),
        newcomer(client) as waiting,
    ):
        await waiting.until("queue", position=1)
        assert (await waiting.until("error"))["code"] == "busy"
        assert await close_code(waiting) == 1013


async def test_a_detached_session_keeps_its_place_and_a_resumption_needs_none(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, max_concurrent_sessions=1) as client,
        somebody(client, agent="thalia", channel="text", greet=False) as person,
    ):
        person.talk.cut()
        async with newcomer(client) as waiting:
            await waiting.until("queue", position=1)
            async with person.back() as again:
                await again.until("resumed")
                again_opened = await client.post(
                    "/api/voice-sessions", json={"agent": "thalia", "conversation_id": again.conversation_id}
                )
                assert again_opened.status_code == 200
                await again.send(type="end")
                await waiting.until("ready")


async def test_the_person_of_a_live_conversation_needs_no_second_place_to_start_it_anew(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, max_concurrent_sessions=1, queue_places=0) as client,
        somebody(client, agent="thalia", channel="text", greet=False) as person,
    ):
        person.talk.cut()
        async with connect(person.url) as socket:
            await Numbered(socket, "").until("ready")


async def test_a_conversation_that_is_opened_again_and_again_has_one_place_and_starves_nobody(tmp_path: Path) -> None:
    codes: list[int] = []
    enough = anyio.Event()
    async with in_process(tmp_path, max_concurrent_sessions=2) as client:
        session = await opened(client, agent="thalia", channel="text", greet=False)

        async def reopen() -> None:
            while True:
                async with connect(session["wsUrl"]) as socket:
                    codes.append(await close_code(Talk(socket, "")))
                if len(codes) > 20:
                    enough.set()

        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(reopen)
            with anyio.fail_after(30):
                await enough.wait()
            async with newcomer(client) as other, newcomer(client) as third:
                assert (await other.next())[0] == "ready"
                assert (await third.until("queue"))["position"] == 1
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await other.send(type="end")
                    await third.until("ready")
    assert set(codes) == {4409}


async def test_who_has_not_yet_taken_over_gives_way_to_a_newer_one_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = anyio.Event()
    close = Session._close

    async def slow(self: Session) -> None:
        await stuck.wait()
        await close(self)

    monkeypatch.setattr(Session, "_close", slow)
    async with (
        in_process(tmp_path, max_concurrent_sessions=1, queue_places=0) as client,
        somebody(client, agent="thalia", channel="text", greet=False) as first,
        connect(first.url) as second,
    ):
        aside = Numbered(second, "")
        await aside.until("ready")
        await aside.send(type="text", text="I was too early.", id="early")
        async with connect(first.url) as third:
            newest = Numbered(third, "")
            await newest.until("ready")
            assert await close_code(aside) == 4409
            await newest.send(type="text", text="Hello")
            stuck.set()
            assert (await newest.until("agent_response", final=True))["turn"] == 2
            assert await close_code(first.talk) == 4409


async def test_what_is_said_while_waiting_is_heard_once_there_is_a_place(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, max_concurrent_sessions=1) as client,
        talking(client, agent="thalia", channel="text", greet=False) as talk,
        newcomer(client) as waiting,
    ):
        await waiting.until("queue", position=1)
        await waiting.send(type="text", text="I was early.")
        await talk.send(type="end")
        assert (await waiting.until("transcript", final=True))["text"] == "I was early."


async def test_a_session_ends_after_its_longest_time_however_lively_it_is(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, max_session_minutes=0.01) as client,
        talking(client, agent="thalia", channel="text", greet=False) as talk,
        anyio.create_task_group() as tasks,
    ):

        async def chatter() -> None:
            with suppress(ConnectionClosed):  # the server is the first to know that it is over
                while True:
                    await talk.send(type="interrupt")
                    await anyio.sleep(0.05)

        tasks.start_soon(chatter)
        assert (await talk.until("complete"))["reason"] == "length"
        tasks.cancel_scope.cancel()


async def test_a_clock_that_jumps_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        in_process(tmp_path) as client,
        somebody(client, agent="thalia", channel="text", greet=False) as person,
    ):
        await person.talk.until("state", state="listening")
        real = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: real() + 86_400 * 10**9)
        person.talk.cut()
        async with person.back() as again:
            await again.until("resumed")
            await again.send(type="text", text="Hello")
            assert (await again.until("agent_response", final=True))["text"]


async def test_talking_is_open_to_the_same_share_of_people_each_time_and_writing_to_all(tmp_path: Path) -> None:
    chosen = RollOut(30)
    people = [f"person-{number}" for number in range(12)]
    async with in_process(tmp_path, realtime_percent=30) as client:
        for person in people * 2:
            body = {"agent": "thalia", "user_id": person}
            spoken = await client.post("/api/voice-sessions", json=body)
            assert spoken.status_code == (200 if chosen.includes("default", person) else 403)
            if spoken.status_code == 403:
                assert spoken.json()["error"] == "not_rolled_out"
            assert (await client.post("/api/voice-sessions", json={**body, "channel": "text"})).status_code == 200
    assert {chosen.includes("default", person) for person in people} == {True, False}


async def test_whom_talking_is_not_open_to_cannot_get_in_by_another_address(tmp_path: Path) -> None:
    async with in_process(tmp_path, realtime_percent=0) as client:
        session = await opened(client, agent="thalia", channel="text", greet=False)
        async with connect(session["wsUrl"].replace("&channel=text", "")) as socket:
            talk = Talk(socket, "")
            assert (await talk.until("error"))["code"] == "not_rolled_out"
            assert await close_code(talk) == 4001
