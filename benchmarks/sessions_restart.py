"""Metric 13: a server is killed while fifty people talk; how long after its next start all of them go on, and what was lost of what they were told is stored."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx
from tests.serving import own_process, until_ready

from benchmarks.sessions_wire import TEXT, NotOpenError, Socket, connected, masked

PEOPLE, SAID = 50, 3
AGAIN_S = 0.05
LIMIT_S = 180.0

Result = dict[str, float | int | str]


class Caller:
    """One person, who notes what the server says it has stored, and comes back when the line is cut."""

    def __init__(self, invitation: str, conversation: str) -> None:
        self.conversation = conversation
        self.stored = 0
        """The number of the newest turn that the server said it has."""
        self.ready = anyio.Event()
        self._answered = anyio.Event()
        self._address = urlsplit(invitation)

    async def open(self, url: str) -> Socket:
        """Raises NotOpenError."""
        self.ready = anyio.Event()
        place = self._address._replace(netloc=urlsplit(url).netloc)
        return await connected(place.geturl(), self._frame, lambda _: None)

    async def talk(self, socket: Socket) -> None:
        """Say something until the answer is stored, over and over."""
        await self.ready.wait()
        for number in range(SAID):
            self._answered = anyio.Event()
            written = {"type": "text", "text": f"This is sentence {number}."}
            socket.write(masked(json.dumps(written).encode(), opcode=TEXT))
            await self._answered.wait()

    async def back(self, url: str) -> None:
        """Come back as soon as there is a server, trying as a browser would."""
        while True:
            try:
                socket = await self.open(url)
                await self.ready.wait()
            except NotOpenError:
                await anyio.sleep(AGAIN_S)
            else:
                socket.drop()
                return

    def _frame(self, opcode: int, content: bytes) -> None:
        if opcode != TEXT:
            return
        message = json.loads(content)
        kind, what = message["type"], message["data"]
        if kind == "ready":
            self.ready.set()
        elif kind in ("transcript", "agent_response") and what.get("final"):
            self.stored = max(self.stored, what.get("turn") or 0)
            if kind == "agent_response":
                self._answered.set()


async def restart(folder: Path) -> Result:
    """Seconds from the start of the new process, and turns that were told to be stored and are not."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else is under way
    with anyio.fail_after(LIMIT_S):
        with own_process(folder) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
                await until_ready(client, limit_s=LIMIT_S)
                callers = [await _invited(client) for _ in range(PEOPLE)]
            async with anyio.create_task_group() as tasks:
                for caller in callers:
                    tasks.start_soon(_first, caller, server.url)
            server.kill()
        began = time.perf_counter()
        with own_process(folder) as server:
            async with anyio.create_task_group() as tasks:
                for caller in callers:
                    tasks.start_soon(caller.back, server.url)
            spent = time.perf_counter() - began
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
                lost = [max(0, caller.stored - await _kept(client, caller)) for caller in callers]
    return {"restart_s": round(spent, 2), "restart_lost": sum(lost), "restart_told": sum(one.stored for one in callers)}


async def _first(caller: Caller, url: str) -> None:
    await caller.talk(await caller.open(url))


async def _invited(client: httpx.AsyncClient) -> Caller:
    answer = await client.post("/api/voice-sessions", json={"greet": False, "channel": "text"})
    answer.raise_for_status()
    return Caller(answer.json()["wsUrl"], answer.json()["conversationId"])


async def _kept(client: httpx.AsyncClient, caller: Caller) -> int:
    answer = await client.get(f"/api/v1/conversations/{caller.conversation}/turns", params={"limit": 100})
    answer.raise_for_status()
    return len(answer.json()["items"])
