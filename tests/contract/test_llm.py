"""Every language model keeps the promises of `llm/contract.py`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.serving import free_port
from tests.upstreams import KEY, Upstream, anthropic_service, llama_service, openai_service

from voicemind.errors import ProviderRefused
from voicemind.llm.anthropic import AnthropicLlm
from voicemind.llm.contract import Ask, Finished, Llm, Message, TextDelta, Tool, ToolCall
from voicemind.llm.fallback import FallbackLlm
from voicemind.llm.hosted import Patience
from voicemind.llm.local import LocalLlm
from voicemind.llm.openai import OpenAiLlm
from voicemind.llm.scripted import ScriptedLlm
from voicemind.models.catalog import find, located

SMALL = find("smollm2-135m")
CANNOT_FORCE = "llama.cpp"
"""A server that takes an order to call a tool, and whose model may answer in words all the same."""


@asynccontextmanager
async def hosted(
    service: Callable[[], AbstractAsyncContextManager[Upstream]], provider: type[AnthropicLlm] | type[OpenAiLlm]
) -> AsyncIterator[Llm]:
    """A provider whose service is on loopback."""
    async with service() as upstream:
        yield provider(api_key=KEY, model="scripted", base_url=upstream.url, context_tokens=1024, shortest_prefix=0)


@asynccontextmanager
async def llama() -> AsyncIterator[Llm]:
    """Another server with OpenAI's interface."""
    model = located(SMALL, Path())
    assert model is not None
    async with llama_service(model) as url:
        patience = Patience(urgent_s=60)
        yield OpenAiLlm(
            api_key="", model=CANNOT_FORCE, base_url=url, context_tokens=1024, shortest_prefix=0, patience=patience
        )


@asynccontextmanager
async def here(llm: Llm) -> AsyncIterator[Llm]:
    """A provider that needs nothing else."""
    yield llm


@asynccontextmanager
async def fallback() -> AsyncIterator[Llm]:
    """A model that nobody answers for, and one behind it."""
    url = f"http://127.0.0.1:{free_port()}"
    dead = AnthropicLlm(api_key=KEY, model="dead", base_url=url, context_tokens=1024, shortest_prefix=0)
    yield FallbackLlm([dead, ScriptedLlm(token_ms=1, context_tokens=1024)], waits=True)


MAKERS: dict[str, Callable[[], AbstractAsyncContextManager[Llm]]] = {
    "scripted": lambda: here(ScriptedLlm(token_ms=1, context_tokens=1024)),
    "anthropic": lambda: hosted(anthropic_service, AnthropicLlm),
    "openai": lambda: hosted(openai_service, OpenAiLlm),
    "openai with llama.cpp": llama,
    "fallback": fallback,
    "local": lambda: here(LocalLlm(model=SMALL, cache_dir=Path(), context_tokens=1024, threads=1)),
}
NEEDS_WEIGHTS = pytest.mark.models

pytestmark = pytest.mark.anyio

MIND = Message("system", "You are Thalia, a weaver.\n- The user's cat is called Biscuit.\n- The user lives in Oslo.")
QUESTION = Message("user", "What is my cat called?")
VERDICT = {
    "type": "object",
    "properties": {
        "keep": {"type": "boolean"},
        "op": {"enum": ["add", "drop"]},
        "facts": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "items": {"type": "integer", "minimum": 0, "maximum": 9},
        },
    },
    "required": ["keep", "op", "facts"],
    "additionalProperties": False,
}


WEATHER = Tool(
    "weather",
    "The weather in a town.",
    {
        "type": "object",
        "properties": {"town": {"enum": ["Oslo", "Bergen"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["town", "days"],
        "additionalProperties": False,
    },
)
HANG_UP = Tool("hang_up", "Ends the call.")
TOOLS = (WEATHER, HANG_UP)
WEATHER_QUESTION = Message("user", "How is the weather in Oslo?")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the module, so that the weights are loaded once."""
    return "asyncio"


@pytest.fixture(
    scope="module",
    params=[
        "scripted",
        "anthropic",
        "openai",
        "fallback",
        pytest.param("openai with llama.cpp", marks=NEEDS_WEIGHTS),
        pytest.param("local", marks=NEEDS_WEIGHTS),
    ],
)
async def llm(request: pytest.FixtureRequest) -> AsyncIterator[Llm]:
    async with MAKERS[request.param]() as started:
        with anyio.fail_after(120):
            await started.start()
        yield started
        with anyio.fail_after(30):
            await started.aclose()
            await started.aclose()


async def _given(llm: Llm, ask: Ask) -> tuple[str, list[ToolCall], Finished]:
    """The words, the calls and the end of an answer."""
    with anyio.fail_after(60):
        pieces = [piece async for piece in llm.stream(ask)]
    words = [piece for piece in pieces if isinstance(piece, TextDelta)]
    assert all(piece.text for piece in words)
    calls = [piece for piece in pieces if isinstance(piece, ToolCall)]
    finished = pieces[-1]
    assert isinstance(finished, Finished)
    assert len(words) + len(calls) == len(pieces) - 1
    return "".join(piece.text for piece in words), calls, finished


async def _answer(llm: Llm, *messages: Message, **options: Any) -> tuple[str, Finished]:
    ask = Ask(messages or (MIND, QUESTION), temperature=0, **{"max_tokens": 24, **options})
    text, calls, finished = await _given(llm, ask)
    assert calls == []
    return text, finished


async def _called(llm: Llm, *messages: Message, **options: Any) -> tuple[list[ToolCall], Finished]:
    ask = Ask((MIND, *messages), temperature=0, **{"max_tokens": 80, "tools": TOOLS, **options})
    _, calls, finished = await _given(llm, ask)
    return calls, finished


def _is_weather_call(call: ToolCall) -> bool:
    given = json.loads(call.arguments)
    return call.name == "weather" and set(given) == {"town", "days"} and given["town"] in {"Oslo", "Bergen"}


async def test_an_answer_comes_in_pieces_and_ends_once_with_what_it_cost(llm: Llm) -> None:
    text, finished = await _answer(llm)
    assert text.strip()
    assert finished.usage.prompt >= 10
    assert 1 <= finished.usage.completion <= 24


async def test_the_same_question_is_answered_the_same_way(llm: Llm) -> None:
    assert (await _answer(llm))[0] == (await _answer(llm))[0]


async def test_max_tokens_cuts_and_says_so(llm: Llm) -> None:
    text, finished = await _answer(llm, max_tokens=2)
    assert finished.reason == "length"
    assert finished.usage.completion == 2
    assert len(text.split()) <= 2


async def test_an_answer_ends_before_a_stop_string(llm: Llm) -> None:
    whole, _ = await _answer(llm)
    stop = whole.split()[2]
    text, finished = await _answer(llm, stop=(stop,))
    assert stop not in text
    assert whole.startswith(text)
    assert finished.reason == "stop"


@pytest.mark.parametrize("urgent", [True, False])
async def test_a_schema_binds_the_whole_answer(llm: Llm, urgent: bool) -> None:
    text, _ = await _answer(llm, json_schema=VERDICT, max_tokens=120, urgent=urgent)
    verdict = json.loads(text)
    assert set(verdict) == {"keep", "op", "facts"}
    assert isinstance(verdict["keep"], bool)
    assert verdict["op"] in {"add", "drop"}
    assert 1 <= len(verdict["facts"]) <= 2


async def test_what_was_warmed_is_not_read_again(llm: Llm) -> None:
    await llm.warm((MIND,))
    _, finished = await _answer(llm, MIND, Message("user", "Do I live in the south or in the north?"))
    assert finished.usage.cached >= 12
    assert finished.usage.cached < finished.usage.prompt


async def test_two_warmed_minds_stay_warm_side_by_side(llm: Llm) -> None:
    minds = [
        Message("system", f"You are {name}.\n" + f"- {name} knows the road to {name}.\n" * 12)
        for name in ("Ida", "Zeno")
    ]
    for mind in minds:
        await llm.warm((mind,))
    for mind in minds:
        _, finished = await _answer(llm, mind, QUESTION, max_tokens=1)
        assert finished.usage.cached > 0.7 * finished.usage.prompt


async def test_a_prompt_over_the_context_is_refused_without_its_words(llm: Llm) -> None:
    with pytest.raises(ProviderRefused) as refusal:
        await _answer(llm, Message("user", "secret " * 2000))
    assert "secret" not in str(refusal.value)
    assert (await _answer(llm))[0].strip()


async def test_an_answer_that_is_left_early_frees_the_model_within_a_second(llm: Llm) -> None:
    ask = Ask((Message("user", "Tell me everything about the history of the world."),), max_tokens=600)
    async with aclosing(llm.stream(ask)) as pieces:
        async for _ in pieces:
            break
    with anyio.fail_after(5):
        await _answer(llm, max_tokens=1)


async def test_a_cancelled_answer_frees_the_model(llm: Llm) -> None:
    async def talk() -> None:
        await _answer(llm, Message("user", "Count to a thousand."), max_tokens=600)

    with anyio.move_on_after(0.1):
        await talk()
    with anyio.fail_after(5):
        await _answer(llm, max_tokens=1)


async def test_questions_at_once_are_all_answered(llm: Llm) -> None:
    answers: list[str] = []

    async def talk(number: int) -> None:
        text, _ = await _answer(
            llm, MIND, Message("user", f"Say the number {number}."), max_tokens=4, urgent=number % 2 == 0
        )
        answers.append(text)

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(talk, number)
    assert len(answers) == 4
    assert all(answers)


async def test_any_object_is_json_too(llm: Llm) -> None:
    text, finished = await _answer(llm, MIND, Message("user", "Hello."), json_schema={"type": "object"}, max_tokens=200)
    assert finished.reason == "length" or isinstance(json.loads(text), dict)


@pytest.mark.parametrize("urgent", [True, False])
async def test_a_tool_that_must_be_called_is_called_as_its_schema_says(llm: Llm, urgent: bool) -> None:
    calls, finished = await _called(llm, Message("user", "Good morning."), must_call="weather", urgent=urgent)
    assert calls or llm.name == CANNOT_FORCE
    assert all(_is_weather_call(call) for call in calls)
    assert all(call.id for call in calls)
    assert (finished.reason == "tool_calls") == bool(calls)
    assert finished.usage.prompt >= 10


@pytest.mark.parametrize("tools", [(HANG_UP,), TOOLS])
async def test_where_a_call_is_required_one_comes(llm: Llm, tools: tuple[Tool, ...]) -> None:
    calls, finished = await _called(llm, Message("user", "Good morning."), tools=tools, tool_choice="required")
    assert calls or llm.name == CANNOT_FORCE
    assert (finished.reason == "tool_calls") == bool(calls)
    for call in calls:
        assert call.name in {tool.name for tool in tools}
        assert _is_weather_call(call) or (call.name == "hang_up" and isinstance(json.loads(call.arguments), dict))


async def test_where_calls_are_forbidden_the_answer_is_words(llm: Llm) -> None:
    calls, finished = await _called(llm, WEATHER_QUESTION, tool_choice="none", max_tokens=24)
    assert calls == []
    assert finished.reason in {"stop", "length"}


async def test_where_a_model_may_call_the_end_says_whether_it_did(llm: Llm) -> None:
    for text in ("How is the weather in Oslo?", "I like wool."):
        calls, finished = await _called(llm, Message("user", text))
        assert (finished.reason == "tool_calls") == bool(calls)
        assert all(isinstance(json.loads(call.arguments), dict) for call in calls)


async def test_the_result_of_a_call_is_read(llm: Llm) -> None:
    call = ToolCall("call_a", "weather", '{"town": "Oslo", "days": 1}')
    asked = (MIND, WEATHER_QUESTION, Message("assistant", "", (call,)))
    result = Message("tool", "Rain and four degrees.", tool_call_id="call_a")
    text, calls, finished = await _given(llm, Ask((*asked, result), max_tokens=24, temperature=0, tools=TOOLS))
    assert (finished.reason == "tool_calls") == bool(calls)
    assert text.strip() or calls
    long = Message("tool", "Rain and four degrees, " * 20, tool_call_id="call_a")
    _, _, longer = await _given(llm, Ask((*asked, long), max_tokens=24, temperature=0, tools=TOOLS))
    assert longer.usage.prompt > finished.usage.prompt + 50


async def test_a_talk_in_which_tools_were_called_can_go_on_without_them(llm: Llm) -> None:
    calls = (ToolCall("a", "weather", '{"town": "Oslo", "days": 1}'), ToolCall("b", "hang_up", "{}"))
    talk = (
        MIND,
        WEATHER_QUESTION,
        Message("assistant", "I look.", calls),
        Message("tool", "Rain.", tool_call_id="a"),  # the second call never got its result
        Message("assistant", "It rains."),
        Message("tool", "Sun.", tool_call_id="whose call was cut off"),
        Message("user", "Thank you. What is my cat called?"),
    )
    text, finished = await _answer(llm, *talk)
    assert text.strip()
    assert finished.reason in {"stop", "length"}


async def test_sampling_can_be_narrowed_and_seeded(llm: Llm) -> None:
    first, _, _ = await _given(llm, Ask((MIND, QUESTION), max_tokens=12, temperature=1, top_p=0.9, seed=7))
    second, _, _ = await _given(llm, Ask((MIND, QUESTION), max_tokens=12, temperature=1, top_p=0.9, seed=7))
    assert first.strip()
    assert second == first
