"""A lost connection is not a lost conversation: fault 17, over real sockets."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from tests.cutting import Numbered, Person, Watched, close_code, somebody
from tests.serving import in_process, strict_process
from tests.talking import Talk, end, opened
from websockets.asyncio.client import connect

from voicemind.channels.browser.guard import Limits

pytestmark = pytest.mark.anyio

LONG = "Tell me a long story about the palace and the harbour and the king please."


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path) as client:
        yield client


async def test_what_was_missed_arrives_once_and_in_order_and_life_goes_on(client: httpx.AsyncClient) -> None:
    async with somebody(client, agent="thalia", channel="text") as person:
        await person.talk.until("agent_response", final=True)
        await person.talk.until("heard")
        await person.talk.send(type="text", text="Tell me about the court.", id="one")
        await person.talk.until("transcript", final=True)
        before = person.talk.numbers
        person.talk.cut()
        async with person.back() as again:
            resumed = await again.until("resumed")
            assert resumed["sessionId"] == person.ready["sessionId"]
            assert resumed["conversationId"] == person.talk.conversation_id
            await again.until("agent_response", final=True)
            await again.until("heard")
            await again.send(type="text", text="And the harbour?", id="two")
            assert (await again.until("transcript", final=True))["turn"] == 4
            assert (await again.until("agent_response", final=True))["turn"] == 5
    numbers = before + again.numbers
    assert numbers == list(range(1, len(numbers) + 1))
    greetings = [data for kind, data in again.seen if kind == "agent_response" and data.get("turn") == 1]
    assert greetings == []


async def test_missed_counts_the_messages_that_come_before_anything_new(client: httpx.AsyncClient) -> None:
    async with somebody(client, agent="thalia", channel="text", greet=False) as person:
        await person.talk.until("state", state="listening")
        await person.talk.send(type="text", text="Hello")
        await person.talk.until("heard")
        await person.talk.until("state", state="listening")
        last = person.last
        async with person.back(sequence=1) as again:
            resumed = await again.until("resumed")
            assert resumed["missed"] == last - 1
            for _ in range(resumed["missed"]):
                await again.next()
            assert again.numbers == list(range(2, last + 1))


async def test_an_older_socket_is_closed_with_4409_by_the_one_that_resumes(client: httpx.AsyncClient) -> None:
    async with somebody(client, agent="thalia", channel="text", greet=False) as person, person.back() as again:
        await again.until("resumed")
        assert await close_code(person.talk) == 4409
        await again.send(type="text", text="Hello")
        assert (await again.until("agent_response", final=True))["text"]


@pytest.mark.parametrize(
    "claim",
    [{"secret": "wrong"}, {"sessionId": "nobody"}, {"sequence": 10_000}, {"type": "interrupt"}, {"secret": ""}],
    ids=["wrong secret", "unknown session", "a number that never was", "no resume", "no secret"],
)
async def test_whoever_cannot_resume_hears_the_same_whatever_was_wrong(
    client: httpx.AsyncClient, claim: dict[str, Any]
) -> None:
    async with somebody(client, agent="thalia", channel="text", greet=False) as person:
        async with person.back(**claim) as stranger:
            error = await stranger.until("error")
            assert error["code"] == "session_not_found"
            assert await close_code(stranger) == 4404
        await person.talk.send(type="text", text="Hello")
        assert (await person.talk.until("agent_response", final=True))["text"]


async def test_another_conversation_s_address_does_not_open_this_session(client: httpx.AsyncClient) -> None:
    other = await opened(client, agent="thalia", channel="text", greet=False)
    async with somebody(client, agent="thalia", channel="text", greet=False) as person:
        person.url = other["wsUrl"]
        async with person.back() as stranger:
            assert (await stranger.until("error"))["code"] == "session_not_found"
            assert await close_code(stranger) == 4404


async def test_another_tenant_with_the_secret_gets_nothing(tmp_path: Path) -> None:
    async with in_process(tmp_path, api_keys="a:key-of-tenant-a,b:key-of-tenant-b") as client:
        client.headers["authorization"] = "Bearer key-of-tenant-a"
        session = await opened(client, agent="thalia", channel="text", greet=False)
        async with connect(session["wsUrl"]) as socket:
            talk = Talk(socket, session["conversationId"])
            ready = await talk.until("ready")
            client.headers["authorization"] = "Bearer key-of-tenant-b"
            foreign = await opened(client, agent="thalia", channel="text", greet=False)
            ticket = foreign["wsUrl"].partition("ticket=")[2]
            url = session["wsUrl"].partition("ticket=")[0] + "ticket=" + ticket + "&resume=1"
            async with connect(url) as stolen:
                stranger = Talk(stolen, "")
                await stranger.send(type="resume", sessionId=ready["sessionId"], secret=ready["secret"], sequence=1)
                assert (await stranger.until("error"))["code"] == "session_not_found"
                assert await close_code(stranger) == 4404


async def test_who_comes_back_too_late_is_refused_and_the_conversation_is_remembered_once(tmp_path: Path) -> None:
    async with in_process(tmp_path, detached_s=0.2) as client:
        async with somebody(client, agent="counsellor", user_id="ann", channel="text", greet=False) as person:
            await person.talk.send(type="text", text="My cat is called Biscuit.")
            await person.talk.until("heard")
            person.talk.cut()
            answer = await _ended(client, person)
            async with person.back() as late:
                assert (await late.until("error"))["code"] == "session_not_found"
                assert await close_code(late) == 4404
        assert answer["version"] == 2
        assert (await end(client, person.talk.conversation_id)).json() == answer


async def test_whoever_looks_sees_that_the_client_is_gone_and_that_it_is_back(client: httpx.AsyncClient) -> None:
    async with somebody(client, agent="thalia", channel="text", greet=False) as person:
        person.talk.cut()
        await _until_status(client, person, "detached")
        async with person.back() as again:
            await again.until("resumed")
            await _until_status(client, person, "active")


async def _until_status(client: httpx.AsyncClient, person: Person, status: str) -> None:
    identity = person.talk.conversation_id
    with anyio.fail_after(20):
        while (await client.get(f"/api/v1/conversations/{identity}")).json()["status"] != status:  # noqa: ASYNC110 - asked as a client would
            await anyio.sleep(0.02)


@asynccontextmanager
async def ended_unheard(folder: Path, **settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Person]]:
    """Somebody who said that it is over, and lost the connection before anything more arrived."""
    watch = Watched()
    async with (
        strict_process(folder, settings, watch=watch) as client,
        somebody(client, agent="thalia", channel="text", greet=False) as person,
    ):
        await person.talk.send(type="text", text="Hello")
        await person.talk.until("heard")
        await person.talk.send(type="end")
        await watch.until(lambda: watch.ended == ["end"])
        person.talk.cut()
        yield client, person


async def test_who_lost_the_connection_while_it_ended_still_hears_that_it_is_complete(tmp_path: Path) -> None:
    async with ended_unheard(tmp_path) as (_, person):
        first = person.last
        for _ in range(2):  # this connection may be lost as well
            async with person.back(sequence=first) as again:
                missed = (await again.until("resumed"))["missed"]
                complete = await again.until("complete")
                assert (complete["reason"], complete["turns"]) == ("end", 2)
                assert await close_code(again) == 1000
            assert again.numbers == list(range(first + 1, first + 1 + missed))
        async with person.back(secret="wrong") as stranger:
            assert (await stranger.until("error"))["code"] == "session_not_found"
        async with person.back(sequence=again.numbers[-1]) as last:
            assert (await last.until("resumed"))["missed"] == 0
            assert await close_code(last) == 1000
        async with person.back(sequence=first) as late:
            assert (await late.until("error"))["code"] == "session_not_found", "everything had been acknowledged"


async def test_what_was_not_heard_of_a_conversation_is_not_told_after_its_erasure(tmp_path: Path) -> None:
    async with ended_unheard(tmp_path) as (client, person):
        erased = await client.delete(f"/api/v1/conversations/{person.talk.conversation_id}")
        assert erased.status_code == 200
        async with person.back() as again:
            assert (await again.until("error"))["code"] == "session_not_found"
            assert await close_code(again) == 4404


async def test_what_was_not_heard_of_a_conversation_that_another_process_erased_is_not_told_either(
    tmp_path: Path,
) -> None:
    async with ended_unheard(tmp_path) as (_, person):
        with sqlite3.connect(tmp_path / "data/voicemind.db") as database:
            database.execute("DELETE FROM conversations WHERE id = ?", (person.talk.conversation_id,))
        async with person.back() as again:
            assert (await again.until("error"))["code"] == "session_not_found"


async def test_the_last_words_are_not_kept_for_ever(tmp_path: Path) -> None:
    async with ended_unheard(tmp_path, detached_s=0) as (_, person), person.back() as again:
        assert (await again.until("error"))["code"] == "session_not_found"
        assert await close_code(again) == 4404


async def _ended(client: httpx.AsyncClient, person: Person) -> dict[str, Any]:
    """Wait until the conversation has ended by itself."""
    identity = person.talk.conversation_id
    with anyio.fail_after(20):
        while (await client.get(f"/api/v1/conversations/{identity}")).json()["status"] in ("active", "detached"):  # noqa: ASYNC110 - asked as a client would
            await anyio.sleep(0.02)
    return dict((await end(client, identity)).json())


async def test_a_typed_message_that_is_sent_again_counts_once(client: httpx.AsyncClient) -> None:
    async with somebody(client, agent="thalia", channel="text", greet=False) as person:
        await person.talk.send(type="text", text="My cat is called Biscuit.", id="m1")
        assert (await person.talk.until("transcript", final=True))["id"] == "m1"
        person.talk.cut()
        async with person.back() as again:
            await again.until("resumed")
            await again.send(type="text", text="My cat is called Biscuit.", id="m1")
            assert (await again.until("ack"))["id"] == "m1"
            await again.send(type="text", text="Hello", id="m2")
            assert (await again.until("transcript", final=True))["id"] == "m2"
        stored = (await client.get(f"/api/v1/conversations/{person.talk.conversation_id}/turns")).json()["items"]
        assert [turn["generated"] for turn in stored if turn["role"] == "user"] == [
            "My cat is called Biscuit.",
            "Hello",
        ]


async def test_a_session_that_starts_anew_on_the_conversation_knows_what_was_typed_in_the_one_before(
    client: httpx.AsyncClient,
) -> None:
    async with somebody(client, agent="thalia", channel="text", greet=False) as person:
        await person.talk.send(type="text", text="My cat is called Biscuit.", id="m1")
        await person.talk.until("heard")
        async with connect(person.url) as socket:
            anew = Numbered(socket, person.talk.conversation_id)
            assert (await anew.until("ready"))["sessionId"] != person.ready["sessionId"]
            await anew.send(type="text", text="My cat is called Biscuit.", id="m1")
            assert (await anew.until("ack"))["id"] == "m1"
            assert await close_code(person.talk) == 4409


async def test_a_client_that_has_missed_too_much_is_told_and_starts_anew_on_the_same_conversation(
    client: httpx.AsyncClient,
) -> None:
    async with somebody(client, agent="thalia", channel="text", greet=False) as person:
        await person.talk.until("state", state="listening")
        first = person.last
        for _ in range(300):
            await person.talk.send(type="interrupt")
        for _ in range(300):
            await person.talk.until("interrupted")
        for _ in range(300):
            await person.talk.send(type="interrupt")
        for _ in range(300):
            await person.talk.until("interrupted")
        async with person.back(sequence=first) as again:
            assert (await again.until("error"))["code"] == "missed_too_much"
            assert await close_code(again) == 4404
        async with connect(person.url) as socket:
            anew = Numbered(socket, person.talk.conversation_id)
            await anew.until("ready")
            await anew.send(type="text", text="Hello")
            assert (await anew.until("agent_response", final=True))["text"]


async def test_a_client_that_acknowledges_never_misses_too_much(client: httpx.AsyncClient) -> None:
    async with somebody(client, agent="thalia", channel="text", greet=False) as person:
        await person.talk.until("state", state="listening")
        for _ in range(3):
            for _ in range(250):
                await person.talk.send(type="interrupt")
            for _ in range(250):
                await person.talk.until("interrupted")
            await person.talk.send(type="ack", sequence=person.last)
        person.talk.cut()
        async with person.back() as again:
            assert (await again.until("resumed"))["missed"] == 0


async def test_the_secret_is_in_no_address_and_the_plain_protocol_has_no_numbers(client: httpx.AsyncClient) -> None:
    async with somebody(client, query="", agent="thalia", channel="text", greet=False) as person:
        await person.talk.send(type="text", text="Hello")
        await person.talk.until("agent_response", final=True)
        assert person.talk.numbers == []
        assert person.ready["secret"] not in person.url
        assert person.ready["resumableForS"] == 120


async def test_speech_goes_on_after_a_cut_and_is_stored_once(client: httpx.AsyncClient) -> None:
    async with somebody(client, query="&sequence=1&binary=1", agent="thalia", greet=False) as person:
        await person.talk.send(type="text", text=LONG)
        await person.talk.until("state", state="speaking")
        person.talk.cut()
        async with person.back() as again:
            resumed = await again.until("resumed")
            assert resumed["state"] in ("speaking", "listening", "thinking")
            heard = await again.until("heard")
            assert heard["turn"] == 2
    finals = [data for kind, data in again.seen if kind == "agent_response" and data["final"]]
    assert len(finals) == 1


async def test_a_resumption_that_says_nothing_is_refused(tmp_path: Path) -> None:
    async with strict_process(tmp_path, {}, limits=Limits(resume_s=0.1)) as client:
        session = await opened(client, agent="thalia", channel="text")
        async with connect(session["wsUrl"] + "&resume=1") as socket:
            silent = Talk(socket, "")
            assert (await silent.until("error"))["code"] == "session_not_found"
            assert await close_code(silent) == 4404
