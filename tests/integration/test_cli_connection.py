"""The client of the commands on a network that fails: the conversation goes on, and everything in it happens once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from tests.network import Kind, Network, bad_network
from tests.serving import asking, free_port, own_process, scripted_settings, until_ready

from voicemind.assembly import running
from voicemind.channels.browser import events
from voicemind.cli.caller import Talk
from voicemind.cli.client import Server
from voicemind.cli.line import Back, Happening, Lost, Patience
from voicemind.errors import ProviderUnavailable

pytestmark = pytest.mark.anyio
LIMIT_S = 180
QUICK = Patience(shortest_s=0.02, longest_s=0.1, socket_s=1.0, ping_s=0.2, pong_s=0.5)
CAT, DOG = "My cat is called Biscuit.", "My dog is called Rex."


class Told:
    """What a reader of one conversation was told."""

    def __init__(self, source: AsyncGenerator[Happening]) -> None:
        self._source = source
        self.all: list[Happening] = []

    async def until(self, *wanted: Happening | type[Happening]) -> Happening:
        """The next one that is one of these."""
        async for one in self._source:
            self.all.append(one)
            if any(one == like or (isinstance(like, type) and isinstance(one, like)) for like in wanted):
                return one
        raise AssertionError("the conversation is over")

    async def answer(self) -> str:
        """The next reply, whole."""
        while True:
            reply = await self.until(events.AgentResponse)
            if isinstance(reply, events.AgentResponse) and reply.final:
                return reply.text

    def finals(self, kind: type[events.Transcript] | type[events.AgentResponse]) -> list[str]:
        """What was said, in order."""
        return [one.text for one in self.all if isinstance(one, kind) and one.final]


@asynccontextmanager
async def caller(
    folder: Path, *, patience: Patience = QUICK, key: str = "", **given: Any
) -> AsyncIterator[tuple[Talk, Told, Network, httpx.AsyncClient, str]]:
    """A conversation over a network that can fail; a client and an address that cannot."""
    with anyio.fail_after(LIMIT_S):
        async with (
            running(scripted_settings(folder, **given)) as url,
            asking(url) as client,
            bad_network(urlsplit(url).port or 0) as network,
            Server(f"http://127.0.0.1:{network.port}", key=key, patience=patience) as server,
        ):
            opened = await server.open_conversation("thalia", user="ann", channel="text")
            async with server.talk(opened) as talk, aclosing(talk.events()) as source:
                told = Told(source)
                await told.answer()
                if key:
                    client.headers["authorization"] = f"Bearer {key}"
                yield talk, told, network, client, opened.conversation_id


async def stored(client: httpx.AsyncClient, conversation: str) -> list[tuple[str, str]]:
    """The turns that are kept."""
    items = (await client.get(f"/api/v1/conversations/{conversation}/turns")).json()["items"]
    return [(turn["role"], turn["generated"]) for turn in items]


def strike(network: Network, kind: Kind) -> None:
    """All connections that there are fail in this way."""
    for connection in list(network.connections):
        connection.strike(kind)


@pytest.mark.parametrize("kind", ["cut", "reset", "black_hole"])
async def test_a_conversation_goes_on_after_its_connection_failed(tmp_path: Path, kind: Kind) -> None:
    async with caller(tmp_path) as (talk, told, network, client, conversation):
        strike(network, kind)
        await told.until(Lost())
        await told.until(Back(is_renewed=False))
        await talk.say(CAT)
        answer = await told.answer()
        assert [text for role, text in await stored(client, conversation) if role == "user"] == [CAT]
        assert len(told.finals(events.AgentResponse)) == 2, "the greeting was said twice"
        assert (await stored(client, conversation))[-1] == ("agent", answer)


@pytest.mark.parametrize("kind", ["cut", "reset", "black_hole"])
async def test_what_is_said_into_a_connection_that_fails_counts_once(tmp_path: Path, kind: Kind) -> None:
    async with caller(tmp_path) as (talk, told, network, client, conversation):
        strike(network, kind)
        await talk.say(CAT)
        await told.answer()
        await talk.say(DOG)
        strike(network, kind)
        await told.answer()
        assert told.finals(events.Transcript) == [CAT, DOG]
        assert [text for role, text in await stored(client, conversation) if role == "user"] == [CAT, DOG]
        assert [role for role, _ in await stored(client, conversation)] == ["agent", *["user", "agent"] * 2]


async def test_what_is_said_while_there_is_no_network_is_answered_once_it_is_back(tmp_path: Path) -> None:
    async with caller(tmp_path) as (talk, told, network, client, conversation):
        network.is_down = True
        network.cut()
        await told.until(Lost())
        await talk.say(CAT)
        network.is_down = False
        await told.answer()
        assert [text for role, text in await stored(client, conversation) if role == "user"] == [CAT]


async def test_a_reader_who_was_stopped_while_there_was_no_network_can_go_on_and_hang_up(tmp_path: Path) -> None:
    async with caller(tmp_path) as (talk, told, network, _, _):
        network.is_down = True
        network.cut()
        await told.until(Lost())
        with anyio.move_on_after(0.1):
            await told.until(Back)
        await talk.end()
        network.is_down = False
        async with aclosing(talk.events()) as again:
            complete = await Told(again).until(events.Complete)
        assert isinstance(complete, events.Complete)
        assert complete.reason == "end"


async def test_where_keys_are_in_use_every_socket_has_a_ticket_of_its_own(tmp_path: Path) -> None:
    key = "sesame-0123456789abcdef"
    async with caller(tmp_path, key=key, api_keys=f"ann:{key}") as (talk, told, network, client, conversation):
        for _ in range(2):
            network.cut()
            await told.until(Back(is_renewed=False))
        await talk.say(CAT)
        await told.answer()
        assert [text for role, text in await stored(client, conversation) if role == "user"] == [CAT]


async def test_who_was_away_for_too_long_is_told_that_the_conversation_is_over(tmp_path: Path) -> None:
    async with caller(tmp_path, detached_s=0.1) as (_, told, network, client, conversation):
        network.is_down = True
        network.cut()
        await told.until(Lost())
        while (await client.get(f"/api/v1/conversations/{conversation}")).json()["ended_at"] is None:  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.02)
        network.is_down = False
        with pytest.raises(ProviderUnavailable, match="ended"):
            await told.until(Back)


async def test_a_network_that_stays_away_is_given_up_with_advice(tmp_path: Path) -> None:
    patience = Patience(shortest_s=0.02, longest_s=0.1, give_up_s=0.5)
    async with caller(tmp_path, patience=patience) as (_, told, network, _, _):
        network.is_down = True
        network.cut()
        with pytest.raises(ProviderUnavailable, match="start again"):
            await told.until(Back)


@pytest.mark.parametrize("ends", ["gently", "killed"])
async def test_a_server_that_restarts_is_talked_to_again_without_a_second_greeting(tmp_path: Path, ends: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with anyio.fail_after(LIMIT_S):
        async with httpx.AsyncClient(base_url=url, timeout=30) as client, Server(url, patience=QUICK) as server:
            with own_process(tmp_path, VOICEMIND_PORT=str(port)) as first:
                await until_ready(client, limit_s=LIMIT_S)
                opened = await server.open_conversation("thalia", user="ann", channel="text")
                async with server.talk(opened) as talk, aclosing(talk.events()) as source:
                    told = Told(source)
                    greeting = await told.answer()
                    await talk.say(CAT)
                    await told.answer()
                    (first.process.terminate if ends == "gently" else first.kill)()
                    await told.until(Lost())
                    await talk.say(DOG)
                    await anyio.to_thread.run_sync(first.process.wait)
                    with own_process(tmp_path, VOICEMIND_PORT=str(port)):
                        await told.until(Back(is_renewed=True))
                        await told.answer()
                        kept = await stored(client, opened.conversation_id)
    assert kept[0] == ("agent", greeting)
    assert [text for role, text in kept if role == "user"] == [CAT, DOG]
    assert [role for role, _ in kept] == ["agent", *["user", "agent"] * 2]
    assert told.finals(events.Transcript) == [CAT, DOG]
