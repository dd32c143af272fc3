"""Whoever connects, talks and drops leaves nothing in the server, however often that happens and however rudely."""

from __future__ import annotations

import os
import random
import socket
import struct
import sys
from pathlib import Path

import anyio
import httpx
import pytest
from tests.leftovers import held, settled
from tests.serving import in_process
from tests.talking import Talk, opened
from websockets.asyncio.client import connect

pytestmark = [pytest.mark.anyio, pytest.mark.alone]

CYCLES = 200
SOAK_CYCLES = 40
"""Times SOAK_ROUNDS: two thousand under `make soak`."""
AT_ONCE = 10
RUDE = 0.3
"""The share that vanishes without a word: a reset."""


async def one(client: httpx.AsyncClient, chance: random.Random) -> None:
    """Connect, talk, drop."""
    session = await opened(client, agent="thalia", user_id="u", channel="text", greet=False)
    async with connect(session["wsUrl"] + "&sequence=1", max_size=None) as ws:
        talk = Talk(ws, session["conversationId"], keys={"sequence"})
        await talk.until("ready")
        await talk.send(type="text", text="Hello")
        if chance.random() < RUDE:
            await talk.until("transcript", final=True)
            raw = ws.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            ws.transport.abort()
            return
        await talk.until("agent_response", final=True)
        if chance.random() < 0.5:
            await talk.send(type="end")
            await talk.until("complete")


async def cycles(client: httpx.AsyncClient, count: int, chance: random.Random) -> None:
    """So many, some of them at once."""
    for _ in range(0, count, AT_ONCE):
        with anyio.fail_after(120):
            async with anyio.create_task_group() as tasks:
                for _ in range(AT_ONCE):
                    tasks.start_soon(one, client, chance)


async def leak(folder: Path, count: int, *, most_blocks: float) -> None:
    """Assert that a warm server is after so many cycles what it was before, and holds no more objects for each of them."""
    chance = random.Random(1)
    async with in_process(folder, detached_s=0, sweep_every_s=0.05) as client:
        await cycles(client, AT_ONCE, chance)
        empty = await settled(held())
        await cycles(client, count // 2, chance)
        await settled(empty, pooled=4)
        blocks, resident = sys.getallocatedblocks(), resident_bytes()
        await cycles(client, count // 2, chance)
        after = await settled(empty, pooled=4)
        slope = (sys.getallocatedblocks() - blocks) / (count // 2)
        grown = (resident_bytes() - resident) / (count // 2)
    print(f"{count} cycles: {empty} → {after}; {slope:.1f} blocks, {grown:.0f} resident bytes a cycle")
    assert after.is_within(empty, pooled=4), (empty, after)
    assert slope < most_blocks


def resident_bytes() -> int:
    """What this process holds of the machine's memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def test_two_hundred_who_connect_talk_and_drop_leave_nothing_behind(tmp_path: Path) -> None:
    await leak(tmp_path, CYCLES, most_blocks=40)


@pytest.mark.soak
@pytest.mark.skipif("SOAK_ROUNDS" not in os.environ, reason="takes minutes: make soak")
async def test_thousands_who_connect_talk_and_drop_leave_nothing_behind(tmp_path: Path) -> None:
    await leak(tmp_path, SOAK_CYCLES * int(os.environ["SOAK_ROUNDS"]), most_blocks=10)
