"""Keys: who comes in, with what, and whose things are whose."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.serving import in_process, scripted_settings
from tests.talking import Talk, end
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from voicemind.assembly import House
from voicemind.errors import Misconfigured

pytestmark = pytest.mark.anyio

ANN, BOB = {"authorization": "Bearer ann-key-1"}, {"authorization": "Bearer bob-key-2"}
GUARDED = [
    ("GET", "/v1/models"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/chat/completions"),
    ("POST", "/agents/thalia/v1/chat/completions"),
    ("GET", "/agents/thalia/v1/models"),
    ("GET", "/v1/models/thalia"),
    ("GET", "/v1/openapi.json"),
    ("POST", "/v1/responses"),
    ("POST", "/responses"),
    ("POST", "/agents/thalia/v1/responses"),
    ("GET", "/api/agents"),
    ("POST", "/api/voice-sessions"),
    ("POST", "/api/elevenlabs/end"),
    ("POST", "/api/elevenlabs/initiation"),
    ("POST", "/api/voice/create-agent-session"),
    ("POST", "/api/ai/meeting/prepare"),
]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path, api_keys="acme:ann-key-1,globex:bob-key-2") as client:
        yield client


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": "Basic ann-key-1"},
        {"cookie": "voicemind_session=guess"},
    ],
)
async def test_without_a_key_that_is_known_nothing_is_served(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = await client.request(method, path, headers=headers, json={} if method == "POST" else None)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_health_and_the_page_need_no_key(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/")).status_code == 200


async def test_another_tenants_conversation_does_not_exist(client: httpx.AsyncClient) -> None:
    body = {
        "model": "thalia",
        "messages": [{"role": "user", "content": "Hi"}],
        "elevenlabs_extra_body": {"conversation_id": "call"},
    }
    assert (await client.post("/v1/chat/completions", json=body, headers=ANN)).status_code == 200
    foreign = await client.post("/api/elevenlabs/end", json={"conversation_id": "call"}, headers=BOB)
    unknown = await client.post("/api/elevenlabs/end", json={"conversation_id": "nowhere"}, headers=BOB)
    assert (foreign.status_code, foreign.json()) == (404, unknown.json())
    client.headers.update(ANN)
    assert (await end(client, "call")).status_code == 200


async def test_a_ticket_opens_one_socket_once(client: httpx.AsyncClient) -> None:
    session = (
        await client.post("/api/voice-sessions", json={"agent": "thalia", "channel": "text"}, headers=ANN)
    ).json()
    async with connect(session["wsUrl"]) as socket:
        await Talk(socket, "").until("ready")
    with pytest.raises(InvalidStatus) as refused:
        async with connect(session["wsUrl"]):
            pass
    assert refused.value.response.status_code == 401


async def test_a_key_becomes_a_cookie_that_scripts_cannot_read(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/login", json={"key": "wrong-key-0"})).status_code == 401
    answer = await client.post("/api/login", json={"key": "ann-key-1"})
    assert answer.status_code == 204
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=strict" in answer.headers["set-cookie"]
    assert "ann-key-1" not in answer.headers["set-cookie"]
    assert (await client.get("/api/agents")).status_code == 200
    assert (await client.get("/api/agents", headers={"origin": "https://evil.example"})).status_code == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_a_server_that_others_can_reach_does_not_start_without_keys(tmp_path: Path, host: str) -> None:
    with pytest.raises(Misconfigured, match="VOICEMIND_API_KEYS"):
        House.build(scripted_settings(tmp_path, host=host))


def test_a_server_that_others_can_reach_starts_with_keys(tmp_path: Path) -> None:
    assert House.build(scripted_settings(tmp_path, host="0.0.0.0", api_keys="acme:ann-key-1"))


@pytest.mark.parametrize("keys", ["nonsense", "tenant:", ":key-12345", "tenant:short"])
def test_keys_that_are_none_stop_the_start(tmp_path: Path, keys: str) -> None:
    with pytest.raises(Misconfigured, match="VOICEMIND_API_KEYS"):
        House.build(scripted_settings(tmp_path, api_keys=keys))


@pytest.mark.parametrize("capability", ["llm", "stt", "tts", "vad"])
def test_an_unknown_provider_stops_the_start_and_the_accepted_ones_are_named(tmp_path: Path, capability: str) -> None:
    with pytest.raises(Misconfigured, match=f"VOICEMIND_{capability.upper()}.*accepted: ") as error:
        House.build(scripted_settings(tmp_path, **{capability: "magic"}))
    assert "magic" not in error.value.accepted


async def test_a_page_of_an_allowed_origin_may_ask_and_then_call(tmp_path: Path) -> None:
    origin = {"origin": "https://app.example"}
    async with in_process(tmp_path, api_keys="acme:ann-key-1", allowed_origins="https://app.example") as client:
        asks = {**origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        asked = await client.options("/v1/chat/completions", headers=asks)
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == "https://app.example"
        called = await client.get("/v1/models", headers={**origin, **ANN})
        assert called.headers["access-control-allow-origin"] == "https://app.example"
        foreign = await client.options("/v1/chat/completions", headers={**asks, "origin": "https://evil.example"})
        assert foreign.status_code == 403
