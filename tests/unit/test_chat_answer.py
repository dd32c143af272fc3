"""Answers of chat completions: the frames of a stream put together are the whole answer, as the official types read it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from voicemind.channels.chat_completions.answer import DONE, Chunks, Collected, Head, completion
from voicemind.errors import ProviderUnavailable
from voicemind.llm.contract import Finished, Piece, TextDelta, ToolCall, Usage

HEAD = Head("chatcmpl-1", 1_700_000_000, "thalia")
SPENT = Usage(prompt=10, cached=4, completion=3)


def streamed(pieces: list[Piece], **given: bool) -> list[ChatCompletionChunk]:
    chunks = Chunks(HEAD, **given)
    raw = chunks.begin() + b"".join(chunks.tell(piece) for piece in pieces)
    assert raw.endswith(DONE)
    frames = raw.removesuffix(DONE).split(b"\n\n")[:-1]
    return [ChatCompletionChunk.model_validate_json(frame.removeprefix(b"data: "), strict=True) for frame in frames]


def whole(pieces: list[Piece], *, speaks: bool = False) -> ChatCompletion:
    collected = Collected(speaks)
    for piece in pieces:
        collected.take(piece)
    return ChatCompletion.model_validate_json(json.dumps(completion(HEAD, collected)), strict=True)


WORDS = st.text(min_size=1).filter(lambda text: text.isprintable() or text.isascii())
PIECES = st.lists(
    st.builds(TextDelta, WORDS, is_refusal=st.booleans())
    | st.builds(ToolCall, st.uuids().map(str), st.just("weather"), st.just('{"city": "Tromsø"}')),
    max_size=6,
)
ENDS = st.builds(Finished, st.sampled_from(["stop", "length", "tool_calls", "refusal"]), st.just(SPENT))


@given(PIECES, ENDS, st.booleans(), st.booleans())
def test_a_stream_says_what_the_whole_answer_says(
    pieces: list[Piece], end: Finished, speaks: bool, wants_usage: bool
) -> None:
    answer = whole([*pieces, end], speaks=speaks)
    chunks = streamed([*pieces, end], speaks=speaks, wants_usage=wants_usage)
    choice, deltas = answer.choices[0], [choice for chunk in chunks for choice in chunk.choices]
    assert deltas[0].delta.role == "assistant"
    assert "".join(delta.delta.content or "" for delta in deltas) == (choice.message.content or "")
    assert "".join(delta.delta.refusal or "" for delta in deltas) == (choice.message.refusal or "")
    calls = [call for delta in deltas for call in delta.delta.tool_calls or ()]
    assert [call.index for call in calls] == list(range(len(calls)))
    assert [call.id for call in calls] == [call.id for call in choice.message.tool_calls or ()]
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == [choice.finish_reason]
    assert {chunk.id for chunk in chunks} == {answer.id}
    assert [chunk.usage for chunk in chunks if chunk.usage] == ([answer.usage] if wants_usage else [])


def test_tokens_of_the_cache_are_told() -> None:
    used = whole([Finished("stop", SPENT)]).usage
    assert used is not None
    assert used.prompt_tokens_details is not None
    assert (used.prompt_tokens_details.cached_tokens, used.total_tokens) == (4, 13)


def test_an_answer_of_calls_alone_has_no_words() -> None:
    assert whole([ToolCall("a", "weather", "{}"), Finished("tool_calls")]).choices[0].message.content is None
    assert whole([Finished()]).choices[0].message.content == ""


def test_a_refusal_is_spoken_where_somebody_listens() -> None:
    pieces: list[Piece] = [TextDelta("I cannot.", is_refusal=True), Finished("refusal")]
    assert whole(pieces).choices[0].finish_reason == "content_filter"
    spoken = whole(pieces, speaks=True).choices[0]
    assert (spoken.message.content, spoken.finish_reason) == ("I cannot.", "stop")


@pytest.mark.parametrize("speaks", [True, False])
def test_a_stream_that_breaks_off_ends_properly(speaks: bool) -> None:
    raw = Chunks(HEAD, speaks=speaks).broken(ProviderUnavailable("secret words", provider="x"))
    assert b"secret words" not in raw
    if speaks:
        assert raw.endswith(DONE)
        return
    error: dict[str, Any] = json.loads(raw.removeprefix(b"data: "))["error"]
    assert (error["code"], error["type"]) == ("provider_unavailable", "server_error")
