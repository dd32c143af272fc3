"""Minds from Letta: the core memory of an agent file (`.af`), as far as it maps to our blocks.

The format is Letta's "agent file" (JSON): either `{"agents": [{"block_ids": …}], "blocks": [{"id", "label", "value"}]}` or, in older
files, `{"core_memory": [{"label", "value"}]}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from voicemind.errors import BadRequest
from voicemind.mind.agent import Agent
from voicemind.mind.document import LONGEST_ENTRY, MOST_ENTRIES, Document
from voicemind.mind.plain import one_line
from voicemind.mind.reflection.draft import fresh_id
from voicemind.store.values import Entry

_NAMED = 10
"""Blocks that were left out and are named."""


class _Block(msgspec.Struct):
    label: str
    value: str = ""
    id: str = ""


class _Agent(msgspec.Struct):
    block_ids: list[str] = []
    core_memory: list[_Block] = []


class _File(msgspec.Struct):
    agents: list[_Agent] = []
    blocks: list[_Block] = []
    core_memory: list[_Block] = []


def parsed(source: bytes, agent: Agent) -> Document:
    """The blocks of the first agent in the file, for the blocks of `agent` that can be written.

    A block of the same label maps to it, `human` to the block for facts about the person. Others (`persona` is who the agent is,
    and so belongs into its definition) are named in the notes. Raises BadRequest for anything else than an agent file.
    """
    try:
        file = msgspec.json.decode(source, type=_File)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadRequest("This is no agent file of Letta's.") from None
    blocks = _of_first(file)
    if not blocks:
        raise BadRequest("The agent file holds no memory blocks.")
    kept: dict[str, list[Entry]] = {}
    left: dict[str, None] = {}
    count = 0
    for block in blocks:
        label = _label_for(block.label, agent)
        if label is None:
            left[_quoted(block.label)] = None
            continue
        entries = _entries(block.value)
        count += len(entries)
        if count > MOST_ENTRIES:
            raise BadRequest(f"The file holds more than {MOST_ENTRIES} lines.")
        kept.setdefault(label, []).extend(entries)
    named = [*list(left)[:_NAMED], *(["others"] if len(left) > _NAMED else [])]
    notes = f"Not taken over from the agent file: {', '.join(named)}." if left else ""
    return Document(blocks={label: tuple(entries) for label, entries in kept.items()}, notes=notes)


def _of_first(file: _File) -> Sequence[_Block]:
    if not file.agents:
        return file.core_memory or file.blocks
    first = file.agents[0]
    by_id: Mapping[str, _Block] = {block.id: block for block in file.blocks}
    return [by_id[one] for one in first.block_ids if one in by_id] or first.core_memory or file.blocks


def _label_for(label: str, agent: Agent) -> str | None:
    labels = {block.label for block in agent.reflective}
    if label in labels:
        return label
    facts = next((block.label for block in agent.reflective if block.holds == "facts"), None)
    return facts if label == "human" else None


def _entries(value: str) -> tuple[Entry, ...]:
    """A line or a sentence each."""
    pieces = [piece for line in value.splitlines() for piece in re.split(r"(?<=[.!?])\s+(?=[A-Z])", line)]
    texts = [one_line(piece, limit=LONGEST_ENTRY) for piece in pieces]
    return tuple(Entry(fresh_id(), text) for text in dict.fromkeys(texts) if any(letter.isalnum() for letter in text))


def _quoted(label: str) -> str:
    return f'"{one_line(label, limit=60)}"'
