"""What services are told of tools: what is kept for the cache, what a thinking model wants back, and what cannot be ordered."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.upstreams import KEY, Objection, anthropic_service, openai_service, replay

from voicemind.llm.anthropic import AnthropicLlm
from voicemind.llm.contract import Ask, Llm, Message, Piece, Tool, ToolCall
from voicemind.llm.local_tools import Answer, request, way
from voicemind.llm.openai import OpenAiLlm

pytestmark = pytest.mark.anyio

WIRES = Path(__file__).parents[1] / "wire"
MIND, QUESTION = Message("system", "You are Ida."), Message("user", "How is the weather?")
WEATHER = Tool("get_weather", "The weather in a town.", {"properties": {"location": {"type": "string"}}})
HANG_UP = Tool("hang_up", "Ends the call.")


async def answered(llm: Llm, ask: Ask) -> list[Piece]:
    with anyio.fail_after(10):
        async with aclosing(llm.stream(ask)) as pieces:
            return [piece async for piece in pieces]


async def test_claude_keeps_tools_system_and_talk_in_its_cache() -> None:
    async with anthropic_service() as upstream:
        llm = AnthropicLlm(api_key=KEY, model="some", base_url=upstream.url)
        await llm.start()
        talk = (MIND, Message("user", "Hello."), Message("assistant", "Yes?"), QUESTION)
        await answered(llm, Ask(talk, tools=(HANG_UP, WEATHER), must_call="get_weather", top_p=0.5))
        await llm.aclose()
    body = upstream.asked[0]
    assert ["cache_control" in tool for tool in body["tools"]] == [False, True]
    assert body["tools"][1]["input_schema"]["type"] == "object"
    assert "cache_control" in body["system"][0]
    assert "cache_control" in body["messages"][-2]["content"][-1]
    assert body["tool_choice"] == {"type": "tool", "name": "get_weather"}
    assert body["top_p"] == 0.5
    assert "temperature" not in body


async def test_what_claude_thought_before_a_call_goes_back_with_the_result() -> None:
    async with anthropic_service() as upstream:
        upstream.unwelcome = {"thinking": Objection("thinking: disabled is not supported")}
        llm = AnthropicLlm(api_key=KEY, model="some", base_url=upstream.url)
        await llm.start()
        await answered(llm, Ask((MIND, QUESTION), tools=(WEATHER,)))  # learns that this model must think
        upstream.queue.append(replay((WIRES / "anthropic/thinking_then_tool.sse").read_bytes()))
        pieces = await answered(llm, Ask((MIND, QUESTION), tools=(WEATHER,)))
        call = next(piece for piece in pieces if isinstance(piece, ToolCall))
        result = Message("tool", "Rain.", tool_call_id=call.id)
        upstream.queue.append(replay((WIRES / "anthropic/plain_with_pings.sse").read_bytes()))
        asked = Message("assistant", "I look.", (call,))
        await answered(llm, Ask((MIND, QUESTION, asked, result), tools=(WEATHER,)))
        await llm.aclose()
    blocks: list[dict[str, Any]] = upstream.asked[-1]["messages"][1]["content"]
    assert [block["type"] for block in blocks] == ["thinking", "redacted_thinking", "text", "tool_use"]
    assert blocks[0]["thinking"] == "They want the weather."
    assert blocks[0]["signature"].startswith("EqQB")


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
async def test_a_model_that_takes_no_order_to_call_is_told_in_words(kind: str) -> None:
    service = anthropic_service if kind == "anthropic" else openai_service
    provider: type[AnthropicLlm] | type[OpenAiLlm] = AnthropicLlm if kind == "anthropic" else OpenAiLlm
    async with service() as upstream:
        upstream.unwelcome = {"tool_choice": Objection("Thinking may not be enabled when tool_choice forces tool use.")}
        llm = provider(api_key=KEY, model="some", base_url=upstream.url)
        await llm.start()
        for _ in range(2):
            await answered(llm, Ask((MIND, QUESTION), tools=(WEATHER,), must_call="get_weather"))
        await llm.aclose()
    assert ["tool_choice" in body for body in upstream.asked] == [True, False, False]
    assert "Answer by calling get_weather." in str(upstream.asked[-1])


@pytest.mark.parametrize(
    ("said", "offered"),
    [("Good morning.", []), ("How is the WEATHER?", ["get_weather"]), ("Which towns?", ["get_weather"]), ("…", [])],
)
def test_an_embedded_model_is_shown_the_tools_that_were_spoken_of(said: str, offered: list[str]) -> None:
    ask = Ask((MIND, Message("user", said)), tools=(WEATHER, HANG_UP))
    assert [tool.name for tool in way(ask)[1]] == offered
    assert ("grammar" in request(ask)) == bool(offered)


def test_what_an_embedded_model_writes_is_words_or_a_call() -> None:
    ask = Ask((MIND, QUESTION), tools=(WEATHER,))
    words, call, cut = Answer(ask), Answer(ask), Answer(ask)
    assert [piece.text for text in ("It ", "{rains}") if (piece := words.feed(text))] == ["It ", "{rains}"]
    assert words.call() is None
    assert [call.feed(text) for text in ('{"tool":"get_', 'weather","arguments":{"location":"Oslo"}}')] == [None, None]
    made = call.call()
    assert made is not None
    assert (made.name, made.arguments) == ("get_weather", '{"location":"Oslo"}')
    assert cut.feed('{"tool":"get_wea') is None
    assert cut.call() is None
