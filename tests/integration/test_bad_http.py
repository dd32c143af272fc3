"""Faults 1 to 4: what HTTP endpoints answer to bad input."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx
import pytest
from tests.serving import in_process

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
POSTS = [
    *(CHAT, "/api/voice-sessions", "/api/elevenlabs/end", "/api/login"),
    *("/api/voice/create-agent-session", "/api/ai/meeting/prepare"),
    *("/v1/responses", "/agents/thalia/v1/chat/completions"),
]
JSON = {"content-type": "application/json"}
GOOD = {"model": "thalia", "messages": [{"role": "user", "content": "Hello"}]}

BAD_BODIES = {
    "empty": b"",
    "malformed": b'{"model": "thalia"',
    "NaN": b'{"model": NaN, "agent": NaN, "conversation_id": NaN, "key": NaN}',
    "infinite": b'{"model": "thalia", "messages": [], "temperature": 1e999}',
    "surrogate": b'{"model": "\\ud800", "agent": "\\ud800", "conversation_id": "\\ud800", "key": "\\ud800"}',
    "deep": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "long integer": b'{"max_tokens": ' + b"9" * 5000 + b"}",
    "not UTF-8": b'{"model": "\xff\xfe"}',
    "a list": b"[]",
    "null": b"null",
    "a string": b'"hello"',
}


def tool(name: str, **more: object) -> dict[str, object]:
    return {"type": "function", "function": {"name": name, **more}}


def schema(value: dict[str, object]) -> dict[str, object]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": value}}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path) as client:
        yield client


def page_is(folder: Path, monkeypatch: pytest.MonkeyPatch, *, built: bool) -> None:
    """Serve a page of one line, or none."""
    page = folder / "static"
    page.mkdir()
    if built:
        (page / "index.html").write_text("<!doctype html><title>Voicemind</title>")
    monkeypatch.setattr("voicemind.channels.app.STATIC", page)


def check_form(path: str, answer: httpx.Response) -> None:
    """The error has the form of its endpoint and tells nothing that it should not."""
    assert answer.headers["x-request-id"]
    body = answer.json()
    if path.startswith("/api/"):
        assert set(body) == {"error", "detail"}
        assert isinstance(body["error"], str)
        assert isinstance(body["detail"], str)
    else:
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
    assert "Traceback" not in answer.text
    assert "/src/" not in answer.text


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
async def test_a_body_that_is_no_usable_json_is_a_400(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    answer = await client.post(path, content=body, headers=JSON)
    assert answer.status_code == 400, answer.text
    check_form(path, answer)
    if path == CHAT:
        assert answer.json()["error"]["type"] == "invalid_request_error"
    assert (await client.post(CHAT, json=GOOD)).status_code == 200


@pytest.mark.parametrize("path", POSTS)
async def test_a_body_over_the_limit_is_refused_before_it_is_read(client: httpx.AsyncClient, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {200 * 1024 * 1024}\r\n\r\n"
    with anyio.fail_after(10):
        async with await anyio.connect_tcp("127.0.0.1", client.base_url.port or 0) as stream:
            await stream.send(head.encode())
            answer = b"".join([chunk async for chunk in stream])
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"too_large" in answer
    assert (await client.get("/healthz")).status_code == 200


async def test_a_chunked_body_over_the_limit_is_refused_soon_after_it(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 200 * 1024 * 1024:
            sent += 64 * 1024
            yield b" " * (64 * 1024)

    try:
        answer = await client.post(CHAT, content=endless(), headers=JSON)
        assert answer.status_code == 413
        check_form(CHAT, answer)
    except (httpx.WriteError, httpx.ReadError):
        pass  # the server stopped reading and closed: allowed by RFC 9110 §15.5.14
    assert sent < 20 * 1024 * 1024
    assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_wrong_content_type_is_a_415(client: httpx.AsyncClient, path: str, kind: str) -> None:
    answer = await client.post(path, content=b"{}", headers={"content-type": kind})
    assert answer.status_code == 415
    check_form(path, answer)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *((method, path, "POST") for method in ("GET", "DELETE") for path in POSTS),
        *((method, path, "GET") for method in ("POST", "DELETE") for path in ("/v1/models", "/healthz")),
    ],
)
@pytest.mark.parametrize("built", [True, False])
async def test_a_wrong_method_is_a_405_that_says_what_is_allowed(  # whether or not a page is served at the root
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, allowed: str, method: str, built: bool
) -> None:
    page_is(tmp_path, monkeypatch, built=built)
    async with in_process(tmp_path) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 405
    assert allowed in answer.headers["allow"].split(", ")
    check_form(path, answer)


@pytest.mark.parametrize("path", ["/v1/nothing", "/api/nothing", "/v1/chat/completions/x"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("built", [True, False])
async def test_an_unknown_path_is_a_404(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, method: str, built: bool
) -> None:
    page_is(tmp_path, monkeypatch, built=built)
    async with in_process(tmp_path) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 404
    check_form(path, answer)


async def test_an_unknown_agent_is_a_404(client: httpx.AsyncClient) -> None:
    answer = await client.post(CHAT, json={**GOOD, "model": "nobody"})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"
    check_form(CHAT, answer)
    answer = await client.post("/api/voice-sessions", json={"agent": "nobody"})
    assert answer.status_code == 404
    check_form("/api/voice-sessions", answer)


async def test_an_unknown_conversation_is_a_404(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/elevenlabs/end", json={"conversation_id": "nowhere"})
    assert answer.status_code == 404
    check_form("/api/elevenlabs/end", answer)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x"}] * 2001}, "messages"),
        ({"messages": [{"role": "tool", "tool_call_id": "a", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "function", "name": "a", "content": "x"}]}, "messages[0].name"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}, "messages[0].tool_calls[0].function"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"seed": 2**63}, "seed"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 0}, "max_completion_tokens"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        ({"response_format": schema({"type": 7})}, "response_format.json_schema.schema"),
        ({"tools": [{"type": "custom"}]}, "tools[0].type"),
        ({"tools": [tool("no spaces")]}, "tools[0].function.name"),
        ({"tools": [tool("x" * 65)]}, "tools[0].function.name"),
        ({"tools": [tool("a"), tool("a")]}, "tools[1].function.name"),
        ({"tools": [tool(f"a{n}") for n in range(129)]}, "tools"),
        ({"tools": [tool("a", parameters={"type": "string"})]}, "tools[0].function.parameters"),
        ({"tools": [tool("a", parameters={"properties": []})]}, "tools[0].function.parameters"),
        ({"functions": [{"name": "?"}]}, "functions[0].name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [tool("a")], "tool_choice": {"type": "function", "function": {"name": "b"}}}, "tool_choice"),
        ({"n": 2}, "n"),
        ({"elevenlabs_extra_body": {"conversation_id": "x" * 201}}, "elevenlabs_extra_body.conversation_id"),
        ({"elevenlabs_extra_body": {"conversation_id": "a\u0000b"}}, "elevenlabs_extra_body.conversation_id"),
        ({"elevenlabs_extra_body": {"role_id": "marcus"}}, "elevenlabs_extra_body.role_id"),
    ],
)
async def test_a_wrong_field_is_named(client: httpx.AsyncClient, change: dict[str, object], param: str) -> None:
    answer = await client.post(CHAT, json={**GOOD, **change})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param
    check_form(CHAT, answer)


async def test_more_than_anybody_says_at_once_is_a_413(client: httpx.AsyncClient) -> None:
    longest = {"model": "thalia", "messages": [{"role": "user", "content": "a" * 32_000}]}
    assert (await client.post(CHAT, json=longest)).status_code != 413
    longest["messages"] = [{"role": "assistant", "content": "b" * 40_000}, {"role": "user", "content": "a" * 32_001}]
    answer = await client.post(CHAT, json=longest)
    assert answer.status_code == 413
    assert answer.json()["error"]["param"] == "messages[1].content"
    check_form(CHAT, answer)


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"host": "127.0.0.1.evil.example"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/healthz", "/api/agents", "/v1/models"])
async def test_without_keys_no_website_reaches_a_mind(
    client: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    assert (await client.get(path, headers=headers)).status_code == 403


async def test_pages_of_this_machine_may_call(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/agents", headers={"origin": "http://localhost:5173"})).status_code == 200
