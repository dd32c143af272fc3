"""`/v1/chat/completions` with the official SDK and by hand."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import openai
import pytest
from tests.serving import in_process
from tests.talking import end
from tests.upstreams import KEY, openai_service, refusal

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path, scripted_llm_ms=20) as client:
        yield client


@pytest.fixture
async def sdk(client: httpx.AsyncClient) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=str(client.base_url.join("/v1")), api_key="none", max_retries=0) as sdk:
        yield sdk


def body(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "thalia", "messages": [{"role": "user", "content": text}], **more}


def kept(text: str, conversation: str, **more: Any) -> dict[str, Any]:
    return body(text, elevenlabs_extra_body={"conversation_id": conversation}, **more)


async def test_the_official_sdk_gets_an_answer(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(model="thalia", messages=[{"role": "user", "content": "Who are you?"}])
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "thalia"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


async def test_the_official_sdk_streams_an_answer(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model="thalia",
        messages=[{"role": "user", "content": "Who are you?"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    text, reasons, usage = "", [], None
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasons.append(choice.finish_reason)
    assert text
    assert [reason for reason in reasons if reason] == ["stop"]
    assert usage is not None
    assert usage.completion_tokens > 0


async def test_the_official_sdk_lists_every_agent_as_a_model(sdk: openai.AsyncOpenAI) -> None:
    models = {model.id async for model in sdk.models.list()}
    assert models >= {"counsellor", "alexandros", "thalia", "marcus", "sage"}


async def test_the_official_sdk_understands_an_unknown_model(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        await sdk.chat.completions.create(model="nobody", messages=[{"role": "user", "content": "x"}])
    assert error.value.code == "model_not_found"


async def test_a_talk_that_names_no_conversation_is_kept_as_one(client: httpx.AsyncClient) -> None:
    talk = [{"role": "user", "content": "My cat is called Biscuit."}]
    for said in ("What is my cat called?", "Thanks."):
        answer = await client.post(CHAT, json={"model": "thalia", "messages": talk})
        talk += [answer.json()["choices"][0]["message"], {"role": "user", "content": said}]
    (kept_talk,) = (await client.get("/api/v1/conversations")).json()["items"]
    assert kept_talk["turns"] == 4


async def test_a_talk_that_names_no_conversation_is_not_kept_where_nobody_wants_it(tmp_path: Path) -> None:
    async with in_process(tmp_path, keep_unnamed=False) as client:
        assert (await client.post(CHAT, json=body("Hello"))).status_code == 200
        assert (await client.get("/api/v1/conversations")).json()["items"] == []


async def test_an_answer_that_nobody_waits_for_any_more_is_given_up(tmp_path: Path) -> None:
    async with in_process(tmp_path, scripted_llm_ms=60_000) as client:
        with anyio.fail_after(40):
            with pytest.raises(httpx.ReadTimeout):
                await client.post(CHAT, json=kept("My cat died.", "call"), timeout=3)
            assert (await end(client, "call")).json()["transcript_length"] == 1


async def test_a_conversation_keeps_its_turns_and_a_repeated_request_adds_none(client: httpx.AsyncClient) -> None:
    first = (await client.post(CHAT, json=kept("I live in Oslo.", "call"))).json()["choices"][0]["message"]["content"]
    again = (await client.post(CHAT, json=kept("I live in Oslo.", "call"))).json()["choices"][0]["message"]["content"]
    assert first == again
    assert (await end(client, "call")).json()["transcript_length"] == 2


async def test_the_same_request_sent_at_once_is_one_turn_with_one_answer(client: httpx.AsyncClient) -> None:
    answers: list[str] = []

    async def ask() -> None:
        answer = await client.post(CHAT, json=kept("I live in Oslo.", "call"))
        answers.append(answer.json()["choices"][0]["message"]["content"])

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
    assert len(set(answers)) == 1
    assert (await end(client, "call")).json()["transcript_length"] == 2


async def test_a_client_that_goes_away_leaves_what_it_was_sent(client: httpx.AsyncClient) -> None:
    taken = ""
    async with client.stream(
        "POST", CHAT, json=kept("Tell me a long story of the palace.", "call", stream=True)
    ) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                taken += json.loads(line[6:])["choices"][0]["delta"].get("content", "")
            if taken:
                break
    whole = (await client.post(CHAT, json=kept("Tell me a long story of the palace.", "call"))).json()["choices"][0][
        "message"
    ]["content"]
    assert whole.startswith(taken)
    assert (await end(client, "call")).json()["transcript_length"] in (2, 3)


async def test_a_conversation_belongs_to_its_agent_and_person(client: httpx.AsyncClient) -> None:
    extra = {"conversation_id": "call", "patient_id": "ann"}
    assert (await client.post(CHAT, json=body("Hi", elevenlabs_extra_body=extra))).status_code == 200
    other = await client.post(CHAT, json=body("Hi", elevenlabs_extra_body={**extra, "patient_id": "bob"}))
    assert other.status_code == 400
    assert other.json()["error"]["param"] == "conversation_id"
    foreign = await client.post(CHAT, json={**body("Hi", elevenlabs_extra_body=extra), "model": "marcus"})
    assert foreign.status_code == 400
    unnamed = await client.post(CHAT, json=body("Hi again", elevenlabs_extra_body={"conversation_id": "call"}))
    assert unnamed.status_code == 200


async def test_after_the_end_a_conversation_takes_no_more_turns(client: httpx.AsyncClient) -> None:
    await client.post(CHAT, json=kept("Hello", "call"))
    await end(client, "call")
    answer = await client.post(CHAT, json=kept("And another thing", "call"))
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "already_ended"


async def test_an_end_in_the_middle_of_an_answer_keeps_the_answer(client: httpx.AsyncClient) -> None:
    request = kept("Tell me a long story of the palace.", "call", stream=True)
    async with client.stream("POST", CHAT, json=request) as answer, anyio.create_task_group() as tasks:
        tasks.start_soon(end, client, "call")
        lines = [line async for line in answer.aiter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert (await end(client, "call")).json()["transcript_length"] == 2


async def test_a_large_max_tokens_leaves_room_for_the_talk(client: httpx.AsyncClient) -> None:
    assert (await client.post(CHAT, json=body("Hello", max_tokens=1_000_000))).status_code == 200


ADDRESSES = [
    *("/v1/chat/completions", "/chat/completions", "/v1/v1/chat/completions"),
    *("/agents/thalia/v1/chat/completions", "/agents/thalia/chat/completions", "/agents/thalia/v1/v1/chat/completions"),
    *("/v1/chat/completions/chat/completions", "/agents/thalia/v1/chat/completions/chat/completions"),
]


@pytest.mark.parametrize("address", ADDRESSES)
async def test_every_address_that_a_platform_makes_answers(client: httpx.AsyncClient, address: str) -> None:
    answer = await client.post(address, json=body("Hello"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == "thalia"


async def test_under_an_agents_address_the_model_is_free(client: httpx.AsyncClient) -> None:
    messages = {"messages": [{"role": "user", "content": "Hello"}]}
    for more in ({}, {"model": "gpt-4o"}, {"model": None}):
        answer = await client.post("/agents/marcus/v1/chat/completions", json={**messages, **more})
        assert answer.json()["model"] == "marcus"
    other = await client.post(
        "/agents/marcus/v1/chat/completions", json={**messages, "elevenlabs_extra_body": {"role_id": "thalia"}}
    )
    assert other.status_code == 400
    assert (await client.post("/agents/nobody/v1/chat/completions", json=messages)).status_code == 404
    assert [model["id"] for model in (await client.get("/agents/marcus/v1/models")).json()["data"]] == ["marcus"]
    assert (await client.get("/agents/nobody/v1/models")).status_code == 404


async def test_a_tagged_line_keeps_the_conversation(client: httpx.AsyncClient) -> None:
    tagged = {"role": "system", "content": "voicemind: conversation=tagged user=ada\nBe kind."}
    request = {"model": "thalia", "messages": [tagged, {"role": "user", "content": "I live in Oslo."}]}
    assert (await client.post(CHAT, json=request)).status_code == 200
    assert (await end(client, "tagged")).json()["transcript_length"] == 2


async def test_headers_keep_the_conversation(client: httpx.AsyncClient) -> None:
    headers = {"X-Conversation-Id": "headed", "X-User-Id": "ada"}
    assert (await client.post(CHAT, json=body("I live in Oslo."), headers=headers)).status_code == 200
    assert (await end(client, "headed")).json()["transcript_length"] == 2
    assert (await client.get("/api/v1/conversations/headed")).json()["user_id"] == "ada"


@pytest.mark.parametrize("merges", ["merge", "ignore"])
async def test_the_platforms_prompt_is_merged_or_left_out(tmp_path: Path, merges: str) -> None:
    prompt = {"role": "system", "content": "voicemind: user=ada\nThe zebra is called Zoltan."}
    question = {"role": "user", "content": "What is the zebra called?"}
    async with in_process(tmp_path, platform_prompt=merges) as client:
        answer = await client.post(CHAT, json={"model": "thalia", "messages": [prompt, question]})
    assert ("Zoltan" in answer.text) == (merges == "merge")
    assert "voicemind:" not in answer.text


async def test_the_stream_of_a_voice_platform_begins_before_the_model_does(tmp_path: Path) -> None:
    async with in_process(tmp_path, scripted_llm_ms=60_000) as client:
        with anyio.fail_after(20):
            async with client.stream("POST", CHAT, json=kept("Hello", "call", stream=True)) as answer:
                lines = answer.aiter_lines()
                first = json.loads((await anext(lines))[6:])
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert first["choices"][0]["delta"]["role"] == "assistant"


@pytest.mark.parametrize(
    ("status", "expected", "code"), [(401, 502, "upstream_auth"), (429, 503, "provider_unavailable"), (503, 503, None)]
)
@pytest.mark.parametrize("stream", [True, False])
async def test_what_fails_behind_us_is_a_status_that_tells_no_key(
    tmp_path: Path, status: int, expected: int, code: str | None, stream: bool
) -> None:
    async with openai_service(words=20_000) as upstream:
        for _ in range(5):
            error = {"message": f"Wrong key: {KEY}", "type": "x", "param": None, "code": None}
            upstream.queue.append(refusal(status, {"error": error}, retry_after="0"))
        given = {"llm": "openai", "openai_api_key": KEY, "openai_base_url": upstream.url}
        async with in_process(tmp_path, **given) as client:
            answer = await client.post(CHAT, json=body("Hello", stream=stream))
    assert answer.status_code == expected, answer.text
    assert answer.json()["error"]["type"] == "server_error"
    assert code in (None, answer.json()["error"]["code"])
    assert KEY not in answer.text
