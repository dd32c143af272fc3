"""Somebody calls: the platform asks, and is told what the mind knows of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.administering import API
from tests.administering import remembered as after_a_talk
from tests.calling import CALLER, INITIATION, SECRET, begun, item, said, tell
from tests.serving import in_process

pytestmark = pytest.mark.anyio

BISCUIT = "My cat is called Biscuit."


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path, elevenlabs_webhook_secret=SECRET) as client:
        yield client


async def rings(client: httpx.AsyncClient, query: str = "agent=counsellor", **call: Any) -> dict[str, Any]:
    """What the platform is answered."""
    body = {"caller_id": CALLER, "agent_id": "agent_1", "called_number": "+15559990000", "call_sid": "CA1", **call}
    answer = await client.post(f"{INITIATION}?{query}", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["type"] == "conversation_initiation_client_data"
    return dict(answer.json())


async def test_a_caller_is_told_from_every_other(client: httpx.AsyncClient) -> None:
    await after_a_talk(client, BISCUIT, agent="counsellor", user_id=CALLER, conversation_id="before")
    known = await rings(client, caller_id="+1 (555) 000-1234")
    variables, agent = known["dynamic_variables"], known["conversation_config_override"]["agent"]
    assert "Biscuit" in variables["mind"]
    assert "Biscuit" in variables["mind_patient_memory"]
    assert "Biscuit" in agent["prompt"]["prompt"]
    assert variables["session_count"] == 1
    assert (variables["user_id"], variables["role_id"], variables["conversation_id"]) == (CALLER, "counsellor", "CA1")
    assert agent["first_message"]
    assert agent["language"] == "en"
    assert all(isinstance(value, str | int) for value in variables.values())
    stranger = await rings(client, caller_id="+15550009999", call_sid="CA2")
    assert "Biscuit" not in str(stranger)
    assert stranger["dynamic_variables"]["session_count"] == 0


async def test_the_prompt_is_the_one_that_a_session_gets(client: httpx.AsyncClient) -> None:
    session = {"patient_id": CALLER, "role_id": "counsellor"}
    expected = (await client.post("/api/voice/create-agent-session", json=session)).json()["data"]["prompt"]
    told = await rings(client)
    assert told["conversation_config_override"]["agent"]["prompt"]["prompt"] == expected


async def test_a_number_that_is_kept_back_is_a_new_person_each_time(client: httpx.AsyncClient) -> None:
    first = await rings(client, caller_id="anonymous")
    second = await rings(client, caller_id="+266696687", call_sid="CA2")
    assert first["dynamic_variables"]["user_id"] == second["dynamic_variables"]["user_id"] == ""
    talks = (await client.get(f"{API}/conversations")).json()["items"]
    assert len({talk["user_id"] for talk in talks}) == 2
    assert all(talk["anonymous"] for talk in talks)


async def test_a_call_begins_and_ends_without_a_request_between(client: httpx.AsyncClient) -> None:
    told = await rings(client)
    variables = {**told["dynamic_variables"], "system__caller_id": CALLER}
    event = said(item("user", BISCUIT), conversation_id="conv_of_theirs", **begun(**variables))
    settled = (await tell(client, event)).json()
    assert (settled["status"], settled["conversation_id"]) == ("settled", "CA1")
    (await client.post("/api/elevenlabs/end", json={"conversation_id": "CA1"})).raise_for_status()
    again = await rings(client, call_sid="CA2")
    assert "Biscuit" in again["dynamic_variables"]["mind"]
    assert again["dynamic_variables"]["session_count"] == 1


async def test_a_conversation_that_the_requests_gave_another_id_is_the_one_that_counts(
    client: httpx.AsyncClient,
) -> None:
    told = await rings(client)
    talk = {"conversation_id": "conv_of_theirs", "user_id": CALLER}
    body = {"model": "counsellor", "messages": [{"role": "user", "content": "Hi"}], "elevenlabs_extra_body": talk}
    (await client.post("/v1/chat/completions", json=body)).raise_for_status()
    event = said(item("user", BISCUIT), conversation_id="conv_of_theirs", **begun(**told["dynamic_variables"]))
    assert (await tell(client, event)).json()["conversation_id"] == "conv_of_theirs"
    assert (await client.get(f"{API}/conversations/CA1")).json()["ended_at"]
    assert (await client.get(f"{API}/conversations/CA1")).json()["turns"] == 0


async def test_a_call_that_is_over_is_not_gone_on_with(client: httpx.AsyncClient) -> None:
    await rings(client)
    (await client.post("/api/elevenlabs/end", json={"conversation_id": "CA1"})).raise_for_status()
    again = await rings(client)
    assert again["dynamic_variables"]["conversation_id"] != "CA1"


async def test_an_agent_that_may_not_be_overridden_gets_variables_alone(client: httpx.AsyncClient) -> None:
    told = await rings(client, "agent=thalia&overrides=0")
    assert told["conversation_config_override"] == {}
    assert told["dynamic_variables"]["agent_name"] == "Thalia"


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("", {}, 400),
        ("", {"agent_id": "agent_of_somebody"}, 404),
        ("agent=nobody", {}, 404),
        ("agent=counsellor", {"call_sid": "x" * 201}, 400),
        ("agent=counsellor", {"caller_id": 7}, 400),
        ("agent=counsellor", [], 400),
    ],
)
async def test_what_cannot_be_answered_is_said_plainly(
    client: httpx.AsyncClient, query: str, body: Any, status: int
) -> None:
    answer = await client.post(f"{INITIATION}?{query}", json=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "detail"}


@pytest.mark.parametrize("headers", [{"authorization": "Bearer ann-key-1"}, {"x-api-key": "ann-key-1"}])
async def test_a_key_is_needed_and_may_come_in_either_header(tmp_path: Path, headers: dict[str, str]) -> None:
    async with in_process(tmp_path, api_keys="acme:ann-key-1") as client:
        url = f"{INITIATION}?agent=counsellor"
        assert (await client.post(url, json={})).status_code == 401
        assert (await client.post(url, json={}, headers={"x-api-key": "wrong-key-0"})).status_code == 401
        assert (await client.post(url, json={"caller_id": CALLER}, headers=headers)).status_code == 200
