"""kill -9 at random moments: nothing acknowledged is lost, and what waits for reflection is reflected after the restart."""

import random
from pathlib import Path

import anyio
import httpx
import pytest
from tests.serving import own_process, until_ready
from tests.talking import end, talking
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.anyio
KILLS = 20


async def acknowledged_until_killed(url: str, kill_after: int, kill: object, user: str) -> tuple[str, list[str]]:
    """Talk until the server is killed after so many acknowledgements; returns the conversation and the acknowledged texts."""
    texts: list[str] = []
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        try:
            async with talking(client, agent="counsellor", user_id=user, channel="text", greet=False) as talk:
                for number in range(kill_after + 1):
                    await talk.send(type="text", text=f"My lucky number {number} is {number * 7}.")
                    while len(texts) < 2 * number + 2:
                        kind, data = await talk.next()
                        if kind in ("transcript", "agent_response") and data["final"]:
                            texts.append(data["text"])
                        if len(texts) >= kill_after:
                            assert callable(kill)
                            await anyio.to_thread.run_sync(kill)
        except (ConnectionClosed, httpx.TransportError):
            pass
        return talk.conversation_id, texts


async def test_no_acknowledged_turn_is_lost_in_twenty_kills(tmp_path: Path) -> None:
    chance = random.Random(20261122)
    talks: list[tuple[str, int]] = []
    for kill in range(KILLS):
        with own_process(tmp_path) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
                await until_ready(client)
            conversation, texts = await acknowledged_until_killed(
                server.url, chance.randint(1, 9), server.kill, f"user-{kill}"
            )
            assert texts
            talks.append((conversation, len(texts)))
    with own_process(tmp_path) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            await until_ready(client)
            for conversation, acknowledged in talks:
                assert (await end(client, conversation)).json()["transcript_length"] >= acknowledged


async def test_a_reflection_that_waits_when_the_plug_is_pulled_happens_after_the_restart(tmp_path: Path) -> None:
    slow = {"VOICEMIND_SCRIPTED_LLM_MS": "60000", "VOICEMIND_REFLECTION_LEASE_S": "0.2", "VOICEMIND_END_WAIT_S": "0.5"}
    with own_process(tmp_path, **slow) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            await until_ready(client)
            async with talking(client, agent="counsellor", user_id="ann", channel="text", greet=False) as talk:
                await talk.send(
                    type="text", text="My cat is called Biscuit. I guess the weather in Oslo suits me somehow."
                )
                await talk.until("transcript", final=True)
                await talk.send(type="end")
                await talk.until("complete")
            pending = await end(client, talk.conversation_id)
        server.kill()
    with own_process(tmp_path, VOICEMIND_REFLECTION_LEASE_S="0.2") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            await until_ready(client)
            answer = await end(client, talk.conversation_id)
    assert pending.status_code in (200, 202)
    assert answer.status_code == 200
    assert "Biscuit" in answer.json()["after"]["patient_memory"]
