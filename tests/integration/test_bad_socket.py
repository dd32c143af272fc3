"""Faults 11 and 12, close codes and refusals of `/voice-conversation`."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx
import pytest
from tests.serving import in_process
from tests.talking import Talk, opened, talking
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path) as client:
        yield client


def ws(client: httpx.AsyncClient, query: str = "") -> str:
    return str(client.base_url).replace("http", "ws", 1).rstrip("/") + "/voice-conversation" + query


async def until_closed(talk: Talk) -> None:
    while True:
        await talk.socket.recv()


async def close_code(talk: Talk) -> int:
    with anyio.fail_after(10):
        with pytest.raises(ConnectionClosed) as closed:
            await until_closed(talk)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


BAD = {
    "not JSON": "hello",
    "a list": "[]",
    "unknown type": '{"type":"dance"}',
    "no type": "{}",
    "missing field": '{"type":"text"}',
    "wrong type": '{"type":"text","text":7}',
    "empty text": '{"type":"text","text":"  "}',
    "long text": json.dumps({"type": "text", "text": "x" * 32_001}),
    "deep": "[" * 100_000,
    "binary without asking": b"\x00\x01",
}


@pytest.mark.parametrize("frame", BAD.values(), ids=BAD)
async def test_a_bad_message_is_answered_and_the_conversation_goes_on(
    client: httpx.AsyncClient, frame: str | bytes
) -> None:
    async with talking(client, agent="thalia", channel="text", greet=False) as talk:
        await talk.socket.send(frame)
        assert (await talk.until("error"))["code"] == "bad_message"
        await talk.send(type="text", text="Hello")
        assert (await talk.until("agent_response", final=True))["text"]


@pytest.mark.parametrize("data", ["not base64!", base64.b64encode(b"abc").decode()])
async def test_bad_audio_is_answered_and_the_conversation_goes_on(client: httpx.AsyncClient, data: str) -> None:
    async with talking(client, agent="thalia", greet=False) as talk:
        await talk.send(type="audio", data=data)
        assert (await talk.until("error"))["code"] == "bad_audio"
        await talk.send(type="text", text="Hello")
        assert (await talk.until("agent_response", final=True))["text"]


@pytest.mark.parametrize("frame", [b"", b"short", b"\x07\x00\x00\x00" + bytes(12)])
async def test_a_foreign_binary_frame_is_a_bad_message(client: httpx.AsyncClient, frame: bytes) -> None:
    async with talking(client, binary=True, agent="thalia", greet=False) as talk:
        await talk.socket.send(frame)
        assert (await talk.until("error"))["code"] == "bad_message"


async def test_half_a_sample_in_a_binary_frame_is_bad_audio(client: httpx.AsyncClient) -> None:
    async with talking(client, binary=True, agent="thalia", greet=False) as talk:
        await talk.send_sound(b"\x00\x01\x02")
        assert (await talk.until("error"))["code"] == "bad_audio"


async def test_ten_bad_messages_in_a_row_close_the_socket_with_1008(client: httpx.AsyncClient) -> None:
    async with talking(client, agent="thalia", channel="text", greet=False) as talk:
        for _ in range(10):
            await talk.socket.send("nonsense")
        assert await close_code(talk) == 1008
    assert (await client.get("/healthz")).status_code == 200


async def test_a_frame_over_256_kb_closes_with_1009(client: httpx.AsyncClient) -> None:
    async with talking(client, agent="thalia", channel="text", greet=False) as talk:
        await talk.socket.send("x" * (257 * 1024))
        assert await close_code(talk) == 1009


async def test_text_that_is_not_utf8_closes_with_1007(client: httpx.AsyncClient) -> None:
    async with talking(client, agent="thalia", channel="text", greet=False) as talk:
        await talk.socket.send(b"\xff\xfe", text=True)
        assert await close_code(talk) == 1007


async def test_a_missing_id_closes_with_4000(client: httpx.AsyncClient) -> None:
    async with connect(ws(client)) as socket:
        assert await close_code(Talk(socket, "")) == 4000


async def test_an_unknown_id_closes_with_4404(client: httpx.AsyncClient) -> None:
    async with connect(ws(client, "?conversationDetailId=nowhere")) as socket:
        assert await close_code(Talk(socket, "")) == 4404


async def test_a_second_socket_closes_the_first_with_4409(client: httpx.AsyncClient) -> None:
    session = await opened(client, agent="thalia", channel="text", greet=False)
    async with connect(session["wsUrl"]) as first:
        await Talk(first, "").until("ready")
        async with connect(session["wsUrl"]) as second:
            await Talk(second, "").until("ready")
            assert await close_code(Talk(first, "")) == 4409
            talk = Talk(second, "")
            await talk.send(type="text", text="Hello")
            assert (await talk.until("agent_response", final=True))["text"]


async def test_a_foreign_origin_is_refused_before_the_upgrade(client: httpx.AsyncClient) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(ws(client), origin="https://evil.example"):  # type: ignore[arg-type]
            pass
    assert refused.value.response.status_code == 403
