"""A conversation over a network that fails at random: nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import numpy as np
import pytest
from tests.leftovers import held, settled
from tests.network import Fault, bad_network
from tests.resuming import resuming
from tests.serving import in_process

pytestmark = pytest.mark.anyio

CONVERSATIONS, FAULTS = 8, 25
"""Two hundred faults in all."""
UP, DOWN = 1_200, 4_000
"""Bytes of a few exchanges, the request for the socket included."""


SPOKEN_CONVERSATIONS, SPOKEN_FAULTS = 4, 10
SPOKEN_UP, SPOKEN_DOWN = 120_000, 60_000
"""Bytes of one exchange."""


@pytest.mark.parametrize("seed", range(CONVERSATIONS))
async def test_no_turn_is_lost_and_no_event_comes_twice_whatever_the_network_does(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with in_process(tmp_path) as client:
        port = urlsplit(str(client.base_url)).port
        assert port is not None
        async with bad_network(port) as network:
            async with resuming(client, network, agent="counsellor", user_id="u", channel="text", greet=False) as talk:
                said: list[str] = []
                with anyio.fail_after(600):
                    network.draw = lambda: Fault.at_random(chance, up=UP, down=DOWN)
                    await talk.drop()
                    while network.struck < FAULTS:
                        said.append(f"This is sentence {len(said)}.")
                        await talk.say(said[-1], f"m{len(said)}")
                    await talk.end()

            finals = [fields["text"] for _, kind, fields in talk.told if kind == "transcript" and fields["final"]]
            stored = (await client.get(f"/api/v1/conversations/{talk.conversation_id}/export")).json()["turns"]
            assert finals == said
            assert [fields["turns"] for _, kind, fields in talk.told if kind == "complete"] == [2 * len(said)]
            assert [turn["generated"] for turn in stored if turn["role"] == "user"] == said
            assert len([turn for turn in stored if turn["role"] == "agent"]) == len(said)
            assert [turn["role"] for turn in stored] == ["user", "agent"] * len(said)


def microphone() -> Iterator[bytes]:
    """Somebody who says something, listens for a while, and says something again."""
    noise = np.random.default_rng(1).normal(0, 6000, 12_800).clip(-32_000, 32_000).astype("<i2").tobytes()
    sound = bytes(16_000) + noise + bytes(112_000)
    while True:
        for start in range(0, len(sound), 640):
            yield sound[start : start + 640]


@pytest.mark.parametrize("seed", range(SPOKEN_CONVERSATIONS))
async def test_a_spoken_conversation_loses_no_turn_either_and_nothing_is_said_twice(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with in_process(tmp_path, detached_s=5) as client:
        port = urlsplit(str(client.base_url)).port
        assert port is not None
        before = held()
        async with (
            bad_network(port) as network,
            resuming(client, network, agent="counsellor", user_id="u", greet=False) as talk,
        ):
            with anyio.fail_after(600):
                network.draw = lambda: Fault.at_random(chance, up=SPOKEN_UP, down=SPOKEN_DOWN)
                await talk.drop()
                await talk.speak(microphone(), until=lambda: network.struck >= SPOKEN_FAULTS)
                await talk.end()
        after = await settled(before, pooled=4)
        assert after.is_within(before, pooled=4), (before, after)

        told = {
            fields["turn"]: fields["text"]
            for _, kind, fields in talk.told
            if kind in ("transcript", "agent_response") and fields["final"]
        }
        stored = (await client.get(f"/api/v1/conversations/{talk.conversation_id}/export")).json()["turns"]
        assert told
        assert told == {turn["seq"]: turn["generated" if turn["heard"] is None else "heard"] for turn in stored}
        replies = Counter(
            fields["generation"] for _, kind, fields in talk.told if kind == "agent_response" and fields["final"]
        )
        assert set(replies.values()) == {1}
