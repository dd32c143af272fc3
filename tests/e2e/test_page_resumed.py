"""A page whose network breaks off in the middle: the real server, a real browser, and a cut between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from playwright.async_api import expect
from tests.browsing import AGENT, USER, Visit, silence, spoken, visiting
from tests.network import Network, bad_network
from tests.serving import free_port, own_process, scripted_settings, until_ready

from voicemind.assembly import running

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

LIMIT_S = 240
BACK_AFTER_S = 8
"""A page is back after a cut long before somebody has been silent for so long."""
STORY = "Tell me about the palace, the harbour and the king."
SOME_WORDS_AFTER = "before => window.__voicemind.playedMs > before + 1000"


@asynccontextmanager
async def broken_page(
    folder: Path, *, microphone: Path | None = None, **given: Any
) -> AsyncIterator[tuple[Visit, Network, httpx.AsyncClient]]:
    """A page, the network before its server, and a way to the server that is not cut."""
    async with (
        running(scripted_settings(folder, **given)) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
        bad_network(urlsplit(url).port or 0) as network,
    ):
        await until_ready(client)
        page = f"http://127.0.0.1:{network.port}"
        async with visiting(page, microphone=microphone or silence(folder)) as visit:
            yield visit, network, client


async def greeted(visit: Visit) -> str:
    """The greeting, once the agent has said it and listens."""
    await visit.start()
    greeting = visit.page.get_by_test_id(AGENT).first
    await expect(greeting).to_have_attribute("data-final", "true", timeout=30_000)
    await visit.until_state("listening")
    return (await visit.texts(AGENT))[0]


async def until_reconnected(visit: Visit, *, times: int = 1) -> None:
    """Wait until the page has said so many times that it reconnects, and that it is back."""
    while True:
        states = await visit.tapped("states")
        if states.count("reconnecting") >= times and states[-1] != "reconnecting":
            return
        await anyio.sleep(0.05)


async def until_all_said(visit: Visit, *, agent: int) -> list[str]:
    """Wait until there are so many turns of the agent, all of them final; what they say."""
    await expect(visit.page.get_by_test_id(AGENT)).to_have_count(agent, timeout=60_000)
    await expect(visit.page.get_by_test_id(AGENT).last).to_have_attribute("data-final", "true", timeout=60_000)
    await visit.until_state("listening")
    return await visit.texts(AGENT)


async def test_a_connection_that_is_cut_in_silence_comes_back_and_nobody_is_greeted_twice(tmp_path: Path) -> None:
    with anyio.fail_after(LIMIT_S):
        async with broken_page(tmp_path) as (visit, network, _):
            greeting = await greeted(visit)
            network.cut()
            await until_reconnected(visit)
            await visit.type("My cat is called Biscuit.")
            said = await until_all_said(visit, agent=2)
            assert said[0] == greeting
            assert await visit.texts(USER) == ["My cat is called Biscuit."]
            assert await visit.microphones() == ["live"]


async def test_a_connection_that_is_cut_in_the_middle_of_a_reply_shows_every_turn_once(tmp_path: Path) -> None:
    with anyio.fail_after(LIMIT_S):
        async with broken_page(tmp_path) as (visit, network, _):
            await greeted(visit)
            await visit.type(STORY)
            await visit.until_state("speaking")
            network.cut()
            await until_reconnected(visit)
            await until_all_said(visit, agent=2)
            assert await visit.texts(USER) == [STORY]
            await visit.type("Thank you.")
            await until_all_said(visit, agent=3)
            assert await visit.texts(USER) == [STORY, "Thank you."]


async def test_what_is_typed_while_there_is_no_network_is_said_once_it_is_back(tmp_path: Path) -> None:
    with anyio.fail_after(LIMIT_S):
        async with broken_page(tmp_path) as (visit, network, client):
            await greeted(visit)
            await visit.page.route("**/api/**", lambda route: route.abort())
            network.is_down = True
            network.cut()
            await visit.until_state("reconnecting")
            await visit.type("Are you there?")
            await visit.type("Hello?")
            assert await visit.texts(USER) == ["Are you there?", "Hello?"]
            network.is_down = False
            await until_reconnected(visit)
            await expect(visit.page.get_by_test_id(AGENT).last).to_have_attribute("data-final", "true", timeout=60_000)
            await visit.until_state("listening")
            assert await visit.texts(USER) == ["Are you there?", "Hello?"]
            await visit.page.unroute("**/api/**")
            await visit.page.get_by_test_id("end").click()
            await expect(visit.page.get_by_test_id("again")).to_be_visible(timeout=30_000)
            kept = await turns(client)
            assert [text for role, text in kept if role == "user"] == ["Are you there?", "Hello?"]


async def conversation(client: httpx.AsyncClient) -> dict[str, Any]:
    """The only conversation of the server."""
    (talk,) = (await client.get("/api/v1/conversations")).json()["items"]
    return dict(talk)


async def turns(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    """What is stored of it: who said what."""
    talk = (await conversation(client))["id"]
    stored = (await client.get(f"/api/v1/conversations/{talk}/turns")).json()["items"]
    return [(turn["role"], turn["generated"]) for turn in stored]


async def test_a_page_that_was_away_for_too_long_shows_what_was_remembered(tmp_path: Path) -> None:
    with anyio.fail_after(LIMIT_S):
        async with broken_page(tmp_path, detached_s=0.1) as (visit, network, client):
            await greeted(visit)
            await visit.type("My cat is called Biscuit.")
            await until_all_said(visit, agent=2)
            network.is_down = True
            network.cut()
            while (await conversation(client))["ended_at"] is None:  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.05)
            network.is_down = False
            await expect(visit.page.get_by_test_id("after").filter(has_text="Biscuit").first).to_be_visible(
                timeout=30_000
            )
            assert await visit.microphones() == ["ended"]


async def test_what_is_spoken_after_a_cut_is_heard(tmp_path: Path) -> None:
    with anyio.fail_after(LIMIT_S):
        async with broken_page(
            tmp_path, microphone=spoken(tmp_path, "My cat is called Biscuit.", after_s=BACK_AFTER_S)
        ) as (
            visit,
            network,
            _,
        ):
            await visit.start()
            await visit.until_state("speaking")
            network.cut()
            await until_reconnected(visit)
            await expect(visit.page.get_by_test_id(USER).first).to_contain_text("Hello there.", timeout=60_000)


async def test_a_server_that_restarts_is_talked_to_again_without_a_second_greeting(tmp_path: Path) -> None:
    port = str(free_port())
    with anyio.fail_after(LIMIT_S):
        async with AsyncExitStack() as served:
            first = served.enter_context(own_process(tmp_path, VOICEMIND_PORT=port)).process
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                await until_ready(client)
                visit = await served.enter_async_context(visiting(str(client.base_url), microphone=silence(tmp_path)))
                greeting = await greeted(visit)
                first.terminate()
                await anyio.to_thread.run_sync(first.wait)
                await visit.until_state("reconnecting")
                await expect(visit.page.get_by_test_id("error")).to_contain_text("restart")
                served.enter_context(own_process(tmp_path, VOICEMIND_PORT=port))
                await until_reconnected(visit)
                await visit.type("My cat is called Biscuit.")
                said = await until_all_said(visit, agent=2)
                assert said[0] == greeting
                assert await visit.texts(USER) == ["My cat is called Biscuit."]


async def test_where_keys_are_in_use_every_socket_has_a_ticket_of_its_own(tmp_path: Path) -> None:
    with anyio.fail_after(LIMIT_S):
        async with broken_page(tmp_path, api_keys="ann:sesame-0123456789abcdef") as (visit, network, _):
            await visit.page.get_by_label("Key").fill("sesame-0123456789abcdef")
            await visit.page.keyboard.press("Enter")
            greeting = await greeted(visit)
            for times in (1, 2):
                network.cut()
                await until_reconnected(visit, times=times)
            await visit.type("My cat is called Biscuit.")
            assert (await until_all_said(visit, agent=2))[0] == greeting


async def test_a_tab_that_is_closed_in_the_middle_of_a_reply_leaves_what_was_said(tmp_path: Path) -> None:
    with anyio.fail_after(LIMIT_S):
        async with broken_page(tmp_path) as (visit, _, client):
            await greeted(visit)
            before = (await visit.figures())["playedMs"]
            await visit.type(STORY)
            await visit.page.wait_for_function(SOME_WORDS_AFTER, arg=before, timeout=30_000)
            await visit.page.goto("about:blank")
            while (await conversation(client))["ended_at"] is None:  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.05)
            assert [role for role, _ in await turns(client)] == ["agent", "user", "agent"]
