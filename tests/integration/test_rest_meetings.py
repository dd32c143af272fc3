"""Meetings, reviews and hand-overs through `/api/v1`, and the older endpoints around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.administering import API, FERRYMAN, MIND, TALK, USER, lines, remembered, said
from tests.serving import in_process
from tests.talking import end

pytestmark = pytest.mark.anyio

BISCUIT = "My cat is called Biscuit."
CAREFUL = {**FERRYMAN, "reflection": "review"}
COUNCIL = {"agent": "marcus", "participants": ["Thalia", "the envoy"], "topic": "the grain", "meeting_id": "council"}
SESSION = "/api/voice/create-agent-session"
PREPARE = "/api/ai/meeting/prepare"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path) as client:
        yield client


async def prepared(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post(f"{API}/meetings/prepare", json={**COUNCIL, **changes})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_each_agent_of_a_meeting_has_a_conversation_of_its_own(client: httpx.AsyncClient) -> None:
    marcus, thalia = await prepared(client), await prepared(client, agent="thalia")
    assert marcus["conversation"]["id"] == "meeting_council_role_marcus"
    assert marcus["intent_notes"]
    assert marcus["meeting"] == thalia["meeting"]
    assert await prepared(client) == marcus
    whole = (await client.get(f"{API}/meetings/council")).json()
    assert {talk["agent"] for talk in whole["conversations"]} == {"marcus", "thalia"}
    assert (whole["topic"], whole["participants"]) == ("the grain", ["Thalia", "the envoy"])
    ended = await client.post(f"{API}/meetings/council/end")
    assert {row["agent"] for row in ended.json()} == {"marcus", "thalia"}
    assert (await client.post(f"{API}/meetings/nowhere/end")).status_code == 404


async def test_an_agent_in_a_live_meeting_is_in_no_other(client: httpx.AsyncClient) -> None:
    await prepared(client)
    answer = await client.post(f"{API}/meetings/prepare", json={**COUNCIL, "meeting_id": "feast"})
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "in_another_meeting"
    assert "council" in answer.json()["error"]["message"]
    await client.post(f"{API}/meetings/council/end")
    await prepared(client, meeting_id="feast")


async def test_a_person_is_handed_over_with_notes(client: httpx.AsyncClient) -> None:
    await said(client, BISCUIT, agent="marcus")
    answer = await client.post(f"{API}/conversations/{TALK}/hand-over", json={"agent": "thalia"})
    assert answer.status_code == 200, answer.text
    talk = answer.json()["conversation"]
    assert (talk["agent"], talk["user_id"], talk["intent_notes"]) == ("thalia", USER, answer.json()["intent_notes"])
    assert (await client.get(f"{API}/conversations/{TALK}")).json()["ended_at"]
    again = await client.post(f"{API}/conversations/{TALK}/hand-over", json={"agent": "thalia"})
    assert again.status_code == 409


async def waiting(client: httpx.AsyncClient) -> dict[str, Any]:
    """A conversation with an agent that remembers nothing without a person's word."""
    assert (await client.post(f"{API}/agents", json=CAREFUL)).status_code == 201
    await said(client, BISCUIT)
    answer = await end(client, TALK)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_what_waits_for_a_persons_word_is_shown_and_not_remembered(client: httpx.AsyncClient) -> None:
    told = await waiting(client)
    assert (told["reflection_status"], told["before"] == told["after"], told["version"]) == ("review", True, 1)
    (operation,) = told["operations"]
    assert (operation["kind"], operation["block"], operation["before"]) == ("add", "memory", [])
    assert "Biscuit" in operation["after"]
    (listed,) = (await client.get(f"{API}/reflections", params={"status": "review"})).json()["items"]
    assert listed == (await client.get(f"{API}/reflections/{TALK}")).json()
    assert listed["proposal"][0]["after"] == operation["after"]
    assert listed["proposal"][0]["evidence"][0]["conversation_id"] == TALK
    assert lines((await client.get(MIND)).json()) == []


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        ({"verdict": "accept"}, "Biscuit"),
        ({"verdict": "edit", "text": "Ada has a tomcat."}, "Ada has a tomcat."),
        ({"verdict": "reject"}, None),
    ],
)
async def test_a_person_decides_what_becomes_memory(
    client: httpx.AsyncClient, decision: dict[str, str], expected: str | None
) -> None:
    await waiting(client)
    decided = f"{API}/reflections/{TALK}/decide"
    assert (await client.post(decided, json={"decisions": []})).json()["error"]["param"] == "decisions"
    answer = await client.post(decided, json={"decisions": [decision]})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["proposal"]) == ("done", [])
    remembered_now = lines((await client.get(MIND)).json())
    assert len(remembered_now) == (expected is not None)
    assert expected is None or expected in remembered_now[0]
    assert (await client.post(decided, json={"decisions": [decision]})).status_code == 409


async def test_only_what_failed_is_tried_again(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"{API}/agents", json=FERRYMAN)).status_code == 201
    await said(client, BISCUIT)
    assert (await client.post(f"{API}/reflections/{TALK}/retry")).status_code == 404
    await end(client, TALK)
    answer = await client.post(f"{API}/reflections/{TALK}/retry")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_waiting")


async def test_the_end_of_a_conversation_says_what_changed_and_why(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"{API}/agents", json=FERRYMAN)).status_code == 201
    told = await remembered(client, BISCUIT)
    assert (told["conversation_id"], told["version"], told["reflection_status"]) == (TALK, 2, "done")
    (operation,) = told["operations"]
    assert (operation["kind"], operation["before"]) == ("add", [])
    assert "Biscuit" in operation["after"]
    assert "Biscuit" in told["after"]["memory"]
    assert operation["reason"]
    assert operation["evidence"] == [{"conversation_id": TALK, "turn": 1, "quote": operation["evidence"][0]["quote"]}]
    nothing = await remembered(client, "Hm.", conversation_id="talk-2")
    assert (nothing["version"], nothing["operations"]) == (2, [])
    assert await end(client, TALK)
    assert (await end(client, TALK)).json() == told


async def test_a_session_for_a_person_has_the_prompt_and_counts_what_was_before(client: httpx.AsyncClient) -> None:
    first = (await client.post(SESSION, json={"patient_id": "ada"})).json()
    assert first["success"] is True
    assert set(first["data"]) == {"agentId", "prompt", "patient_id", "session_count", "conversation_id"}
    assert (first["data"]["agentId"], first["data"]["session_count"]) == ("counsellor", 0)
    talk = first["data"]["conversation_id"]
    await remembered(client, BISCUIT, agent="counsellor", user_id="ada", conversation_id=talk)
    second = (await client.post(SESSION, json={"patient_id": "ada"})).json()["data"]
    assert second["session_count"] == 1
    assert "Biscuit" in second["prompt"]
    stranger = (await client.post(SESSION, json={"patient_id": "bob"})).json()["data"]
    assert "Biscuit" not in stranger["prompt"]


async def test_a_session_in_a_meeting_has_the_intent_notes(client: httpx.AsyncClient) -> None:
    body = {"role_id": "marcus", "participants": ["Thalia"], "topic": "the grain", "kind": "speech"}
    answer = (await client.post(PREPARE, json=body)).json()
    assert set(answer) == {"intent_notes", "meeting_id", "agent_session"}
    assert answer["intent_notes"] in answer["agent_session"]["prompt"]
    assert answer["agent_session"]["meeting_id"] == answer["meeting_id"]
    session = (await client.post(SESSION, json={"role_id": "marcus", "meeting_id": answer["meeting_id"]})).json()
    assert session["data"] == answer["agent_session"]
    busy = await client.post(PREPARE, json={**body, "meeting_id": "feast"})
    assert busy.status_code == 409
    assert set(busy.json()) == {"error", "detail"}
    assert answer["meeting_id"] in busy.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (SESSION, {}, 400),
        (SESSION, {"role_id": "nobody"}, 404),
        (SESSION, {"role_id": "marcus", "meeting_id": "nowhere"}, 404),
        (SESSION, {"patient_id": "a\u0000b"}, 400),
        (SESSION, {"patient_id": 7}, 400),
        (PREPARE, {"role_id": "nobody", "participants": ["x"]}, 404),
        (PREPARE, {"role_id": "marcus", "participants": []}, 400),
        (PREPARE, {"role_id": "marcus"}, 400),
        (PREPARE, {"role_id": "marcus", "participants": ["x"], "kind": "brawl"}, 400),
        (PREPARE, {"role_id": "counsellor", "participants": ["x"]}, 400),
    ],
)
async def test_a_session_that_cannot_be_is_refused_in_the_older_form(
    client: httpx.AsyncClient, path: str, body: dict[str, object], status: int
) -> None:
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "detail"}
