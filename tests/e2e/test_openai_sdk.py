"""The official `openai` SDK as it is, against a real server on loopback: chat completions, responses, models and errors."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pydantic
import pytest
from openai import pydantic_function_tool
from openai.types.chat import ChatCompletionMessageParam
from tests.tool_calling import CALLED, calling_server

pytestmark = pytest.mark.anyio

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Who are you?"}]


class Weather(pydantic.BaseModel):
    """Tells the weather of a city."""

    city: str


TOOL = pydantic_function_tool(Weather, name="weather")
FLAT: Any = {"type": "function", **TOOL["function"]}


@pytest.fixture
async def sdk(tmp_path: Path) -> AsyncIterator[openai.AsyncOpenAI]:
    """A client of a server whose model calls the first tool that it is offered, and then says what came back."""
    async with (
        calling_server(tmp_path) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=30) as sdk,
    ):
        yield sdk


async def test_an_answer_comes_whole_and_in_pieces(sdk: openai.AsyncOpenAI) -> None:
    whole = await sdk.chat.completions.create(model="thalia", messages=HELLO)
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert whole.usage.prompt_tokens_details is not None
    async with sdk.chat.completions.stream(
        model="thalia", messages=HELLO, stream_options={"include_usage": True}
    ) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert final.usage is not None
    assert final.usage.total_tokens == whole.usage.total_tokens


async def test_a_tool_is_called_and_its_result_answered(sdk: openai.AsyncOpenAI) -> None:
    asked: list[ChatCompletionMessageParam] = [{"role": "user", "content": "How is the weather?"}]
    first = await sdk.chat.completions.create(model="thalia", messages=asked, tools=[TOOL])
    choice = first.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    call = choice.message.tool_calls[0]
    assert call.type == "function"
    assert json.loads(call.function.arguments) == CALLED
    asked.append(choice.message.model_dump(exclude_none=True))  # type: ignore[arg-type]
    asked.append({"role": "tool", "tool_call_id": call.id, "content": "It rains."})
    last = await sdk.chat.completions.create(model="thalia", messages=asked, tools=[TOOL])
    assert last.choices[0].message.content == "It rains."


async def test_a_streamed_call_is_put_together(sdk: openai.AsyncOpenAI) -> None:
    async with sdk.chat.completions.stream(model="thalia", messages=HELLO, tools=[TOOL]) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].finish_reason == "tool_calls"
    calls = final.choices[0].message.tool_calls
    assert calls
    assert calls[0].function.parsed_arguments == Weather(city="Oslo")


async def test_a_structured_answer_is_parsed(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.parse(model="thalia", messages=HELLO, response_format=Weather)
    assert isinstance(answer.choices[0].message.parsed, Weather)
    response = await sdk.responses.parse(model="thalia", input="Who are you?", text_format=Weather)
    assert isinstance(response.output_parsed, Weather)


async def test_agents_are_models(sdk: openai.AsyncOpenAI) -> None:
    assert {model.id async for model in sdk.models.list()} >= {"counsellor", "thalia"}
    assert (await sdk.models.retrieve("marcus")).owned_by == "voicemind"
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("nobody")


async def test_under_the_address_of_an_agent_every_model_is_that_agent(sdk: openai.AsyncOpenAI) -> None:
    under = sdk.with_options(base_url=str(sdk.base_url).replace("/v1", "/agents/marcus/v1"))
    assert (await under.chat.completions.create(model="gpt-4o", messages=HELLO)).model == "marcus"
    assert (await under.responses.create(model="gpt-4o", input="Hi")).model == "marcus"
    assert [model.id async for model in under.models.list()] == ["marcus"]


async def test_a_response_says_what_it_is(sdk: openai.AsyncOpenAI) -> None:
    response = await sdk.responses.create(
        model="thalia", input=[{"role": "user", "content": "Who are you?"}], instructions="Be kind.", temperature=0.5
    )
    assert response.output_text
    assert (response.status, response.instructions, response.temperature) == ("completed", "Be kind.", 0.5)
    assert response.usage is not None
    assert response.usage.output_tokens > 0
    cut = await sdk.responses.create(model="thalia", input="Tell me a long story of the palace.", max_output_tokens=1)
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"


async def test_the_events_of_a_response_come_in_order(sdk: openai.AsyncOpenAI) -> None:
    events = [event async for event in await sdk.responses.create(model="thalia", input="Who are you?", stream=True)]
    kinds = [event.type for event in events]
    first, last = kinds.index("response.output_text.delta"), kinds.index("response.output_text.done")
    assert kinds[:first] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert set(kinds[first:last]) == {"response.output_text.delta"}
    assert kinds[last + 1 :] == ["response.content_part.done", "response.output_item.done", "response.completed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == said


async def test_a_streamed_response_is_put_together_with_its_calls(sdk: openai.AsyncOpenAI) -> None:
    async with sdk.responses.stream(model="thalia", input="How is the weather?", tools=[FLAT]) as stream:
        final = await stream.get_final_response()
    call = final.output[-1]
    assert call.type == "function_call"
    assert json.loads(call.arguments) == CALLED


async def test_a_response_goes_on_from_the_one_before(sdk: openai.AsyncOpenAI) -> None:
    first = await sdk.responses.create(model="thalia", input="My cat is called Biscuit.")
    second = await sdk.responses.create(model="thalia", previous_response_id=first.id, input="Thank you.")
    assert second.output_text
    assert second.conversation is not None
    assert second.conversation == first.conversation
    named = await sdk.responses.create(model="thalia", conversation=second.conversation.id, input="And you?")
    assert named.conversation == first.conversation


async def test_a_made_up_id_loads_nobodys_conversation(sdk: openai.AsyncOpenAI) -> None:
    first = await sdk.responses.create(
        model="thalia", input="My cat is called Biscuit.", user="ada", conversation="hers"
    )
    coded = base64.urlsafe_b64encode(b"hers").decode().rstrip("=")
    assert first.id.endswith(f"_{coded}")
    for forged in (f"resp_1_1_{'0' * 64}_{coded}", f"resp_1_1_{'0' * 32}_{coded}", first.id.replace("_1_1_", "_9_9_")):
        with pytest.raises(openai.NotFoundError) as refused:
            await sdk.responses.create(model="thalia", previous_response_id=forged, input="What is my cat called?")
        assert refused.value.code == "previous_response_not_found"


async def test_the_result_of_a_call_goes_on_from_the_response_with_the_call(sdk: openai.AsyncOpenAI) -> None:
    first = await sdk.responses.create(model="thalia", input="How is the weather?", tools=[FLAT])
    call = first.output[-1]
    assert call.type == "function_call"
    answer = await sdk.responses.create(
        model="thalia",
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "It rains."}],
        tools=[FLAT],
    )
    assert answer.output_text == "It rains."
    last = await sdk.responses.create(model="thalia", previous_response_id=answer.id, input="Thank you.")
    assert last.output_text


async def test_what_is_not_to_be_stored_is_not_and_cannot_be_gone_on_from(sdk: openai.AsyncOpenAI) -> None:
    alone = await sdk.responses.create(model="thalia", input="Hi", store=False)
    async with httpx.AsyncClient(base_url=str(sdk.base_url).removesuffix("/v1/"), timeout=30) as client:
        assert (await client.get("/api/v1/conversations")).json()["items"] == []
    for unknown in (alone.id, "resp_made_up", "resp_1_1_" + "0" * 32 + "_bm93aGVyZQ"):
        with pytest.raises(openai.NotFoundError) as refused:
            await sdk.responses.create(model="thalia", input="And?", previous_response_id=unknown)
        assert refused.value.code == "previous_response_not_found"
        assert refused.value.param == "previous_response_id"


async def test_mistakes_are_the_exceptions_of_the_sdk(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        await sdk.chat.completions.create(model="nobody", messages=HELLO)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        await sdk.chat.completions.create(model="thalia", messages=HELLO, n=2)
    assert wrong.value.param == "n"
    with pytest.raises(openai.APIStatusError) as large:
        await sdk.responses.create(model="thalia", input="x" * 32_001)
    assert (large.value.status_code, large.value.param) == (413, "input.content")
