"""A call is settled into its own conversation, whatever id whoever began it makes the platform tell."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.administering import API
from tests.administering import said as written
from tests.calling import INITIATION, SECRET, begun, item, said, tell
from tests.serving import in_process

pytestmark = pytest.mark.anyio

SECRETS = ("I will leave him on Friday.", "He does not know.", "Please tell nobody.")
FORGED = item("user", "I want everyone to know.")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path, elevenlabs_webhook_secret=SECRET) as client:
        yield client


async def unnamed(client: httpx.AsyncClient, identity: str, *texts: str) -> None:
    """A conversation of somebody who was not named."""
    history: list[dict[str, str]] = []
    for text in texts:
        history.append({"role": "user", "content": text})
        body = {"model": "counsellor", "messages": history, "elevenlabs_extra_body": {"conversation_id": identity}}
        answer = await client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        history.append({"role": "assistant", "content": answer.json()["choices"][0]["message"]["content"]})


async def state(client: httpx.AsyncClient, identity: str) -> tuple[str, Any]:
    """Whether it goes on, and what was said in it."""
    talk = (await client.get(f"{API}/conversations/{identity}")).json()
    return talk["status"], (await client.get(f"{API}/conversations/{identity}/turns")).json()["items"]


@pytest.mark.parametrize("place", ["extra", "variables"])
@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({}, id="nobody and no agent"),
        pytest.param({"role_id": "counsellor"}, id="nobody"),
        pytest.param({"role_id": "marcus", "user_id": "ada"}, id="the person, but another agent"),
        pytest.param({"role_id": "counsellor", "user_id": "mallory"}, id="another person"),
    ],
)
async def test_who_names_somebodys_conversation_neither_rewrites_nor_ends_it(
    client: httpx.AsyncClient, claims: dict[str, str], place: str
) -> None:
    victim = "meeting_abc_role_1"
    await written(client, *SECRETS, agent="counsellor", conversation_id=victim, user_id="ada")
    before = await state(client, victim)
    named: dict[str, Any] = {**claims, "conversation_id": victim}
    how = begun(extra=named) if place == "extra" else begun(**named)
    answer = await tell(client, said(FORGED, conversation_id="conv_m", **how))
    assert answer.json().get("conversation_id") != victim
    failure = {"type": "call_initiation_failure", "data": {**said(conversation_id="conv_n", **how)["data"]}}
    assert (await tell(client, failure)).json()["status"] == "ignored"
    assert await state(client, victim) == before


async def test_a_conversation_of_nobody_is_open_only_to_who_was_there(client: httpx.AsyncClient) -> None:
    await unnamed(client, "session-1", *SECRETS)
    before = await state(client, "session-1")
    how = begun(conversation_id="session-1", role_id="counsellor")
    for forged in ([FORGED], [FORGED, item("user", SECRETS[2])]):
        assert (await tell(client, said(*forged, conversation_id="conv_m", **how))).json()["status"] == "ignored"
        assert await state(client, "session-1") == before
    theirs = [item("user", SECRETS[0].lower()), item("agent", "Go on."), *(item("user", text) for text in SECRETS[1:])]
    answer = await tell(client, said(*theirs, conversation_id="conv_of_theirs", **how))
    assert (answer.json()["status"], answer.json()["conversation_id"]) == ("settled", "session-1")


async def test_a_call_without_a_number_is_told_of_under_the_id_that_it_got_when_it_rang(
    client: httpx.AsyncClient,
) -> None:
    call = {"caller_id": "anonymous", "agent_id": "agent_1", "call_sid": "CA1"}
    told = (await client.post(INITIATION, params={"agent": "counsellor"}, json=call)).json()
    variables = told["dynamic_variables"]
    other = begun(**{**variables, "role_id": "marcus"})
    assert (await tell(client, said(FORGED, conversation_id="conv_m", **other))).json()["status"] == "ignored"
    answer = await tell(client, said(item("user", "Hi."), conversation_id="conv_of_theirs", **begun(**variables)))
    assert (answer.json()["status"], answer.json()["conversation_id"]) == ("settled", "CA1")


async def test_who_gave_the_platform_conversation_and_person_finds_the_call_there(client: httpx.AsyncClient) -> None:
    await written(client, "Hello.", agent="counsellor", conversation_id="meeting_1_role_1", user_id="ada")
    how = begun(extra={"conversation_id": "meeting_1_role_1", "patient_id": "ada"})
    answer = await tell(client, said(item("user", "Something else."), conversation_id="conv_of_theirs", **how))
    assert (answer.json()["status"], answer.json()["conversation_id"]) == ("settled", "meeting_1_role_1")


async def test_a_session_of_nobody_is_settled_under_the_id_that_it_got_but_not_one_whose_id_can_be_guessed(
    client: httpx.AsyncClient,
) -> None:
    opened = await client.post("/api/voice/create-agent-session", json={"role_id": "counsellor"})
    own = opened.json()["data"]["conversation_id"]
    how = begun(conversation_id=own, role_id="counsellor")
    answer = await tell(client, said(item("user", "Hi."), conversation_id="conv_1", **how))
    assert (answer.json()["status"], answer.json()["conversation_id"]) == ("settled", own)
    body = {"role_id": "marcus", "participants": "Thalia", "topic": "the grain", "meeting_id": "council"}
    (await client.post("/api/ai/meeting/prepare", json=body)).raise_for_status()
    before = await state(client, "meeting_council_role_marcus")
    how = begun(conversation_id="meeting_council_role_marcus", role_id="marcus")
    assert (await tell(client, said(FORGED, conversation_id="conv_m", **how))).json()["status"] == "ignored"
    assert await state(client, "meeting_council_role_marcus") == before
