"""Two thousand malformed frames to one running server: it lives, and whoever comes next is served."""

from __future__ import annotations

import random
from pathlib import Path

import anyio
import httpx
import pytest
from tests.malformed import malformed
from tests.serving import in_process
from tests.talking import opened, talking
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from voicemind.channels.browser.guard import Limits

pytestmark = pytest.mark.anyio

FRAMES = 2_200


async def pester(url: str, chance: random.Random, sent: list[int]) -> None:
    """Send until the server has had enough of this socket."""
    try:
        async with connect(url + "&binary=1", max_size=None, max_queue=None) as socket:
            for _ in range(200):
                await socket.send(malformed(chance))
                sent[0] += 1
            await socket.close()
    except ConnectionClosed:
        pass


async def test_a_server_outlives_two_thousand_malformed_frames(tmp_path: Path) -> None:
    chance, sent = random.Random(5), [0]
    limits = Limits(mistakes=10_000, messages_a_second=10_000)
    async with in_process(tmp_path, limits=limits, detached_s=0, scripted_stt_text="Hello.") as client:
        with anyio.fail_after(240):
            while sent[0] < FRAMES:
                await pester(await fresh(client), chance, sent)
        async with talking(client, agent="thalia", channel="text", greet=False) as talk:
            await talk.send(type="text", text="Hello")
            assert (await talk.until("agent_response", final=True))["text"]
        assert (await client.get("/readyz")).status_code == 200


async def fresh(client: httpx.AsyncClient) -> str:
    """The address of a new conversation."""
    return str((await opened(client, agent="thalia", greet=False))["wsUrl"])
