"""Who reaches what under `/api/v1`, and what is answered to requests that cannot be served (faults 1 to 4 and 23)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from fastapi.routing import APIRoute
from tests.administering import ADA, API, FERRYMAN, MEETING, TALK, settle
from tests.integration.test_bad_http import BAD_BODIES, JSON
from tests.serving import in_process

from voicemind.channels.rest.app import ROUTES

pytestmark = pytest.mark.anyio

ANN, BOB = {"authorization": "Bearer ann-key-1"}, {"authorization": "Bearer bob-key-2"}
ROUTE = [
    (method, route.path) for route in ROUTES if isinstance(route, APIRoute) for method in sorted(route.methods or ())
]
NAMES = {
    "agent": "ferryman",
    "user_id": ADA,
    "conversation_id": TALK,
    "meeting_id": MEETING,
    "number": "1",
}
BODIES: dict[str, Any] = {
    "/agents": {**FERRYMAN, "slug": "rower"},
    "/agents/{agent}": FERRYMAN,
    "/minds/{agent}/{user_id}": {"edits": [{"op": "add", "block": "memory", "text": "Ada likes rivers."}]},
    "/minds/{agent}/{user_id}/restore": {"number": 1},
    "/minds/{agent}/{user_id}/import": {"core_memory": [{"label": "human", "value": "Ada plays chess."}]},
    "/meetings/prepare": {"agent": "thalia", "participants": ["Ada"]},
    "/conversations/{conversation_id}/hand-over": {"agent": "thalia"},
    "/reflections/{conversation_id}/decide": {"decisions": []},
}
QUERY = {"/minds/{agent}/{user_id}/diff": {"from": "1", "to": "2"}}
MAKES = {("POST", "/agents"), ("PUT", "/agents/{agent}"), ("POST", "/meetings/prepare")}
"""What another tenant may do as well: it makes something of its own."""
OVER = {("POST", "/reflections/{conversation_id}/retry"), ("POST", "/reflections/{conversation_id}/decide")}
OVER |= {("POST", "/conversations/{conversation_id}/hand-over")}
"""What the tenant itself is answered with 409, for the conversation has ended and its reflection is done."""
TAKES_JSON = [(method, path) for method, path in ROUTE if path in BODIES and method in ("POST", "PUT", "PATCH")]
TAKES_JSON += [("POST", "/minds/{agent}/{user_id}/undo")]


def address(path: str) -> str:
    return API + re.sub(r"\{(\w+)\}", lambda match: NAMES[match[1]], path)


def asked(client: httpx.AsyncClient, method: str, path: str, **headers: str) -> Any:
    body = BODIES.get(path) if method in ("POST", "PUT", "PATCH") else None
    return client.request(method, address(path), json=body, params=QUERY.get(path), headers=headers)


def check_form(answer: httpx.Response) -> None:
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]
    assert "Traceback" not in answer.text


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A server without keys on which there is something to administer."""
    async with in_process(tmp_path) as client:
        yield client


async def test_nothing_is_served_without_a_key_and_nothing_of_one_tenant_to_another(tmp_path: Path) -> None:
    async with in_process(tmp_path, api_keys="acme:ann-key-1,globex:bob-key-2") as client:
        client.headers.update(ANN)
        await settle(client)
        del client.headers["authorization"]
        for method, path in [*ROUTE, ("GET", "/openapi.json"), ("GET", "/nothing")]:
            assert (await asked(client, method, path)).status_code == 401, path
            assert (await asked(client, method, path, authorization="Bearer wrong")).status_code == 401, path
        for method, path in sorted(ROUTE, key=MAKES.__contains__):
            answer = await asked(client, method, path, **BOB)
            if "{" in path and (method, path) not in MAKES:
                assert answer.status_code == 404, f"{method} {path}: {answer.text}"
            elif method == "GET" and not path.startswith("/agents"):
                assert [row for row in answer.json()["items"] if row.get("agent") != "thalia"] == [], path
            assert not any(word in answer.text for word in ("Biscuit", "lovelace", "grain")), path
        for method, path in sorted(ROUTE, key=lambda row: row[0] == "DELETE"):
            answer = await asked(client, method, path, **ANN)
            expected = 409 if (method, path) in OVER else 201 if (method, path) == ("POST", "/agents") else 200
            if path == "/minds/{agent}":
                expected = 404  # the ferryman has a mind for each person
            if path.startswith("/conversations/{conversation_id}/recording"):
                expected = 404  # nobody agreed to be recorded, and at the end the conversation itself is erased
                missing = "conversation" if method == "DELETE" else "recording"
                assert answer.json()["error"]["code"] == f"{missing}_not_found"
            assert answer.status_code == expected, f"{method} {path}: {answer.text}"


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
async def test_a_body_that_is_no_usable_json_is_a_400_everywhere(client: httpx.AsyncClient, body: bytes) -> None:
    for method, path in TAKES_JSON:
        answer = await client.request(method, address(path), content=body, headers=JSON)
        if path == "/minds/{agent}/{user_id}/undo" and body in (b"", b"null"):
            continue  # nothing has to be said there
        expected = (400,) if path != "/minds/{agent}/{user_id}/import" else (400, 404)
        assert answer.status_code in expected, f"{method} {path}: {answer.text}"
        check_form(answer)
    assert (await client.get(f"{API}/agents")).status_code == 200


async def test_a_wrong_content_type_is_a_415(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"{API}/agents", json=FERRYMAN)).status_code == 201
    for method, path in TAKES_JSON:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            answer = await client.request(method, address(path), content=b"{}", headers={"content-type": kind})
            assert answer.status_code == 415, f"{method} {path} {kind}: {answer.text}"
            check_form(answer)


async def test_a_body_over_the_limit_is_refused_before_it_is_read(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"{API}/agents", json=FERRYMAN)).status_code == 201
    for method, path in TAKES_JSON:
        head = f"{method} {address(path)} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 209715200\r\n\r\n"
        with anyio.fail_after(10):
            async with await anyio.connect_tcp("127.0.0.1", client.base_url.port or 0) as stream:
                await stream.send(head.encode())
                answer = b"".join([chunk async for chunk in stream])
        assert answer.startswith(b"HTTP/1.1 413"), f"{method} {path}: {answer!r}"


async def test_a_wrong_method_is_a_405_that_names_all_that_are_right(client: httpx.AsyncClient) -> None:
    allowed: dict[str, set[str]] = {}
    for method, path in ROUTE:
        allowed.setdefault(address(path), set()).add(method)
    for path, methods in allowed.items():
        answer = await client.request("TRACE", path)
        assert answer.status_code == 405, path
        assert set(answer.headers["allow"].split(", ")) >= methods
        check_form(answer)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/agents/",
        "/agents/nobody",
        "/minds/nobody/ada",
        "/conversations/nowhere",
        "/conversations/nowhere/turns",
        "/conversations/nowhere/export",
        "/meetings/nowhere",
        "/reflections/nowhere",
        "/users/nobody",
        "/users/nobody/export",
    ],
)
async def test_what_is_not_there_is_a_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(API + path)
    assert answer.status_code == 404
    check_form(answer)


@pytest.mark.parametrize("part", ["%00", "%0A", "x" * 201, "%20", "%ED%A0%80", "%FF"])
async def test_an_id_that_nobody_can_have_is_refused(client: httpx.AsyncClient, part: str) -> None:
    for path in ("/agents/", "/users/", "/conversations/", "/meetings/", "/reflections/", "/minds/counsellor/"):
        answer = await client.get(f"{API}{path}{part}")
        assert answer.status_code in (400, 404), answer.text
        check_form(answer)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=" + "9" * 5000,
        "cursor=x",
        "cursor=%00",
        "agent=%00",
        "status=asleep",
        "cursor=" + "W" * 5000,
        "cursor=WzFd",
        "cursor=bnVsbA",
        "cursor=WyIwMDAxLTAxLTAxVDAwOjAwOjAwWiIsIngiXQ",
        "cursor=",
    ],
)
async def test_a_query_that_cannot_be_served_is_a_400(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"{API}/conversations?{query}")
    assert answer.status_code == 400, answer.text
    check_form(answer)


async def test_pages_of_an_allowed_origin_may_use_every_method(tmp_path: Path) -> None:
    origin = {"origin": "https://app.example"}
    async with in_process(tmp_path, api_keys="acme:ann-key-1", allowed_origins="https://app.example") as client:
        for method in ("PUT", "PATCH", "DELETE"):
            asks = {**origin, "access-control-request-method": method, "access-control-request-headers": "if-match"}
            answer = await client.options(f"{API}/minds/marcus/-", headers=asks)
            assert answer.status_code == 200
            assert method in answer.headers["access-control-allow-methods"]
        called = await client.get(f"{API}/agents", headers={**origin, **ANN})
        assert "etag" in called.headers["access-control-expose-headers"]
