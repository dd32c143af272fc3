"""Operations become blocks: pure, so that the same proposal always gives the same mind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import uuid_utils

from voicemind.mind.agent import Agent, Block
from voicemind.mind.plain import one_line
from voicemind.mind.reflection.contract import Add, Operation, Remove, Supersede
from voicemind.mind.reflection.screen import is_instruction, is_tampered
from voicemind.store.contract import Entry, Evidence, MindVersion, Turn

Blocks = dict[str, tuple[Entry, ...]]


@dataclass(frozen=True, slots=True)
class Applied:
    """The new blocks, None where nothing changed; and sentences about what was left out."""

    blocks: Mapping[str, tuple[Entry, ...]] | None
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Grounded:
    """The operations that rest on what the person said, and sentences about the others."""

    operations: tuple[Operation, ...]
    notes: str = ""


def fresh_id() -> str:
    """A new UUIDv7: ids sort by the time they were made."""
    return str(uuid_utils.uuid7())


def grounded(operations: Sequence[Operation], agent: Agent, *, turns: Sequence[Turn], conversation_id: str) -> Grounded:
    """Only what may be written, whoever proposed it.

    The block is one that reflection writes; every piece of evidence quotes a user turn of this conversation, word for
    word; the text gives no orders and carries no markup.
    """
    said = {turn.seq: turn.generated for turn in turns if turn.role == "user"}
    writable = {block.label for block in agent.reflective}
    kept: list[Operation] = []
    for operation in operations:
        text = "" if isinstance(operation, Remove) else operation.text
        rests = bool(operation.evidence) and all(_occurs(piece, said, conversation_id) for piece in operation.evidence)
        if operation.block in writable and rests and not (is_tampered(text) or is_instruction(text)):
            kept.append(operation)
    refused = len(operations) - len(kept)
    return Grounded(
        tuple(kept),
        f"Refused {_count(refused, 'proposed change')} without ground in the conversation." if refused else "",
    )


def apply(
    version: MindVersion, operations: Sequence[Operation], agent: Agent, *, new_id: Callable[[], str] = fresh_id
) -> Applied:
    """The blocks after the operations.

    A text that its block holds already is not added again: its evidence joins that of the entry, under a new id, since
    an entry never changes. Where a block is over its limit, its oldest lines are left out and the notes say how many.
    """
    before: Blocks = {block.label: tuple(version.blocks.get(block.label, ())) for block in agent.reflective}
    after = dict(before)
    for operation in operations:
        if operation.block in after:
            after[operation.block] = _changed(after[operation.block], operation, new_id)
    notes: list[str] = []
    for block in agent.reflective:
        if after[block.label] is not before[block.label]:
            after[block.label], left_out = _within(after[block.label], block)
            if left_out:
                notes.append(f"{block.title}: {_count(left_out, 'oldest line')} left out, the block is full.")
    if all(_same(after[label], before[label]) for label in after):
        return Applied(None, " ".join(notes))
    return Applied(after, " ".join(notes))


def same_text(text: str) -> str:
    """What two texts have in common that say the same: neither case nor punctuation nor spacing counts."""
    return " ".join("".join(letter if letter.isalnum() else " " for letter in one_line(text).casefold()).split())


def _occurs(piece: Evidence, said: Mapping[int, str], conversation_id: str) -> bool:
    return (
        piece.conversation_id == conversation_id
        and bool(piece.quote.strip())
        and piece.quote in said.get(piece.turn, "")
    )


def _changed(entries: tuple[Entry, ...], operation: Operation, new_id: Callable[[], str]) -> tuple[Entry, ...]:
    match operation:
        case Remove(entry_id=entry_id):
            return _without(entries, entry_id)
        case Supersede(entry_id=entry_id, text=text, evidence=evidence, inherits=inherits):
            old = next((entry for entry in entries if entry.id == entry_id), None)
            if old and same_text(old.text) == same_text(text):
                return _added(entries, text, evidence, new_id)
            inherited = old.evidence if old and inherits else ()
            return _added(_without(entries, entry_id), text, _joined(inherited, evidence), new_id)
        case Add(text=text, evidence=evidence):
            return _added(entries, text, evidence, new_id)


def _added(
    entries: tuple[Entry, ...], text: str, evidence: tuple[Evidence, ...], new_id: Callable[[], str]
) -> tuple[Entry, ...]:
    text = one_line(text)
    if not same_text(text):
        return entries
    twin = next((entry for entry in entries if same_text(entry.text) == same_text(text)), None)
    if twin is None:
        return (*entries, Entry(new_id(), text, evidence))
    joined = _joined(twin.evidence, evidence)
    if joined == twin.evidence:
        return entries
    return tuple(replace(entry, id=new_id(), evidence=joined) if entry is twin else entry for entry in entries)


def _without(entries: tuple[Entry, ...], entry_id: str) -> tuple[Entry, ...]:
    left = tuple(entry for entry in entries if entry.id != entry_id)
    return entries if len(left) == len(entries) else left


def _joined(first: tuple[Evidence, ...], second: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _within(entries: tuple[Entry, ...], block: Block) -> tuple[tuple[Entry, ...], int]:
    """The newest entries that fit the block's limit, and how many older ones do not."""
    size, first = 0, len(entries)
    while first > 0 and size + len(entries[first - 1].text) + 3 <= block.limit:
        first -= 1
        size += len(entries[first].text) + 3
    return entries[first:], first


def _same(after: Sequence[Entry], before: Sequence[Entry]) -> bool:
    return tuple(after) == tuple(before)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
