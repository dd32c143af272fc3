"""The scripted model says what a test can foresee."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from voicemind.errors import ProviderUnavailable
from voicemind.llm.contract import Ask, Message, Piece, TextDelta
from voicemind.llm.scripted import ScriptedLlm, smallest_instance

pytestmark = pytest.mark.anyio

MIND = Message(
    "system", "You are the counsellor.\n\n## Memory\n- The user's cat is called Biscuit.\n- The user lives in Oslo."
)


async def _said(llm: ScriptedLlm, text: str, *, system: Message = MIND, schema: Mapping[str, Any] | None = None) -> str:
    ask = Ask((system, Message("user", text)), json_schema=schema)
    return "".join([piece.text async for piece in llm.stream(ask) if isinstance(piece, TextDelta)])


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("What is my cat called?", "The user's cat is called Biscuit."),
        ("Where do I live?", "The user lives in Oslo."),
        ("Do you remember the CAT?", "The user's cat is called Biscuit."),
    ],
)
async def test_a_question_is_answered_with_the_remembered_line(question: str, line: str) -> None:
    assert await _said(ScriptedLlm(), question) == line


async def test_what_is_not_remembered_is_not_made_up() -> None:
    answer = await _said(ScriptedLlm(), "What is my cat called?", system=Message("system", "You are the counsellor."))
    assert "Biscuit" not in answer
    assert "cat" in answer


async def test_a_statement_is_acknowledged_by_its_topic() -> None:
    assert await _said(ScriptedLlm(), "I moved to Bergen yesterday.") == "I hear you: moved bergen yesterday."
    assert await _said(ScriptedLlm(), "…") == "I am listening."


async def test_given_replies_come_in_turn() -> None:
    llm = ScriptedLlm(replies=("One.", "Two."))
    assert [await _said(llm, "?") for _ in range(3)] == ["One.", "Two.", "One."]


async def test_it_fails_after_as_many_words_as_it_is_told() -> None:
    pieces: list[Piece] = []

    async def listen() -> None:
        async for piece in ScriptedLlm(replies=("a b c d",), fail_after=2).stream(Ask((MIND,))):
            pieces.append(piece)  # noqa: PERF401 - what came before the failure counts

    with pytest.raises(ProviderUnavailable):
        await listen()
    assert pieces == [TextDelta("a"), TextDelta(" b")]


async def test_a_schema_is_answered_with_its_smallest_instance() -> None:
    schema = {
        "type": "object",
        "required": ["op", "ok", "list"],
        "properties": {
            "op": {"type": "string", "enum": ["keep", "drop"]},
            "ok": {"type": "boolean"},
            "list": {"type": "array", "minItems": 2, "items": {"const": 7}},
            "extra": {"type": "string"},
        },
    }
    assert json.loads(await _said(ScriptedLlm(), "?", schema=schema)) == {"op": "keep", "ok": True, "list": [7, 7]}


@given(some.integers(-9, 9), some.integers(0, 9))
def test_a_number_lies_within_its_bounds(low: int, width: int) -> None:
    assert low <= smallest_instance({"type": "integer", "minimum": low, "maximum": low + width}) <= low + width


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "minLength": 2}, "xx"),
        ({"type": ["null", "string"]}, None),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, True),
        ({}, None),
    ],
)
def test_every_kind_of_schema_has_a_smallest_instance(schema: dict[str, Any], value: object) -> None:
    assert smallest_instance(schema) == value
