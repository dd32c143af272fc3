"""Faults 8 and 9: clients that send slowly or do not read, callers that ask too often, and more requests than there is room for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import SocketStream
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from tests.calling import SECRET, tell
from tests.serving import in_process
from tests.talking import talking

from voicemind.channels.app import application
from voicemind.channels.http import read_body
from voicemind.ops import connections
from voicemind.ops.auth import Guests
from voicemind.ops.connections import Patience
from voicemind.ops.keys import Keys
from voicemind.ops.limits import Limits, Rates, Room
from voicemind.ops.server import listening

pytestmark = [pytest.mark.anyio, pytest.mark.alone]

CHAT = "/v1/chat/completions"
GOOD = {"model": "thalia", "messages": [{"role": "user", "content": "Hello"}]}
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
LIMIT_S = 2.0
"""How long a request may take: a good one takes less on the slowest machine."""
DROPS = 4
"""How many drops a slow client sends in that time: two hundred of them must leave the processor something for the others."""
AT_MOST_S = 60


@asynccontextmanager
async def connected(client: httpx.AsyncClient) -> AsyncIterator[SocketStream]:
    async with await anyio.connect_tcp("127.0.0.1", client.base_url.port or 0) as stream:
        yield stream


async def drip(client: httpx.AsyncClient, begin: bytes, drop: bytes) -> bytes:
    """Send the beginning and then drops until the server closes; what it said before it did."""
    async with connected(client) as stream:
        await stream.send(begin)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_dripping, stream, drop)
            answer = await until_closed(stream)
            tasks.cancel_scope.cancel()
    return answer


async def _dripping(stream: SocketStream, drop: bytes) -> None:
    try:
        while True:
            await stream.send(drop)
            await anyio.sleep(LIMIT_S / DROPS)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass


async def until_closed(stream: SocketStream) -> bytes:
    answer = b""
    try:
        while True:
            answer += await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return answer


@asynccontextmanager
async def serving(app: ASGIApp, patience: Patience) -> AsyncIterator[httpx.AsyncClient]:
    """A bare application behind our own way of listening."""
    async with (
        listening(app, host="127.0.0.1", port=0, largest_frame=1 << 20, patience=patience) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        yield client


def app_of(answer: Callable[[Request], Response]) -> ASGIApp:
    async def endpoint(request: Request) -> Response:
        return answer(request)

    return Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET", "POST"])])


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (HEAD, b"X-More: 1\r\n"),
        (b"", b"\r\n"),
        (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["head", "nothing but line ends", "body", "chunked body"],
)
async def test_two_hundred_slow_clients_are_closed_and_keep_nobody_from_an_answer(
    tmp_path: Path, begin: bytes, drop: bytes
) -> None:
    closed: list[bytes] = []

    async def slow(client: httpx.AsyncClient) -> None:
        closed.append(await drip(client, begin, drop))

    async with in_process(tmp_path, slow_request_s=LIMIT_S, max_concurrent_requests=10) as client:
        with anyio.fail_after(AT_MOST_S):
            async with anyio.create_task_group() as tasks:
                for _ in range(200):
                    tasks.start_soon(slow, client)
                for _ in range(20):
                    assert (await client.post(CHAT, json=GOOD)).status_code == 200
                    assert (await client.get("/healthz")).status_code == 200
    assert len(closed) == 200
    assert all(not answer or answer.startswith(b"HTTP/1.1 408 ") for answer in closed)


async def test_a_client_that_connects_and_says_nothing_is_closed(tmp_path: Path) -> None:
    async with in_process(tmp_path, slow_request_s=0.1) as client, connected(client) as stream:
        with anyio.fail_after(AT_MOST_S):
            assert (await until_closed(stream)).startswith(b"HTTP/1.1 408 ")


async def test_the_rest_of_a_refused_body_has_no_more_time_than_a_body_that_is_wanted(tmp_path: Path) -> None:
    async with in_process(tmp_path, slow_request_s=LIMIT_S, api_keys="acme:secret-key-1") as client:
        with anyio.fail_after(AT_MOST_S):
            answer = await drip(client, HEAD + b"Content-Length: 100000\r\n\r\n", b" ")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_slow_body_that_moves_on_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(connections, "SLOWEST_BYTES_A_S", 100)
    body = json.dumps({**GOOD, "padding": "x" * 1_000}).encode()

    async def slowly() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100):
            yield body[start : start + 100]
            await anyio.sleep(0.03)

    async with in_process(tmp_path, slow_request_s=0.5) as client:
        headers = {"content-type": "application/json"}
        assert (await client.post(CHAT, content=slowly(), headers=headers)).status_code == 200


async def test_an_answer_may_take_longer_than_a_question(tmp_path: Path) -> None:
    async with in_process(tmp_path, slow_request_s=1, scripted_llm_ms=1800) as client:
        answer = await client.post(CHAT, json=GOOD)
        assert answer.status_code == 200
        assert answer.json()["choices"][0]["message"]["content"]


async def test_a_question_that_is_half_sent_does_not_break_the_answer_before_it(tmp_path: Path) -> None:
    body = json.dumps(GOOD).encode()
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    async with in_process(tmp_path, slow_request_s=0.8, scripted_llm_ms=1500) as client, connected(client) as stream:
        await stream.send(whole + HEAD)
        with anyio.fail_after(AT_MOST_S):
            answer = await until_closed(stream)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 408 " in answer


async def test_a_connection_serves_many_requests_and_is_closed_when_it_is_idle(tmp_path: Path) -> None:
    async with in_process(tmp_path, keep_alive_s=2) as client, connected(client) as stream:
        for _ in range(3):
            await stream.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += await stream.receive()
            assert answer.startswith(b"HTTP/1.1 200 ")
        with anyio.fail_after(AT_MOST_S):
            assert await until_closed(stream) == b""


async def test_a_socket_outlives_the_time_that_a_request_has(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, slow_request_s=1, keep_alive_s=1) as client,
        talking(client, agent="thalia", channel="text", greet=False) as talk,
    ):
        with anyio.move_on_after(2):
            await talk.next()
        await talk.send(type="text", text="Are you still there?")
        await talk.until("agent_response")


async def test_who_does_not_read_an_answer_loses_it() -> None:
    gone = anyio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65_536
                await anyio.lowlevel.checkpoint()
        finally:
            gone.set()

    app = app_of(lambda _: StreamingResponse(endless()))
    async with serving(app, Patience(unread_s=0.2)) as client, connected(client) as stream:
        await stream.send(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        with anyio.fail_after(AT_MOST_S):
            await gone.wait()


async def test_waiting_connections_never_take_the_last_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "descriptors", lambda: 40)
    app = app_of(lambda _: PlainTextResponse("ok"))
    async with serving(app, Patience()) as client, anyio.create_task_group() as tasks, connected(client) as oldest:
        closed = anyio.Event()

        async def watch() -> None:
            await until_closed(oldest)
            closed.set()

        tasks.start_soon(watch)
        for _ in range(25):
            await _hold(tasks, client)
        with anyio.fail_after(AT_MOST_S):
            await closed.wait()
            assert (await client.get("/")).text == "ok"
        tasks.cancel_scope.cancel()


async def _hold(tasks: anyio.abc.TaskGroup, client: httpx.AsyncClient) -> None:
    async def held(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with connected(client) as stream:
            task_status.started()
            await until_closed(stream)

    await tasks.start(held)


async def test_a_request_that_is_no_http_is_refused_in_the_error_form(tmp_path: Path) -> None:
    async with in_process(tmp_path) as client, connected(client) as stream:
        await stream.send(b"HELLO\r\n\r\n")
        with anyio.fail_after(AT_MOST_S):
            answer = await until_closed(stream)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"x-request-id: " in head
    assert json.loads(body)["error"]["code"] == "invalid_request"


async def test_who_sends_forged_events_takes_nobody_elses_turn(tmp_path: Path) -> None:
    async with in_process(tmp_path, rate_per_minute=6, elevenlabs_webhook_secret=SECRET) as client:
        forged = [(await tell(client, {}, secret="wsec_somebody-elses")).status_code for _ in range(3)]
        assert forged == [401, 429, 429]
        assert (await client.get("/v1/models")).status_code == 200


@pytest.mark.parametrize(("path", "legacy"), [("/v1/models", False), ("/api/agents", True)])
async def test_a_caller_over_its_rate_is_told_when_to_come_back(tmp_path: Path, path: str, legacy: bool) -> None:
    keys = "acme:secret-key-1,other:secret-key-2"
    async with in_process(tmp_path, rate_per_minute=6, api_keys=keys) as client:
        acme, other = ({"authorization": f"Bearer secret-key-{number}"} for number in (1, 2))
        assert (await client.get(path, headers=acme)).status_code == 200
        refused = await client.get(path, headers=acme)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert refused.headers["x-request-id"]
        error = refused.json()["error"]
        assert error == "rate_limit_exceeded" if legacy else error["code"] == "rate_limit_exceeded"
        assert legacy or error["type"] == "rate_limit_error"
        assert (await client.get(path, headers=other)).status_code == 200
        for health in ("/healthz", "/readyz"):
            assert (await client.get(health)).status_code == 200


async def test_wrong_keys_and_logins_use_up_nobodys_rate(tmp_path: Path) -> None:
    async with in_process(tmp_path, rate_per_minute=6, api_keys="acme:secret-key-1") as client:
        wrong = {"authorization": "Bearer nobody-at-all"}
        assert [(await client.get("/v1/models", headers=wrong)).status_code for _ in range(5)] == [401] * 5
        logins = [(await client.post("/api/login", json={"key": "nobody-at-all"})).status_code for _ in range(3)]
        assert logins == [401, 429, 429]
        good = {"authorization": "Bearer secret-key-1"}
        assert (await client.get("/v1/models", headers=good)).status_code == 200


def door_of(endpoint: Callable[[Request], Awaitable[Response]], *, most: int) -> ASGIApp:
    """Our own door, with room for so many, before one endpoint."""
    routes = [Route("/v1/long", endpoint, methods=["GET", "POST"]), Route("/v1/short", _ok)]
    routes += [Route(path, _ok) for path in ("/healthz", "/metrics")]
    guests = Guests(Keys(""), host="127.0.0.1", loopback=True)
    return application(routes, guests=guests, allowed_origins=(), limits=Limits(Rates(0), Room(most)))


async def _ok(_: Request) -> Response:
    return PlainTextResponse("ok")


async def test_a_full_server_refuses_until_a_stream_has_ended() -> None:
    over = anyio.Event()

    async def frames() -> AsyncIterator[str]:
        yield "begun"
        await over.wait()

    async def endpoint(_: Request) -> Response:
        return StreamingResponse(frames())

    async with serving(door_of(endpoint, most=1), Patience()) as client:
        with anyio.fail_after(AT_MOST_S):
            async with client.stream("GET", "/v1/long") as stream:
                text = stream.aiter_text()
                assert await anext(text) == "begun"
                refused = await client.get("/v1/short")
                assert refused.status_code == 503
                assert int(refused.headers["retry-after"]) >= 1
                assert refused.json()["error"]["code"] == "at_capacity"
                assert (await client.get("/healthz")).status_code == 200
                assert (await client.get("/")).status_code == 200
                assert (await client.get("/metrics")).status_code == 200
                over.set()
                assert [_ async for _ in text] == []
            assert (await client.get("/v1/short")).status_code == 200


async def test_a_client_that_leaves_gives_its_place_back() -> None:
    async def endpoint(request: Request) -> Response:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        return Response(status_code=400)

    async with serving(door_of(endpoint, most=1), Patience()) as client:
        with anyio.fail_after(AT_MOST_S):
            async with connected(client) as stream:
                await stream.send(b"GET /v1/long HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                while (await client.get("/v1/short")).status_code == 200:
                    pass
            while (await client.get("/v1/short")).status_code != 200:
                pass


async def test_a_body_that_is_complete_when_the_server_is_full_is_refused() -> None:
    async def endpoint(request: Request) -> Response:
        body = await read_body(request, limit=100)
        while (await request.receive())["type"] != "http.disconnect":
            pass
        return Response(body)

    async with serving(door_of(endpoint, most=1), Patience()) as client:
        with anyio.fail_after(AT_MOST_S):
            async with connected(client) as half, connected(client) as whole:
                head = b"POST /v1/long HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n"
                await half.send(head + b"a")
                assert (await client.get("/v1/short")).status_code == 200
                await whole.send(head + b"ab")
                while (await client.get("/v1/short")).status_code == 200:
                    pass
                await half.send(b"b")
                assert (await half.receive()).startswith(b"HTTP/1.1 503 ")
