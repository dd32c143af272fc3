"""Who answers where a model cannot: real services on loopback that are down, silent, overloaded, or die."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import anyio
import pytest
from tests.serving import free_port
from tests.upstreams import (
    KEY,
    Answer,
    Upstream,
    anthropic_event,
    anthropic_service,
    openai_chunk,
    openai_service,
    refusal,
    replay,
    silence,
)

from voicemind.errors import ProviderError, ProviderRefused, ProviderUnavailable, UpstreamAuth
from voicemind.llm.anthropic import AnthropicLlm
from voicemind.llm.contract import Ask, Finished, Llm, Message, Piece, TextDelta, ToolCall
from voicemind.llm.fallback import FallbackLlm, shortened
from voicemind.llm.hosted import Patience
from voicemind.llm.openai import OpenAiLlm
from voicemind.llm.scripted import ScriptedLlm

pytestmark = pytest.mark.anyio

SECRET = "the canary sentence"
ASK = Ask((Message("system", "You are Ida."), Message("user", f"Hello, {SECRET}.")), max_tokens=60)
PATIENCE = Patience(urgent_s=4, idle_s=8)
SECOND = "I am the second."


@asynccontextmanager
async def two(*, key: str = KEY, down: bool = False) -> AsyncIterator[tuple[Llm, Upstream, Upstream]]:
    """Claude first, and behind it another service."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(anthropic_service(replies=("I am the first.",)))
        second = await stack.enter_async_context(openai_service(replies=(SECOND,)))
        url = f"http://127.0.0.1:{free_port()}" if down else first.url
        llm = FallbackLlm(
            [
                AnthropicLlm(api_key=key, model="first", base_url=url, patience=PATIENCE),
                OpenAiLlm(api_key=KEY, model="second", base_url=second.url, patience=PATIENCE),
            ],
            patience=PATIENCE,
        )
        await llm.start()
        stack.push_async_callback(llm.aclose)
        yield llm, first, second


async def heard(llm: Llm, ask: Ask = ASK) -> tuple[str, ProviderError | None]:
    """What was said, and the error that it ended in."""
    pieces: list[Piece] = []
    error: ProviderError | None = None
    with anyio.fail_after(60):
        try:
            async with aclosing(llm.stream(ask)) as stream:
                async for piece in stream:
                    pieces.append(piece)  # noqa: PERF401 - what came before an error counts
        except ProviderError as problem:
            error = problem
    assert not any(secret in str(error) for secret in ("canary", "sk-"))
    assert error is not None or isinstance(pieces[-1], Finished)
    return "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)), error


async def test_the_first_model_answers_alone_where_it_can() -> None:
    async with two() as (llm, _, second):
        assert await heard(llm) == ("I am the first.", None)
        assert second.asked == []


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        (refusal(401, {}), 1),
        (refusal(403, {}), 1),
        (refusal(402, {}), 1),
        (refusal(429, {}, retry_after="30"), 1),
        (refusal(429, {}, retry_after_ms="1"), 3),
        (refusal(503, {}, retry_after_ms="1"), 3),
        (refusal(529, {}, retry_after_ms="1"), 3),
        (replay(b": hello\n\n", cut=True), 3),
        (replay(anthropic_event("error", error={"type": "overloaded_error", "message": SECRET})), 3),
        (replay(b"data: {broken\n\n"), 1),
        (silence(before_headers=True), 1),
        (silence(before_headers=False), 1),
    ],
)
async def test_the_second_model_answers_where_the_first_cannot(answer: Answer, times: int) -> None:
    async with two() as (llm, first, _):
        first.queue.extend([answer] * 3)
        began = anyio.current_time()
        assert await heard(llm) == (SECOND, None)
        assert anyio.current_time() - began < 2 * PATIENCE.urgent_s
        assert 1 <= len(first.asked) <= times


async def test_the_second_model_answers_where_nobody_is_there() -> None:
    async with two(down=True) as (llm, _, _):
        assert await heard(llm) == (SECOND, None)


async def test_a_wrong_key_goes_to_the_second_model_and_is_told_where_that_fails_too() -> None:
    async with two(key="sk-canary-wrong") as (llm, first, second):
        assert await heard(llm) == (SECOND, None)
        assert len(first.asked) == 1
        second.queue.append(refusal(404, {}))
        said, error = await heard(llm)
        assert (said, type(error)) == ("", UpstreamAuth)
        assert error is not None
        assert (error.code, error.status) == ("upstream_auth", 502)


async def test_where_none_answers_the_time_of_one_is_not_exceeded() -> None:
    async with two() as (llm, first, second):
        first.queue.append(silence(before_headers=True))
        second.queue.append(silence(before_headers=True))
        began = anyio.current_time()
        _, error = await heard(llm)
        assert isinstance(error, ProviderUnavailable)
        assert str(error).startswith(("first", "anthropic"))
        assert PATIENCE.urgent_s * 0.9 <= anyio.current_time() - began < 2 * PATIENCE.urgent_s


@pytest.mark.parametrize("cut", [True, False])
async def test_nobody_goes_on_where_another_began_to_speak(cut: bool) -> None:
    begun = anthropic_event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Well, "})
    async with two() as (llm, first, second):
        first.queue.append(replay(begun, cut=cut))
        said, error = await heard(llm)
        assert said == "Well, "
        assert isinstance(error, ProviderUnavailable)
        assert second.asked == []


async def test_a_call_counts_as_spoken() -> None:
    async with openai_service() as upstream:
        begun = {"index": 0, "id": "a", "function": {"name": "hang_up", "arguments": "{}"}}
        wire = openai_chunk({"tool_calls": [begun]}, finish="tool_calls") + b"data: {broken\n\n"
        upstream.queue.append(replay(wire, packet=len(wire) - 5))
        first = OpenAiLlm(api_key=KEY, model="first", base_url=upstream.url)
        llm = FallbackLlm([first, ScriptedLlm()])
        await llm.start()
        pieces: list[Piece] = []
        with anyio.fail_after(10), pytest.raises(ProviderUnavailable):  # noqa: PT012 - what came before counts
            async for piece in llm.stream(ASK):
                pieces.append(piece)  # noqa: PERF401
        await llm.aclose()
    assert pieces == [ToolCall("a", "hang_up", "{}")]


async def test_a_model_that_declines_is_not_asked_around() -> None:
    async with two() as (llm, first, second):
        end = {"stop_reason": "refusal", "stop_sequence": None}
        first.queue.append(replay(anthropic_event("message_delta", delta=end, usage={"output_tokens": 1})))
        assert await heard(llm) == ("", None)
        assert second.asked == []


async def test_an_embedded_model_behind_may_take_its_time() -> None:
    slow = ScriptedLlm(delay_ms=400, replies=("At last.",))
    dead = OpenAiLlm(api_key="", model="dead", base_url=f"http://127.0.0.1:{free_port()}")
    for waits, kept in ((True, ("At last.", None)), (False, None)):
        llm = FallbackLlm([dead, slow], patience=Patience(urgent_s=0.2), waits=waits)
        await llm.start()
        said = await heard(llm)
        await llm.aclose()
        assert said == kept or (kept is None and said[0] == "" and isinstance(said[1], ProviderUnavailable))


async def test_an_answer_that_is_left_early_ends_at_the_second_service_too() -> None:
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(openai_service(replies=("word " * 900,)))
        dead = AnthropicLlm(api_key=KEY, model="dead", base_url=f"http://127.0.0.1:{free_port()}")
        llm = FallbackLlm([dead, OpenAiLlm(api_key=KEY, model="second", base_url=second.url)])
        await llm.start()
        stack.push_async_callback(llm.aclose)
        with anyio.fail_after(10):
            async with aclosing(llm.stream(Ask(ASK.messages, max_tokens=900))) as pieces:
                async for _ in pieces:
                    break
        with anyio.fail_after(1):
            await second.idle.wait()


async def test_a_smaller_model_behind_is_given_what_it_has_room_for() -> None:
    talk = tuple(Message("user" if at % 2 == 0 else "assistant", f"{at} " + "word " * 40) for at in range(101))
    ask = Ask((Message("system", "You are Ida."), *talk), max_tokens=900)
    dead = OpenAiLlm(api_key="", model="dead", base_url=f"http://127.0.0.1:{free_port()}")
    llm = FallbackLlm([dead, ScriptedLlm(context_tokens=1024)], waits=True)
    await llm.start()
    said, error = await heard(llm, ask)
    await llm.aclose()
    assert said
    assert error is None
    shorter = shortened(ask, context_tokens=1024)
    assert shorter.max_tokens == 256
    assert shorter.messages[0].content == "You are Ida."
    assert "left out" in shorter.messages[1].content
    assert shorter.messages[-1] == talk[-1]
    assert shortened(ASK, context_tokens=4096) == ASK


@pytest.mark.parametrize("is_first", [True, False])
async def test_without_any_answer_the_error_is_told_that_will_not_pass(is_first: bool) -> None:
    async with two() as (llm, first, second):
        for service, is_hopeless in ((first, is_first), (second, not is_first)):
            answer = refusal(402, {}) if is_hopeless else refusal(503, {}, retry_after_ms="1")
            service.queue.extend([answer] * 3)
        _, error = await heard(llm)
        assert type(error) is ProviderRefused


async def test_where_the_first_model_cannot_read_ahead_the_second_does() -> None:
    mind = (Message("system", "You are Ida. " * 330),)
    async with two(down=True) as (llm, _, second):
        await llm.warm(mind)
        assert len(second.asked) == 1
        second.queue.append(refusal(401, {}))
        with pytest.raises(UpstreamAuth):
            await llm.warm(mind)
