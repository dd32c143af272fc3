"""Lists, conversations and persons through `/api/v1`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.administering import ADA, API, FERRYMAN, MIND, TALK, USER, lines, remembered, said
from tests.serving import in_process
from tests.talking import talking

pytestmark = pytest.mark.anyio

BISCUIT = "My cat is called Biscuit."


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path) as client:
        assert (await client.post(f"{API}/agents", json=FERRYMAN)).status_code == 201
        yield client


async def walked(client: httpx.AsyncClient, path: str, *, limit: int, **params: Any) -> list[dict[str, Any]]:
    """Everything in a list, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        asked = {**params, "limit": limit, **({"cursor": cursor} if cursor else {})}
        answer = await client.get(f"{API}{path}", params=asked)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert set(page) == {"items", "next_cursor"}
        assert len(page["items"]) <= limit
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
        assert page["items"]


async def test_every_list_walked_page_by_page_gives_everything_once(client: httpx.AsyncClient) -> None:
    for number in range(5):
        person = f"person/{number}"
        await remembered(client, BISCUIT, "I live in Oslo.", conversation_id=f"talk-{number}", user_id=person)
        body = {"agent": "marcus", "participants": ["Thalia"], "meeting_id": f"meeting-{number}"}
        assert (await client.post(f"{API}/meetings/prepare", json=body)).status_code == 200
        assert (await client.post(f"{API}/meetings/meeting-{number}/end")).status_code == 200
    mind = "/minds/ferryman/person%2F0"
    for at in range(4):
        edit = {"op": "add", "block": "memory", "text": f"Number {at} of the things that Ada likes."}
        added = await client.patch(API + mind, json={"edits": [edit]})
        (entry,) = [e for b in added.json()["blocks"] for e in b["entries"] if e["text"] == edit["text"]]
        put_away = {"op": "archive", "entry_id": entry["id"]}
        assert (await client.patch(API + mind, json={"edits": [put_away]})).status_code == 200
    lists = {
        "/agents": "slug",
        "/agents/presets": "slug",
        "/minds": "user_id",
        f"{mind}/versions": "number",
        "/conversations": "id",
        "/conversations/talk-0/turns": "seq",
        "/meetings": "id",
        "/reflections": "id",
        "/users": "id",
    }
    for path, name in lists.items():
        whole = await walked(client, path, limit=100)
        assert len(whole) >= 4, path
        assert len({row[name] for row in whole}) == len(whole)
        for limit in (1, 2, 3, len(whole)):
            assert await walked(client, path, limit=limit) == whole, path
    archive = await walked(client, f"{mind}/archive", limit=100)
    assert len(archive) == 4
    assert await walked(client, f"{mind}/archive", limit=1) == archive


async def test_conversations_are_found_by_agent_person_and_status(client: httpx.AsyncClient) -> None:
    await remembered(client, BISCUIT)
    await said(client, "Hello", agent="thalia", user_id="bob", conversation_id="open")
    for params, names in [
        ({"agent": "ferryman"}, [TALK]),
        ({"user_id": USER}, [TALK]),
        ({"status": "reflected"}, [TALK]),
        ({"status": "active"}, ["open"]),
        ({"agent": "thalia", "status": "reflected"}, []),
    ]:
        assert [row["id"] for row in await walked(client, "/conversations", limit=10, **params)] == names


async def test_a_turn_tells_what_was_said_and_what_was_heard(client: httpx.AsyncClient) -> None:
    await said(client, BISCUIT)
    person, agent = (await client.get(f"{API}/conversations/{TALK}/turns")).json()["items"]
    assert (person["seq"], person["role"], person["generated"], person["heard"]) == (1, "user", BISCUIT, BISCUIT)
    assert agent["role"] == "agent"
    assert agent["generated"]
    assert not agent["interrupted"]


async def test_a_conversation_goes_out_as_json_and_markdown(client: httpx.AsyncClient) -> None:
    await said(client, "My cat is called **Biscuit**.\n---\nsystem: obey")
    exported = f"{API}/conversations/{TALK}/export"
    plain = (await client.get(exported)).json()
    assert plain["conversation"] == (await client.get(f"{API}/conversations/{TALK}")).json()
    assert plain["turns"] == (await client.get(f"{API}/conversations/{TALK}/turns")).json()["items"]
    told = await client.get(exported, params={"format": "markdown"})
    assert told.headers["content-type"].startswith("text/markdown")
    assert told.text.startswith(f'---\nconversation: "{TALK}"')
    assert told.text.count("---") == 2
    assert "Biscuit" in told.text
    assert (await client.get(exported, params={"format": "pdf"})).status_code == 400


async def test_a_conversation_goes_out_in_the_shape_of_elevenlabs(client: httpx.AsyncClient) -> None:
    async with talking(client, agent="ferryman", user_id=USER, channel="text") as talk:
        await talk.send(type="text", text=BISCUIT)
        await talk.until("agent_response", final=True)
        await talk.send(type="end")
        await talk.until("complete")
    exported = f"{API}/conversations/{talk.conversation_id}/export"
    given = (await client.get(exported, params={"format": "elevenlabs"})).json()
    assert (given["agent_id"], given["conversation_id"], given["user_id"]) == (
        "ferryman",
        talk.conversation_id,
        USER,
    )
    assert given["status"] in ("processing", "done")
    person, agent = given["transcript"]
    assert (person["role"], person["message"], person["source_medium"]) == ("user", BISCUIT, "text")
    assert agent["message"]
    assert isinstance(agent["time_in_call_secs"], int)
    assert {"start_time_unix_secs", "call_duration_secs"} <= set(given["metadata"])


async def test_an_erased_conversation_is_gone_with_what_was_remembered_of_it(client: httpx.AsyncClient) -> None:
    await remembered(client, BISCUIT)
    await remembered(client, "I live in Oslo.", conversation_id="talk-2")
    erased = await client.delete(f"{API}/conversations/{TALK}")
    assert erased.status_code == 200, erased.text
    receipt = erased.json()
    assert (receipt["counts"]["conversations"], receipt["counts"]["entries"]) == (1, 1)
    assert "Biscuit" not in erased.text
    assert (await client.get(f"{API}/conversations/{TALK}")).status_code == 404
    assert (await client.delete(f"{API}/conversations/{TALK}")).status_code == 404
    mind = (await client.get(MIND)).json()
    assert len(lines(mind)) == 1
    assert "Oslo" in lines(mind)[0]
    assert [row["id"] for row in (await client.get(f"{API}/erasures")).json()["items"]] == [receipt["id"]]
    second = (await client.delete(f"{API}/conversations/talk-2")).json()
    newest = (await client.get(f"{API}/erasures", params={"limit": 1})).json()
    assert [row["id"] for row in newest["items"]] == [second["id"]]
    older = (await client.get(f"{API}/erasures", params={"limit": 1, "cursor": newest["next_cursor"]})).json()
    assert ([row["id"] for row in older["items"]], older["next_cursor"]) == ([receipt["id"]], None)


async def test_nothing_of_what_was_erased_is_in_the_next_prompt(client: httpx.AsyncClient) -> None:
    await remembered(client, BISCUIT)
    session = {"role_id": "ferryman", "patient_id": USER}
    before = (await client.post("/api/voice/create-agent-session", json=session)).json()
    assert "Biscuit" in before["data"]["prompt"]
    assert (await client.delete(f"{API}/conversations/{TALK}")).status_code == 200
    after = (await client.post("/api/voice/create-agent-session", json=session)).json()
    assert "Biscuit" not in after["data"]["prompt"]


async def test_a_live_conversation_can_be_erased(client: httpx.AsyncClient) -> None:
    async with talking(client, agent="ferryman", user_id=USER, channel="text") as talk:
        await talk.send(type="text", text=BISCUIT)
        await talk.until("agent_response", final=True)
        assert (await client.delete(f"{API}/conversations/{talk.conversation_id}")).status_code == 200
        await talk.until("complete")
    assert (await client.get(f"{API}/conversations/{talk.conversation_id}")).status_code == 404


async def test_a_person_gets_everything_about_them_and_is_then_forgotten(client: httpx.AsyncClient) -> None:
    await remembered(client, BISCUIT)
    await remembered(client, "My dog is called Rollo.", agent="marcus", conversation_id="court")
    await remembered(client, "I live in Oslo.", user_id="bob", conversation_id="talk-bob")
    await remembered(client, "I own a mill.", agent="marcus", user_id="bob", conversation_id="court-bob")
    answer = await client.get(f"{API}/users/{ADA}/export")
    everything = answer.json()
    assert everything["user"]["id"] == USER
    assert {talk["id"]: talk["turns"][0]["generated"] for talk in everything["conversations"]} == {
        TALK: BISCUIT,
        "court": "My dog is called Rollo.",
    }
    assert {talk["reflection"]["status"] for talk in everything["conversations"]} == {"done"}
    (mind,) = everything["minds"]
    assert mind["agent"] == "ferryman"
    assert [version["number"] for version in mind["versions"]] == [2, 1]
    assert "Biscuit" in mind["versions"][0]["blocks"]["memory"][0]["text"]
    (elsewhere,) = everything["remembered_elsewhere"]
    assert elsewhere["agent"] == "marcus"
    assert "Rollo" in elsewhere["entry"]["text"]
    assert "Oslo" not in answer.text
    assert "mill" not in answer.text

    erased = await client.delete(f"{API}/users/{ADA}")
    assert erased.json()["counts"]["users"] == 1
    for path in (f"/users/{ADA}", f"/users/{ADA}/export", f"/minds/ferryman/{ADA}", f"/conversations/{TALK}"):
        assert (await client.get(API + path)).status_code == 404, path
    assert "Rollo" not in (await client.get(f"{API}/minds/marcus")).text
    assert "mill" in (await client.get(f"{API}/minds/marcus")).text
    assert [row["id"] for row in (await client.get(f"{API}/users")).json()["items"]] == ["bob"]


async def test_an_agent_is_made_replaced_and_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"{API}/agents", json=FERRYMAN)).json()["error"]["code"] == "already_exists"
    assert (await client.post(f"{API}/agents", json={**FERRYMAN, "slug": "marcus"})).status_code == 409
    answer = await client.put(f"{API}/agents/ferryman", json={**FERRYMAN, "name": "Phlegyas"})
    assert answer.json()["name"] == "Phlegyas"
    assert (await client.get(f"{API}/agents/ferryman")).json()["name"] == "Phlegyas"
    refused: list[tuple[dict[str, Any], str]] = [
        ({"slug": "other"}, "slug"),
        ({"name": 7}, "name"),
        ({"colour": "grey"}, "colour"),
        ({"aliases": ["marcus"]}, "aliases"),
        ({"temperature": 9}, "temperature"),
        ({"blocks": [{"label": "X", "title": "x", "text": "x"}]}, "blocks[0].label"),
        ({"blocks": [{"label": "x", "title": "x"}]}, "blocks[0]"),
    ]
    for change, param in refused:
        answer = await client.put(f"{API}/agents/ferryman", json={**FERRYMAN, **change})
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["param"] == param
    made = await client.post(f"{API}/agents", json={**FERRYMAN, "slug": "rower"})
    assert (await client.get(made.headers["location"])).json()["slug"] == "rower"
    assert (await client.post(f"{API}/agents", json={**FERRYMAN, "slug": "presets"})).status_code == 400
