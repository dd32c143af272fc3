"""A conversation over a network that fails at random: nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from tests.network import Fault, bad_network
from tests.resuming import resuming
from tests.serving import in_process

pytestmark = pytest.mark.anyio

CONVERSATIONS, FAULTS = 8, 25
"""Two hundred faults in all."""
UP, DOWN = 1_200, 4_000
"""Bytes of a few exchanges, the request for the socket included."""


@pytest.mark.parametrize("seed", range(CONVERSATIONS))
async def test_no_turn_is_lost_and_no_event_comes_twice_whatever_the_network_does(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with in_process(tmp_path) as client:
        port = urlsplit(str(client.base_url)).port
        assert port is not None
        async with bad_network(port) as network:
            async with resuming(client, network, agent="counsellor", user_id="u", channel="text", greet=False) as talk:
                said: list[str] = []
                with anyio.fail_after(240):
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
