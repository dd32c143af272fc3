"""A strong model's answer, read as far as it can be: what is sound becomes operations, what is not a sentence that says why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from voicemind.mind.agent import Block
from voicemind.mind.plain import one_line
from voicemind.mind.reflection.asking import KINDS, Material, Shown
from voicemind.mind.reflection.contract import Add, Merge, Operation, Remove, Supersede, Update
from voicemind.mind.reflection.grounding import LONGEST_TEXT, grounded
from voicemind.mind.reflection.screen import is_instruction, is_tampered
from voicemind.store.values import Evidence

MOST_OPERATIONS = 100
_MOST_TRIES = 50


class _Quoted(msgspec.Struct):
    turn: int = 0
    quote: str = ""


class _Proposed(msgspec.Struct):
    """One operation as the model wrote it; parts may be missing."""

    op: str = ""
    block: str = ""
    entries: list[str] = []
    text: str = ""
    evidence: list[_Quoted] = []
    reason: str = ""


class Unsound(ValueError):
    """Why an operation cannot be used: a sentence for the model, without words of anybody else."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer was worth. `readable` says whether it was an answer at all; `problems` are sentences for the model."""

    readable: bool
    operations: tuple[Operation, ...] = ()
    problems: tuple[str, ...] = ()


def read(answer: str, about: Material, *, conversation_id: str, person: str = "") -> Answer:
    """The operations of an answer that rest on the material.

    Code fences, prose around the JSON, missing parts and an end that is cut off are survived.
    """
    found = _operations(answer)
    if found is None:
        return Answer(readable=False, problems=('There is no JSON object with a list "operations".',))
    operations: list[Operation] = []
    problems: list[str] = []
    for number, value in enumerate(found[:MOST_OPERATIONS], 1):
        try:
            operation = _operation(_converted(value), about, conversation_id)
            _demand_ground(operation, about, conversation_id=conversation_id, person=person)
        except Unsound as unsound:
            problems.append(f"Operation {number}: {unsound}")
        else:
            operations.append(operation)
    if len(found) > MOST_OPERATIONS:
        problems.append(f"Operations after the first {MOST_OPERATIONS} were not read; give the most important ones.")
    return Answer(readable=True, operations=tuple(operations), problems=tuple(problems))


def _operations(answer: str) -> list[Any] | None:
    """Every operation in the text; None where there is no sign of one, nor of an empty list of them."""
    found: list[Any] = []
    seen = False
    for value in _objects(answer):
        listed = value.get("operations")
        if isinstance(listed, list):
            seen = True
            found += listed
        elif "op" in value:
            seen = True
            found.append(value)
    return found if seen else None


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text, outermost first; inside one that is broken or cut, those that are whole."""
    decoder = json.JSONDecoder()
    at, tries = text.find("{"), 0
    while at >= 0 and tries < _MOST_TRIES:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            tries += 1
            at = text.find("{", at + 1)
        else:
            yield value
            at = text.find("{", end)


def _converted(value: Any) -> _Proposed:
    try:
        return msgspec.convert(value, _Proposed, strict=False)
    except msgspec.ValidationError:
        raise Unsound("it does not have the required fields, or not of the required types.") from None


def _operation(proposed: _Proposed, about: Material, conversation_id: str) -> Operation:
    block = next((block for block in about.agent.reflective if block.label == proposed.block), None)
    if proposed.op not in KINDS:
        raise Unsound(f'"op" must be one of {", ".join(KINDS)}.')
    if block is None:
        labels = ", ".join(block.label for block in about.agent.reflective)
        raise Unsound(f'"block" must be one of {labels}.')
    ids = _ids(proposed, about, block)
    text = "" if proposed.op == "remove" else _text(proposed.text)
    evidence = tuple(_evidence(piece, about, block, conversation_id) for piece in proposed.evidence)
    if not evidence and proposed.op != "merge":
        raise Unsound('"evidence" must quote at least one turn.')
    reason = one_line(proposed.reason, limit=200)
    match proposed.op:
        case "add":
            return Add(block.label, text, evidence, reason)
        case "update":
            return Update(block.label, ids[0], text, evidence, reason)
        case "supersede":
            return Supersede(block.label, ids[0], text, evidence, reason)
        case "remove":
            return Remove(block.label, ids[0], evidence, reason)
        case _:
            return Merge(block.label, ids, text, reason, evidence)


def _ids(proposed: _Proposed, about: Material, block: Block) -> tuple[str, ...]:
    """The entries' own ids."""
    if proposed.op == "add":
        return ()
    keys = tuple(dict.fromkeys(proposed.entries))
    if len(keys) < 2 if proposed.op == "merge" else len(keys) != 1:
        raise Unsound(f'"entries" must hold {"two or more ids" if proposed.op == "merge" else "exactly one id"}.')
    if any(about.blocks.get(key) != block.label for key in keys):
        raise Unsound('"entries" must be ids of entries of this block, as <memory> lists them.')
    return tuple(about.entries[key].id for key in keys)


def _text(text: str) -> str:
    if not text.strip():
        raise Unsound('"text" is empty.')
    if len(text) > LONGEST_TEXT:
        raise Unsound(f'"text" is longer than {LONGEST_TEXT} characters; one statement makes one entry.')
    if is_tampered(text) or is_instruction(text):
        raise Unsound('"text" reads like an order, a rule or markup; such things are not remembered.')
    return text


def _evidence(piece: _Quoted, about: Material, block: Block, conversation_id: str) -> Evidence:
    turn = next((turn for turn in about.turns if turn.seq == piece.turn), None)
    if turn is None:
        raise Unsound('"evidence" names a turn that is not in <transcript>.')
    if turn.role != "user" and block.holds == "facts":
        raise Unsound(f"turn {turn.seq} was said by the agent; this block rests on words of the user only.")
    quote = Shown(turn).verbatim(piece.quote)
    if not quote:
        raise Unsound(f"the quote does not occur in turn {turn.seq}; copy it letter by letter.")
    return Evidence(conversation_id, turn.seq, quote)


def _demand_ground(operation: Operation, about: Material, *, conversation_id: str, person: str) -> None:
    """The same gate that every proposal passes before it is applied: here it can still be mended."""
    kept = grounded(
        [operation],
        about.agent,
        turns=about.turns,
        conversation_id=conversation_id,
        entries=about.entries.values(),
        person=person,
    )
    if not kept.operations:
        raise Unsound('"text" says more than the quoted turns do, or repeats what the agent only recalled.')


def told(problems: Sequence[str]) -> str:
    """A note for people: how many changes were refused. Not which: the model's words are its own."""
    count = len(problems)
    return (
        f"Refused {count} proposed change{'' if count == 1 else 's'} without ground in the conversation."
        if count
        else ""
    )
