"""Keys in a file: whoever is added comes in, and whoever is taken out is shown out, without a restart."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from structlog.testing import capture_logs
from tests.serving import in_process, scripted_settings
from tests.talking import Talk, opened, talking
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from voicemind.assembly import House
from voicemind.errors import Misconfigured
from voicemind.ops import auth

pytestmark = pytest.mark.anyio

ANN, BOB, EVE = ({"authorization": f"Bearer {key}"} for key in ("ann-key-1", "bob-key-2", "eve-key-3"))
BOTH = "# who may call\nacme:ann-key-1\n\nglobex: bob-key-2\n"
BOB_ALONE = "globex:bob-key-2\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(auth, "LOOK_EVERY_S", 0.02)
    path = tmp_path / "keys"
    written(path, BOTH)
    return path


@pytest.fixture
async def client(tmp_path: Path, file: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(
        tmp_path, api_keys_file=file, max_concurrent_sessions=2, queue_places=2, metrics="open"
    ) as client:
        yield client


def written(path: Path, text: str, *, mode: int = 0o600) -> None:
    """As an editor does it: another file takes the place."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(path)


async def until(client: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    """Until who comes with these is answered so."""
    with anyio.fail_after(30):
        while True:
            if (await client.get("/api/agents", headers=headers)).status_code == status:
                return
            await anyio.sleep(0.01)


async def until_logged(logged: Sequence[Mapping[str, Any]], words: str) -> None:
    with anyio.fail_after(30):
        while True:
            if any(words in line["event"] for line in logged):
                return
            await anyio.sleep(0.01)


async def shown_out(talk: Talk) -> str:
    """The code of the error that comes before the socket is closed with 4401."""
    code = str((await talk.until("error"))["code"])
    with pytest.raises(ConnectionClosed) as closed:
        await talk.until("anything else")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
    return code


async def ended_as_gone(client: httpx.AsyncClient) -> float:
    """How many sessions were."""
    figures = (await client.get("/metrics")).text
    found = re.search(r'^voicemind_sessions_ended_total\{reason="gone"\} (.+)$', figures, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_whoever_is_taken_out_is_shown_out_and_what_they_said_is_kept(
    client: httpx.AsyncClient, file: Path
) -> None:
    client.headers.update(ANN)
    gone = await ended_as_gone(client)
    async with talking(client, agent="thalia", channel="text", greet=False) as ann:
        await ann.send(type="text", text="Hello there.")
        await ann.until("agent_response", final=True)
        client.headers.update(BOB)
        async with talking(client, agent="thalia", channel="text", greet=False) as bob:
            written(file, BOB_ALONE)
            assert await shown_out(ann) == "invalid_api_key"
            await until(client, ANN, 401)
            await bob.send(type="text", text="Still here?")
            await bob.until("agent_response", final=True)
    assert await ended_as_gone(client) == gone + 1
    written(file, BOTH)
    await until(client, ANN, 200)
    turns = await client.get(f"/api/v1/conversations/{ann.conversation_id}/turns", headers=ANN)
    assert [turn["role"] for turn in turns.json()["items"]] == ["user", "agent"]


async def test_a_person_goes_on_with_the_conversation_once_there_is_a_new_key(
    client: httpx.AsyncClient, file: Path
) -> None:
    client.headers.update(ANN)
    async with talking(client, agent="thalia", channel="text", greet=False) as talk:
        await talk.send(type="text", text="Hello there.")
        await talk.until("agent_response", final=True)
        written(file, "acme:ann-key-9\n" + BOB_ALONE)
        await shown_out(talk)
    client.headers.update({"authorization": "Bearer ann-key-9"})
    body: dict[str, Any] = {
        "agent": "thalia",
        "channel": "text",
        "greet": False,
        "conversation_id": talk.conversation_id,
    }
    async with talking(client, **body) as again:
        await again.send(type="text", text="Here I am again.")
        await again.until("agent_response", final=True)
    assert again.conversation_id == talk.conversation_id


async def test_its_cookies_and_tickets_are_void(client: httpx.AsyncClient, file: Path) -> None:
    client.headers.update(ANN)
    ticket = (await opened(client, agent="thalia", channel="text"))["wsUrl"]
    del client.headers["authorization"]
    assert (await client.post("/api/login", json={"key": "ann-key-1"})).status_code == 204
    await until(client, {}, 200)
    written(file, BOB_ALONE)
    await until(client, {}, 401)
    written(file, BOTH)
    await until(client, ANN, 200)
    assert (await client.get("/api/agents")).status_code == 401
    with pytest.raises(InvalidStatus) as refused:
        async with connect(ticket):
            pass
    assert refused.value.response.status_code == 401


async def test_who_waits_for_a_place_is_shown_out_too(client: httpx.AsyncClient, file: Path) -> None:
    client.headers.update(BOB)
    async with (
        talking(client, agent="thalia", channel="text", greet=False),
        talking(client, agent="thalia", channel="text", greet=False),
    ):
        client.headers.update(ANN)
        session = await opened(client, agent="thalia", channel="text", greet=False)
        async with connect(session["wsUrl"]) as socket:
            waiting = Talk(socket, session["conversationId"])
            await waiting.until("queue")
            written(file, BOB_ALONE)
            assert await shown_out(waiting) == "invalid_api_key"


async def test_a_session_without_a_client_ends_with_its_key(client: httpx.AsyncClient, file: Path) -> None:
    client.headers.update(ANN)
    async with talking(client, agent="thalia", channel="text", greet=False) as talk:
        await talk.send(type="text", text="Hello there.")
        await talk.until("agent_response", final=True)
    client.headers.update(BOB)
    async with talking(client, agent="thalia", channel="text", greet=False):
        session = await opened(client, agent="thalia", channel="text", greet=False)
        async with connect(session["wsUrl"]) as socket:
            waiting = Talk(socket, session["conversationId"])
            await waiting.until("queue")  # the session that nobody listens to has a place
            written(file, BOB_ALONE)
            await waiting.until("ready")


async def test_a_key_that_is_added_lets_in(client: httpx.AsyncClient, file: Path) -> None:
    assert (await client.get("/api/agents", headers=EVE)).status_code == 401
    written(file, BOTH + "initech:eve-key-3\n")
    await until(client, EVE, 200)
    assert (await client.get("/api/agents", headers=ANN)).status_code == 200


async def test_keys_of_the_settings_stay_whatever_becomes_of_the_file(tmp_path: Path, file: Path) -> None:
    async with in_process(tmp_path, api_keys="initech:eve-key-3,acme:ann-key-1", api_keys_file=file) as client:
        assert [(await client.get("/api/agents", headers=headers)).status_code for headers in (ANN, BOB, EVE)] == [
            200
        ] * 3
        written(file, "umbrella:rex-key-4\n")
        await until(client, BOB, 401)
        assert [(await client.get("/api/agents", headers=headers)).status_code for headers in (ANN, EVE)] == [200] * 2


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("globex:bob-key-2\nacme ann-canary-1\n", 0o600),
        ("globex:bob-key-2\nacme:canary\n", 0o600),
        ("acme:bob-key-2\nglobex:bob-key-2\n", 0o600),
        ("# canary: nobody yet\n", 0o600),
        ("", 0o600),
        (BOB_ALONE, 0o644),
        ("x" * 1_100_000, 0o600),
        (None, 0),
    ],
)
async def test_a_file_that_cannot_be_used_changes_nothing_and_the_log_says_so_without_its_content(
    client: httpx.AsyncClient, file: Path, text: str | None, mode: int
) -> None:
    client.headers.update(ANN)
    with capture_logs() as logged:
        async with talking(client, agent="thalia", channel="text", greet=False) as talk:
            if text is None:
                file.unlink()
            else:
                written(file, text, mode=mode)
            await until_logged(logged, "cannot be used")
            assert (await client.get("/api/agents")).status_code == 200
            await talk.send(type="text", text="Hello there.")
            await talk.until("agent_response", final=True)
            written(file, BOB_ALONE)
            assert await shown_out(talk) == "invalid_api_key"
    assert [line["log_level"] for line in logged if "cannot be used" in str(line["event"])] == ["error"]
    assert not any(word in repr(logged) for word in ("canary", "bob-key", "ann-key"))


@pytest.mark.parametrize(("text", "mode"), [(None, 0), ("", 0o600), ("acme:canary", 0o600), (BOTH, 0o604)])
def test_a_server_does_not_start_with_a_file_that_cannot_be_used(
    tmp_path: Path, file: Path, text: str | None, mode: int
) -> None:
    if text is None:
        file.unlink()
    else:
        written(file, text, mode=mode)
    with pytest.raises(Misconfigured, match="VOICEMIND_API_KEYS_FILE") as error:
        House.build(scripted_settings(tmp_path, api_keys_file=file))
    assert "canary" not in str(error.value)


def test_a_server_that_others_can_reach_starts_with_keys_in_a_file(tmp_path: Path, file: Path) -> None:
    assert House.build(scripted_settings(tmp_path, host="0.0.0.0", api_keys_file=file))
