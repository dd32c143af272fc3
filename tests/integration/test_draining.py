"""Fault 39: a server that is told to stop finishes what is being said, in a process of its own."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio import to_thread
from tests.cutting import Numbered, close_code
from tests.integration.test_voice_conversation import silence, speech
from tests.serving import in_process, own_process, until_ready
from tests.talking import Talk, opened, talking
from websockets.asyncio.client import connect

pytestmark = pytest.mark.anyio

DRAIN_S = 60
FRAME_BYTES = 640
SESSIONS = 50


ENVIRONMENT = {
    "VOICEMIND_DRAIN_S": str(DRAIN_S),
    "VOICEMIND_MAX_CONCURRENT_SESSIONS": str(SESSIONS + 1),
    "VOICEMIND_SCRIPTED_LLM_MS": "12000",
}


class Crowd:
    """People who ask all at once, and listen until the server has stopped."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.conversations: list[str] = []
        self.reasons: list[str] = []
        self.asked = anyio.Event()
        self._ready = anyio.Event()
        self._waiting = self._thinking = 0

    async def person(self) -> None:
        session = await opened(self.client, agent="thalia", channel="text", greet=False)
        self.conversations.append(session["conversationId"])
        async with connect(session["wsUrl"], ping_interval=None, open_timeout=60) as socket:
            talk = Numbered(socket, session["conversationId"])
            await talk.until("state", state="listening")
            self._waiting += 1
            if self._waiting == SESSIONS:
                self._ready.set()
            await self._ready.wait()
            await talk.send(type="text", text="Tell me about the court.")
            await talk.until("transcript", final=True)
            self._thinking += 1
            if self._thinking == SESSIONS:
                self.asked.set()
            assert (await talk.until("draining"))["withinS"] == DRAIN_S
            assert (await talk.until("agent_response", final=True))["turn"] == 2
            self.reasons.append((await talk.until("complete"))["reason"])
            assert await close_code(talk) == 1000


async def test_fifty_who_are_talking_are_heard_to_the_end_and_go_on_after_the_restart(tmp_path: Path) -> None:
    with own_process(tmp_path, **ENVIRONMENT) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            await until_ready(client, limit_s=90)
            crowd = Crowd(client)
            idle = await opened(client, agent="thalia", channel="text", greet=False)
            async with anyio.create_task_group() as tasks, connect(idle["wsUrl"]) as socket:
                for _ in range(SESSIONS):
                    tasks.start_soon(crowd.person)
                quiet = Talk(socket, idle["conversationId"])
                await quiet.until("state", state="listening")
                with anyio.fail_after(120):
                    await crowd.asked.wait()
                server.process.send_signal(signal.SIGTERM)
                await quiet.until("draining")
                assert (await quiet.until("complete"))["reason"] == "shutdown"
                assert (await client.get("/readyz")).json() == {"status": "draining"}
                assert (await client.post("/api/voice-sessions", json={"agent": "thalia"})).status_code == 503
                assert crowd.reasons == []
            assert crowd.reasons == ["shutdown"] * SESSIONS
        assert await to_thread.run_sync(lambda: server.process.wait(timeout=DRAIN_S)) == 0
    with own_process(tmp_path, **{**ENVIRONMENT, "VOICEMIND_SCRIPTED_LLM_MS": "0"}) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            await until_ready(client, limit_s=90)
            for identity in crowd.conversations:
                body: dict[str, Any] = {"agent": "thalia", "conversation_id": identity, "channel": "text"}
                again = await opened(client, **body)
                assert again["conversationId"] == identity
            async with connect(again["wsUrl"]) as socket:
                talk = Talk(socket, identity)
                await talk.until("ready")
                await talk.send(type="text", text="And then?")
                assert (await talk.until("agent_response", final=True))["turn"] == 4


async def test_who_is_in_the_middle_of_a_sentence_is_heard_to_its_end_and_answered(tmp_path: Path) -> None:
    async def finish(talk: Talk) -> None:
        await talk.until("draining")
        for start in range(0, len(rest), FRAME_BYTES):
            await talk.send_sound(rest[start : start + FRAME_BYTES])
        assert (await talk.until("transcript", final=True))["turn"] == 1
        assert (await talk.until("agent_response", final=True))["turn"] == 2
        assert (await talk.until("complete"))["reason"] == "shutdown"

    begun, rest = silence(0.5) + speech(0.6), speech(0.6) + silence(1.2)
    async with (
        AsyncExitStack() as sockets,
        anyio.create_task_group() as tasks,
        in_process(tmp_path, drain_s=DRAIN_S) as client,
    ):
        talk = await sockets.enter_async_context(talking(client, binary=True, agent="counsellor", greet=False))
        await talk.until("state", state="listening")
        for start in range(0, len(begun), FRAME_BYTES):
            await talk.send_sound(begun[start : start + FRAME_BYTES])
        await talk.until("transcript", final=False)
        assert not any(body.get("state") == "thinking" for _, body in talk.seen)
        tasks.start_soon(finish, talk)


async def test_who_waits_in_the_queue_is_told_that_there_will_be_no_place(tmp_path: Path) -> None:
    async with AsyncExitStack() as sockets:
        async with in_process(tmp_path, max_concurrent_sessions=1) as client:
            taken = await sockets.enter_async_context(talking(client, agent="thalia", channel="text", greet=False))
            session = await opened(client, agent="thalia", channel="text", greet=False)
            waiting = Talk(await sockets.enter_async_context(connect(session["wsUrl"])), "")
            await waiting.until("queue")
        assert (await waiting.until("error"))["code"] == "draining"
        assert await close_code(waiting) == 1013
        assert (await taken.until("complete"))["reason"] == "shutdown"


async def test_what_a_microphone_and_a_loudspeaker_still_say_after_the_end_is_no_mistake(tmp_path: Path) -> None:
    async with in_process(tmp_path) as client, talking(client, binary=True, agent="thalia", greet=False) as talk:
        await talk.send(type="end")
        for _ in range(5):
            await talk.send_sound(silence(0.02))
            await talk.send(type="played", generation=1, ms=20)
        await talk.until("complete", reason="end")
        assert "error" not in [kind for kind, _ in talk.seen]
