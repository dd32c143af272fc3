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
        with anyio.fail_after(20):
            with pytest.raises(httpx.ReadTimeout):
                await client.post(CHAT, json=kept("My cat died.", "call"), timeout=0.5)
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
