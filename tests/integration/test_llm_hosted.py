"""What the services of others do when they are not well, and what they are asked: real SDKs, real sockets, recorded wires."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest
from tests.serving import free_port
from tests.upstreams import (
    KEY,
    Objection,
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
from voicemind.llm.contract import Ask, Finished, Llm, Message, TextDelta, Usage
from voicemind.llm.hosted import LONGEST_ANSWER, Patience
from voicemind.llm.openai import OpenAiLlm

pytestmark = pytest.mark.anyio

SECRET = "the canary sentence"
ASK = Ask((Message("system", "You are Ida."), Message("user", f"Hello, {SECRET}.")), max_tokens=60)
CALM = Patience(urgent_s=5)
QUICK = Patience(urgent_s=0.6, idle_s=5)

SERVICES: dict[str, Callable[..., AbstractAsyncContextManager[Upstream]]] = {
    "anthropic": anthropic_service,
    "openai": openai_service,
}
PROVIDERS: dict[str, type[AnthropicLlm] | type[OpenAiLlm]] = {"anthropic": AnthropicLlm, "openai": OpenAiLlm}
both = pytest.mark.parametrize("kind", SERVICES)


@asynccontextmanager
async def connected(kind: str, *, url: str, key: str = KEY, patience: Patience = CALM) -> AsyncIterator[Llm]:
    llm = PROVIDERS[kind](api_key=key, model="some-model", base_url=url, patience=patience)
    await llm.start()
    try:
        yield llm
    finally:
        await llm.aclose()


@asynccontextmanager
async def talking(kind: str, **given: Any) -> AsyncIterator[tuple[Llm, Upstream]]:
    async with SERVICES[kind]() as upstream, connected(kind, url=upstream.url, **given) as llm:
        yield llm, upstream


async def answer(llm: Llm, ask: Ask = ASK) -> tuple[str, Finished]:
    said, finished, error = await heard(llm, ask)
    if error is not None:
        raise error
    assert finished is not None
    return said, finished


async def heard(llm: Llm, ask: Ask = ASK) -> tuple[str, Finished | None, ProviderError | None]:
    """What was said until the end, and how it ended."""
    said: list[str] = []
    error: ProviderError | None = None
    with anyio.fail_after(10):
        try:
            async with aclosing(llm.stream(ask)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Finished):
                        return "".join(said), piece, None
                    said.append(piece.text if isinstance(piece, TextDelta) else "")
        except ProviderError as problem:
            error = problem
    if error is not None:
        assert "canary" not in str(error)
        return "".join(said), None, error
    raise AssertionError("an answer ended without a word about its end")


def _claude(*events: bytes, reason: str | None = "end_turn", stop: bool = True) -> bytes:
    """Traffic as Anthropic sends it."""
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 2051,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 1,
        "service_tier": "standard",
        "inference_geo": "not_available",
    }
    start = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": usage}
    wire = anthropic_event("message_start", message={**start, "stop_reason": None, "stop_sequence": None})
    wire += b'event: ping\ndata: {"type": "ping"}\n\n' + b"".join(events)
    if reason:
        end = {"stop_reason": reason, "stop_sequence": None, "stop_details": None}
        wire += anthropic_event("message_delta", delta=end, usage={"output_tokens": 12})
    return wire + (anthropic_event("message_stop") if stop else b"")


def _claude_text(*texts: str, index: int = 0) -> bytes:
    deltas = [
        anthropic_event("content_block_delta", index=index, delta={"type": "text_delta", "text": text})
        for text in texts
    ]
    start = anthropic_event("content_block_start", index=index, content_block={"type": "text", "text": ""})
    return start + b"".join(deltas) + anthropic_event("content_block_stop", index=index)


def _gpt(*texts: str, reason: str | None = "stop", usage: bool = True, done: bool = True) -> bytes:
    """Traffic as OpenAI sends it."""
    wire = openai_chunk({"role": "assistant", "content": "", "refusal": None})
    wire += b"".join(openai_chunk({"content": text}) for text in texts)
    if reason:
        wire += openai_chunk({}, finish=reason)
    if usage:
        spent = {"prompt_tokens": 2054, "completion_tokens": 12, "total_tokens": 2066}
        wire += openai_chunk(usage={**spent, "prompt_tokens_details": {"cached_tokens": 2051, "audio_tokens": 0}})
    return wire + (b"data: [DONE]\n\n" if done else b"")


CAT = ("The ", "cat 🐈", " is called ", "Bisqüit 漢字.")
WIRES = {"anthropic": _claude(_claude_text(*CAT)), "openai": _gpt(*CAT)}
UNENDED = {
    "anthropic": _claude(_claude_text(*CAT), reason=None, stop=False),
    "openai": _gpt(*CAT, reason=None, usage=False, done=False),
}


@both
@pytest.mark.parametrize("packet", [1, 7, 100_000])
async def test_an_answer_is_the_same_however_it_is_cut_into_packets(kind: str, packet: int) -> None:
    async with talking(kind) as (llm, upstream):
        upstream.queue.append(replay(WIRES[kind], packet=packet))
        said, finished = await answer(llm)
    assert said == "".join(CAT)
    assert finished == Finished("stop", Usage(prompt=2054, cached=2051, completion=12))


@both
async def test_line_ends_comments_and_signs_of_life_do_not_matter(kind: str) -> None:
    wire = b": keep-alive\n\n" + WIRES[kind].replace(b"\n\n", b"\n\n: still here\n\n")
    async with talking(kind) as (llm, upstream):
        for spelled in (wire, wire.replace(b"\n", b"\r\n"), wire.replace(b"\n", b"\r")):
            upstream.queue.append(replay(spelled, packet=3))
            assert (await answer(llm))[0] == "".join(CAT)


async def test_an_answer_needs_no_done_once_its_end_was_given() -> None:
    async with talking("openai") as (llm, upstream):
        upstream.queue.append(replay(_gpt(*CAT, usage=False, done=False)))
        assert await answer(llm) == ("".join(CAT), Finished("stop"))
    async with talking("anthropic") as (llm, upstream):
        upstream.queue.append(replay(_claude(_claude_text(*CAT), stop=False)))
        assert (await answer(llm))[0] == "".join(CAT)


async def test_thinking_and_unknown_events_are_passed_over() -> None:
    thought = b"".join(
        anthropic_event(name, index=0, **values)
        for name, values in (
            ("content_block_start", {"content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
            ("content_block_delta", {"delta": {"type": "thinking_delta", "thinking": "Hm, a cat."}}),
            ("content_block_delta", {"delta": {"type": "signature_delta", "signature": "EqQ="}}),
            ("content_block_stop", {}),
            ("never_heard_of", {"delta": {"type": "x", "text": "y"}}),
        )
    )
    async with talking("anthropic") as (llm, upstream):
        upstream.queue.append(replay(_claude(thought, _claude_text("Meow.", index=1))))
        assert (await answer(llm))[0] == "Meow."


@both
@pytest.mark.parametrize("cut", [True, False])
async def test_an_answer_that_breaks_off_keeps_what_was_said(kind: str, cut: bool) -> None:
    async with talking(kind) as (llm, upstream):
        upstream.queue.append(replay(UNENDED[kind], cut=cut))
        said, _, error = await heard(llm)
        assert said == "".join(CAT)
        assert isinstance(error, ProviderUnavailable)
        assert len(upstream.asked) == 1  # a second answer would begin again in the middle of the first
        assert (await answer(llm))[0]


@both
async def test_an_answer_that_breaks_off_before_its_first_word_is_asked_for_again(kind: str) -> None:
    async with talking(kind) as (llm, upstream):
        upstream.queue.append(replay(b": hello\n\n", cut=True))
        upstream.queue.append(replay(WIRES[kind]))
        assert (await answer(llm))[0] == "".join(CAT)
        assert len(upstream.asked) == 2


ERRORS: dict[str, list[tuple[bytes, type[ProviderError]]]] = {
    "anthropic": [
        (anthropic_event("error", error={"type": "overloaded_error", "message": SECRET}), ProviderUnavailable),
        (anthropic_event("error", error={"type": "api_error", "message": SECRET}), ProviderUnavailable),
        (anthropic_event("error", error={"type": "invalid_request_error", "message": SECRET}), ProviderRefused),
        (b"event: content_block_delta\ndata: {broken\n\n", ProviderUnavailable),
        (b'event: x\ndata: {"type": 7}\n\n', ProviderUnavailable),
        (b"data: " + b"[" * 100_000 + b"\n\n", ProviderUnavailable),
    ],
    "openai": [
        (b'data: {"error": {"message": "the canary", "type": "server_error", "code": null}}\n\n', ProviderUnavailable),
        (b'data: {"error": "the canary"}\n\n', ProviderUnavailable),
        (b'data: {"error": {"message": "m", "code": "context_length_exceeded"}}\n\n', ProviderRefused),
        (openai_chunk({}, finish="content_filter"), ProviderRefused),
        (b"data: {broken\n\n", ProviderUnavailable),
        (b'data: {"choices": 7}\n\n', ProviderUnavailable),
        (b"<html>Bad gateway</html>\n\ndata: nonsense\n\n", ProviderUnavailable),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "event", "kept"), [(kind, *case) for kind, cases in ERRORS.items() for case in cases])
async def test_an_error_in_the_midst_of_an_answer_is_ours_and_keeps_what_was_said(
    kind: str, event: bytes, kept: type[ProviderError]
) -> None:
    async with talking(kind) as (llm, upstream):
        upstream.queue.append(replay(UNENDED[kind] + event))
        said, _, error = await heard(llm)
        assert said == "".join(CAT)
        assert type(error) is kept
        assert (await answer(llm))[0]


STATUSES: Sequence[tuple[int, type[ProviderError], int]] = [
    (400, ProviderRefused, 1),
    (401, UpstreamAuth, 1),
    (402, ProviderRefused, 1),
    (403, UpstreamAuth, 1),
    (404, ProviderRefused, 1),
    (413, ProviderRefused, 1),
    (429, ProviderUnavailable, 3),
    (500, ProviderUnavailable, 3),
    (503, ProviderUnavailable, 3),
    (529, ProviderUnavailable, 3),
]


@both
@pytest.mark.parametrize(("status", "kept", "times"), STATUSES)
async def test_an_error_status_becomes_ours_and_is_repeated_only_where_that_helps(
    kind: str, status: int, kept: type[ProviderError], times: int
) -> None:
    error = {"type": "some_error", "message": f"Incorrect key {KEY} {SECRET}"}
    async with talking(kind, patience=Patience(urgent_s=5)) as (llm, upstream):
        upstream.queue.extend([refusal(status, {"type": "error", "error": error}, retry_after_ms="1")] * 3)
        _, _, raised = await heard(llm)
        assert type(raised) is kept
        assert len(upstream.asked) == times


@both
async def test_a_service_that_recovers_is_asked_again(kind: str) -> None:
    async with talking(kind) as (llm, upstream):
        upstream.queue.extend(
            [refusal(529, {}, retry_after_ms="5"), refusal(503, "not even json"), replay(WIRES[kind])]
        )
        assert (await answer(llm))[0] == "".join(CAT)
        assert len(upstream.asked) == 3


@both
async def test_a_pause_longer_than_the_patience_is_not_waited_for(kind: str) -> None:
    async with talking(kind) as (llm, upstream):
        upstream.queue.append(refusal(429, {}, retry_after="30"))
        _, _, error = await heard(llm)
        assert isinstance(error, ProviderUnavailable)
        assert len(upstream.asked) == 1


async def test_a_key_without_credit_is_not_asked_with_again() -> None:
    body = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota", "param": None}}
    async with talking("openai") as (llm, upstream):
        upstream.queue.append(refusal(429, body))
        _, _, error = await heard(llm)
        assert isinstance(error, ProviderRefused)


@both
async def test_a_wrong_key_is_told_without_the_key(kind: str) -> None:
    async with SERVICES[kind]() as upstream, connected(kind, url=upstream.url, key="sk-canary-wrong") as llm:
        _, _, error = await heard(llm)
    assert isinstance(error, UpstreamAuth)
    assert (error.code, error.status) == ("upstream_auth", 502)
    assert "sk-" not in repr(error)
    assert error.__cause__ is None


@both
@pytest.mark.parametrize("before_headers", [True, False])
async def test_a_service_that_says_nothing_is_given_up_in_time(kind: str, before_headers: bool) -> None:
    async with talking(kind, patience=QUICK) as (llm, upstream):
        upstream.queue.append(silence(before_headers=before_headers))
        began = anyio.current_time()
        _, _, error = await heard(llm)
        assert isinstance(error, ProviderUnavailable)
        assert QUICK.urgent_s <= anyio.current_time() - began < 5


@both
async def test_a_service_that_falls_silent_in_the_midst_of_its_answer_is_given_up(kind: str) -> None:
    async with talking(kind, patience=Patience(urgent_s=0.3, silence_s=0.3)) as (llm, upstream):
        upstream.queue.append(replay(UNENDED[kind], stalls=True))
        said, _, error = await heard(llm)
        assert said == "".join(CAT)
        assert isinstance(error, ProviderUnavailable)


@both
async def test_what_nobody_waits_for_may_take_longer(kind: str) -> None:
    patience = Patience(urgent_s=0.1, idle_s=5)
    async with SERVICES[kind](delay_ms=300) as upstream, connected(kind, url=upstream.url, patience=patience) as llm:
        assert isinstance((await heard(llm))[2], ProviderUnavailable)
        assert (await answer(llm, Ask(ASK.messages, urgent=False)))[0]


@both
async def test_a_service_that_is_not_there_is_unavailable(kind: str) -> None:
    async with connected(kind, url=f"http://127.0.0.1:{free_port()}") as llm:
        _, _, error = await heard(llm)
    assert isinstance(error, ProviderUnavailable)


@both
async def test_an_answer_without_end_is_cut_and_does_not_fill_the_memory(kind: str) -> None:
    piece = "x" * 10_000
    text = _claude_text(piece) if kind == "anthropic" else openai_chunk({"content": piece})
    endless = (UNENDED[kind] if kind == "openai" else _claude(reason=None, stop=False)) + text * 1200
    async with talking(kind) as (llm, upstream):
        upstream.queue.append(replay(endless, packet=65_536))
        tracemalloc.start()
        try:
            size, finished = 0, None
            async with aclosing(llm.stream(ASK)) as pieces:
                async for said in pieces:
                    if isinstance(said, TextDelta):
                        size += len(said.text)
                    else:
                        finished = said
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert finished == Finished("length")
    assert LONGEST_ANSWER <= size < LONGEST_ANSWER + 200_000
    assert peak < 20_000_000


@both
async def test_an_event_without_end_is_given_up(kind: str) -> None:
    async with talking(kind) as (llm, upstream):
        upstream.queue.append(replay(b"data: " + b"x" * 12_000_000, packet=65_536))
        _, _, error = await heard(llm)
        assert isinstance(error, ProviderUnavailable)


@both
async def test_an_answer_that_is_left_early_ends_at_the_service_within_a_second(kind: str) -> None:
    async with talking(kind) as (llm, upstream):
        slow = Ask((Message("user", " ".join(f"word{number}" for number in range(900))),), max_tokens=900)
        async with aclosing(llm.stream(slow)) as pieces:
            async for _ in pieces:
                assert upstream.running == 1
                break
        with anyio.fail_after(1):
            await upstream.idle.wait()


@both
async def test_a_stop_string_ends_the_answer_where_the_service_does_not_know_it(kind: str) -> None:
    field = "stop" if kind == "openai" else "stop_sequences"
    replies = ("One two three END four.", "three END", "No end in sight, thre")
    async with SERVICES[kind](replies=replies) as upstream, connected(kind, url=upstream.url) as llm:
        upstream.unwelcome = {field: Objection(f"Unsupported parameter: '{field}'", param=field)}
        stop = Ask(ASK.messages, stop=("ee END",))
        assert [(await answer(llm, stop))[0] for _ in replies] == ["One two thr", "thr", "No end in sight, thre"]


@pytest.mark.parametrize(
    ("kind", "field", "objection"),
    [
        ("anthropic", "temperature", Objection("`temperature` is deprecated for this model.")),
        ("anthropic", "thinking", Objection('"thinking.type.disabled" is not supported for this model.')),
        ("openai", "temperature", Objection("Unsupported value", param="temperature", code="unsupported_value")),
        ("openai", "max_tokens", Objection("Unsupported parameter: use 'max_completion_tokens'", param="max_tokens")),
    ],
)
async def test_what_a_model_does_not_take_is_left_out_from_then_on(kind: str, field: str, objection: Objection) -> None:
    async with talking(kind) as (llm, upstream):
        upstream.unwelcome = {field: objection}
        assert (await answer(llm))[0]
        assert (await answer(llm))[0]
    assert [field in body for body in upstream.asked] == [True, False, False]


@pytest.mark.parametrize(
    ("kind", "name", "refusal"),
    [
        ("openai", "response_format", Objection("Invalid schema for response_format", param="response_format")),
        ("openai", "max_tokens", Objection("'max_tokens' or 'max_completion_tokens' is too large: 90000.")),
        ("openai", "temperature", Objection("decimal above maximum value. Expected a value <= 2", param="temperature")),
        ("anthropic", "max_tokens", Objection("max_tokens: 90000 > 64000, which is the maximum allowed")),
        ("anthropic", "temperature", Objection("temperature: range: 0..1")),
    ],
)
async def test_a_value_that_a_model_does_not_take_changes_no_later_question(
    kind: str, name: str, refusal: Objection
) -> None:
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    async with talking(kind) as (llm, upstream):
        formed = Ask(ASK.messages, json_schema=schema)
        await answer(llm, formed)
        upstream.unwelcome = {name: refusal}
        for _ in range(2):
            said, _, error = await heard(llm, formed)
            assert said == ""
            assert isinstance(error, ProviderRefused)
        upstream.unwelcome = {}
        await answer(llm, formed)
    assert upstream.asked[-1] == upstream.asked[0]


async def test_what_is_refused_with_one_question_alone_is_asked_for_with_the_next() -> None:
    async with talking("openai") as (llm, upstream):
        upstream.unwelcome = {"temperature": Objection("Something is wrong with it", param="temperature")}
        assert (await answer(llm))[0]
        upstream.unwelcome = {}
        assert (await answer(llm))[0]
    assert ["temperature" in body for body in upstream.asked] == [True, False, True]


async def test_a_field_is_given_up_for_good_only_where_the_model_answers_without_it() -> None:
    async with talking("openai") as (llm, upstream):
        unknown = Objection("Unsupported parameter: 'temperature'", param="temperature")
        upstream.unwelcome = {"temperature": unknown, "stream": Objection("No.", param="stream")}
        assert isinstance((await heard(llm))[2], ProviderRefused)
        upstream.unwelcome = {}
        await answer(llm)
    assert ["temperature" in body for body in upstream.asked] == [True, False, True]


async def test_a_model_that_must_think_gets_room_to_answer() -> None:
    async with talking("anthropic") as (llm, upstream):
        upstream.unwelcome = {"thinking": Objection("thinking: disabled is not supported")}
        await answer(llm)
    assert [body["max_tokens"] for body in upstream.asked] == [60, 60 + 4096]
    assert upstream.asked[1]["output_config"] == {"effort": "low"}


async def test_claude_is_given_a_chat_that_begins_and_ends_with_the_person_and_is_cached() -> None:
    messages = (
        Message("system", "You are Ida."),
        Message("assistant", "Welcome."),
        Message("user", "Hello."),
        Message("assistant", "  "),
        Message("user", "Are you there?"),
        Message("assistant", "Yes."),
        Message("system", "The user has a cat."),
        Message("user", "What do I have?"),
    )
    async with talking("anthropic") as (llm, upstream):
        await answer(llm, Ask(messages))
    body = upstream.asked[0]
    assert body["system"] == [{"type": "text", "text": "You are Ida.", "cache_control": {"type": "ephemeral"}}]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user", "assistant", "user"]
    assert [block["text"] for block in body["messages"][-1]["content"]] == [
        "<note>\nThe user has a cat.\n</note>",
        "What do I have?",
    ]
    marked = [block["text"] for message in body["messages"] for block in message["content"] if "cache_control" in block]
    assert marked == ["Yes."]
    assert body["thinking"] == {"type": "disabled"}


async def test_a_schema_that_cannot_be_strict_is_asked_for_loosely() -> None:
    open_schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    closed = {**open_schema, "required": ["a"], "additionalProperties": False}
    async with talking("openai") as (llm, upstream):
        for schema in (open_schema, closed):
            said, _ = await answer(llm, Ask(ASK.messages, json_schema=schema))
            assert isinstance(json.loads(said), dict)
    assert [body["response_format"]["json_schema"]["strict"] for body in upstream.asked] == [False, True]


@both
async def test_a_beginning_that_is_too_short_to_be_kept_is_not_sent(kind: str) -> None:
    async with talking(kind) as (llm, upstream):
        await llm.warm((Message("system", "Short."),))
        assert upstream.asked == []
        await llm.warm((Message("system", "long " * 900),))
        assert len(upstream.asked) == 1


@both
async def test_a_provider_that_was_closed_says_so(kind: str) -> None:
    async with talking(kind) as (llm, _):
        await llm.aclose()
        _, _, error = await heard(llm)
        assert isinstance(error, ProviderUnavailable)
