"""Recorded traffic of both services, read however the network cuts it; and the maker's own library must understand it as we do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anthropic
import anyio
import msgspec
import pytest
from tests.upstreams import KEY, anthropic_service, openai_service, replay

from voicemind.errors import ProviderError, ProviderRefused, ProviderUnavailable
from voicemind.llm.anthropic import AnthropicLlm
from voicemind.llm.contract import Ask, Finished, Message, TextDelta, ToolCall
from voicemind.llm.openai import OpenAiLlm

pytestmark = pytest.mark.anyio

WIRES = Path(__file__).parents[1] / "wire"
ASK = Ask((Message("system", "You are Ida."), Message("user", "Hello.")), max_tokens=60)
ERRORS: dict[str, type[ProviderError]] = {"unavailable": ProviderUnavailable, "refused": ProviderRefused}
REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
}


class Expected(msgspec.Struct):
    """What a recording means."""

    said: str
    calls: list[tuple[str, dict[str, Any]]]
    end: str | None
    usage: tuple[int, int, int] | None
    error: str | None
    refused: str = ""


EXPECTED = msgspec.json.decode((WIRES / "expected.json").read_bytes(), type=dict[str, Expected])
WHOLE = [name for name, expected in EXPECTED.items() if name.startswith("anthropic/") and expected.error is None]


def test_every_recording_has_a_meaning_and_is_read() -> None:
    assert set(EXPECTED) == {str(file.relative_to(WIRES).with_suffix("")) for file in WIRES.rglob("*.sse")}


async def read(name: str, *, packet: int) -> tuple[list[TextDelta | ToolCall | Finished], ProviderError | None]:
    """The pieces of a recorded answer, and the error that it ended in."""
    is_claude = name.startswith("anthropic/")
    pieces: list[TextDelta | ToolCall | Finished] = []
    async with (anthropic_service if is_claude else openai_service)() as upstream:
        upstream.queue.extend([replay((WIRES / f"{name}.sse").read_bytes(), packet=packet)] * 3)
        llm = (AnthropicLlm if is_claude else OpenAiLlm)(api_key=KEY, model="some", base_url=upstream.url)
        await llm.start()
        error: ProviderError | None = None
        try:
            async with aclosing(llm.stream(ASK)) as stream:
                async for piece in stream:
                    pieces.append(piece)  # noqa: PERF401 - what came before an error counts
        except ProviderError as problem:
            error = problem
        finally:
            await llm.aclose()
    return pieces, error


@pytest.mark.parametrize("packet", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", EXPECTED)
async def test_a_recorded_answer_is_understood_however_it_is_cut(name: str, packet: int) -> None:
    expected = EXPECTED[name]
    with anyio.fail_after(30):
        pieces, error = await read(name, packet=packet)
    texts = [piece for piece in pieces if isinstance(piece, TextDelta)]
    calls = [piece for piece in pieces if isinstance(piece, ToolCall)]
    assert "".join(piece.text for piece in texts if not piece.is_refusal) == expected.said
    assert "".join(piece.text for piece in texts if piece.is_refusal) == expected.refused
    assert [(call.name, json.loads(call.arguments)) for call in calls] == expected.calls
    assert len({call.id for call in calls if call.id}) == len(calls)
    if expected.error is not None:
        assert type(error) is ERRORS[expected.error]
        return
    assert error is None
    finished = pieces[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == expected.end
    assert (finished.usage.prompt, finished.usage.cached, finished.usage.completion) == expected.usage


@pytest.mark.parametrize("name", WHOLE)
async def test_the_makers_own_library_understands_a_recording_as_we_do(name: str) -> None:
    async with anthropic_service() as upstream:
        upstream.queue.append(replay((WIRES / f"{name}.sse").read_bytes(), packet=11))
        client = anthropic.AsyncAnthropic(api_key=KEY, base_url=upstream.url, max_retries=0, open_telemetry=False)
        messages: Sequence[Any] = [{"role": "user", "content": "Hello."}]
        async with client, client.messages.stream(model="some", max_tokens=60, messages=messages) as stream:
            message = await stream.get_final_message()
    expected = EXPECTED[name]
    assert "".join(block.text for block in message.content if block.type == "text") == expected.said
    assert message.stop_reason is not None
    assert REASONS.get(message.stop_reason, message.stop_reason) == expected.end
    if expected.end != "length":  # it gives half a call as if it were whole
        calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
        assert calls == expected.calls
