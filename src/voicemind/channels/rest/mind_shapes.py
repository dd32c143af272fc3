"""Minds as they are answered: blocks with their entries, and with every entry where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from voicemind.channels.rest.strict import Shape
from voicemind.mind.agent import Agent, Holds, Scope
from voicemind.store.contract import Store
from voicemind.store.values import (
    ArchivedEntry,
    Author,
    Entry,
    MindKey,
    MindVersion,
    Modality,
    Turn,
)

Turns = Mapping[tuple[str, int], Turn]
"""Turns by conversation and `seq`."""

_PAGES_LOOKED_AT = 10
_AT_ONCE = 100


class EvidenceShape(Shape):
    """The quoted words of one turn; `modality` and `created_at` are the turn's, null where it is gone."""

    conversation_id: str
    turn: int
    quote: str
    modality: Modality | None = None
    created_at: datetime | None = None


class EntryShape(Shape):
    """One remembered statement. `from_speech` says that everything it rests on was spoken: it may have been misheard.

    `version` is the one that wrote it, null where that was not looked up.
    """

    id: str
    text: str
    at: datetime | None
    evidence: list[EvidenceShape]
    origins: list[str]
    from_speech: bool
    version: int | None = None


class BlockShape(Shape):
    """A labelled part of a mind: `text` where it never changes, `entries` where reflection writes it."""

    label: str
    title: str
    scope: Scope
    reflects: bool
    holds: Holds
    limit: int
    text: str
    entries: list[EntryShape]


class ArchivedShape(Shape):
    """An entry that stands in no block any more and is found again when it is talked about."""

    block: str
    entry: EntryShape


class VersionShape(Shape):
    """A version in a list; `changes` is how many there are."""

    number: int
    parent: int
    author: Author
    created_at: datetime
    notes: str
    conversation_id: str | None
    restores: int | None
    changes: int


class ToldShape(Shape):
    """One change: `before` are the texts that went, `after` is the one that came."""

    kind: str
    block: str
    before: list[str]
    after: str | None
    reason: str
    evidence: list[EvidenceShape]
    entry_id: str | None


class MindShape(Shape):
    """A version of a mind, whole."""

    agent: str
    user_id: str
    version: int
    parent: int
    author: Author
    created_at: datetime
    notes: str
    conversation_id: str | None
    restores: int | None
    blocks: list[BlockShape]
    changes: list[ToldShape]


class MindSummaryShape(Shape):
    """A mind in a list; the counts are of its newest version."""

    agent: str
    user_id: str
    version: int
    entries: int
    archived: int
    changed_at: datetime


class ChangedShape(Shape):
    """An entry and what it became."""

    before: EntryShape
    after: EntryShape


class BlockDiffShape(Shape):
    """What differs in one block; `text` is a unified diff of its lines."""

    block: str
    added: list[EntryShape]
    removed: list[EntryShape]
    changed: list[ChangedShape]
    text: str


async def turns_of(store: Store, tenant: str, entries: Iterable[Entry]) -> Turns:
    """The turns that these entries rest on."""
    cited = ((evidence.conversation_id, evidence.turn) for entry in entries for evidence in entry.evidence)
    return await store.cited_turns(tenant, cited)


async def written_by(store: Store, key: MindKey, entries: Iterable[Entry]) -> Mapping[str, int]:
    """The version that wrote each entry, as far as the last thousand versions tell."""
    wanted, found = {entry.id for entry in entries}, dict[str, int]()
    before: int | None = None
    for _ in range(_PAGES_LOOKED_AT):
        versions = await store.mind_versions(key, before=before, limit=_AT_ONCE)
        for version in versions:
            found.update(dict.fromkeys(_wrote(version) & wanted, version.number))
        if len(versions) < _AT_ONCE or found.keys() == wanted:
            break
        before = versions[-1].number
    return found


def _wrote(version: MindVersion) -> set[str]:
    return {
        change.came for change in version.changes if change.came and change.kind not in ("archive", "recall", "restore")
    }


def entry_shape(entry: Entry, turns: Turns, version: int | None = None) -> EntryShape:
    """The entry with where it comes from."""
    cited = [turns.get((evidence.conversation_id, evidence.turn)) for evidence in entry.evidence]
    return EntryShape(
        id=entry.id,
        text=entry.text,
        at=entry.at,
        evidence=[
            EvidenceShape(
                conversation_id=evidence.conversation_id,
                turn=evidence.turn,
                quote=evidence.quote,
                modality=turn.modality if turn else None,
                created_at=turn.created_at if turn else None,
            )
            for evidence, turn in zip(entry.evidence, cited, strict=True)
        ],
        origins=list(entry.origins),
        from_speech=bool(cited) and all(turn is not None and turn.modality == "speech" for turn in cited),
        version=version,
    )


def mind_shape(
    agent: Agent,
    version: MindVersion,
    turns: Turns,
    *,
    written: Mapping[str, int] | None = None,
    changes: Sequence[ToldShape] = (),
) -> MindShape:
    """A version with the blocks of its agent, in the agent's order."""
    numbers = written or {}
    return MindShape(
        agent=version.key.agent,
        user_id=version.key.user_id,
        version=version.number,
        parent=version.parent,
        author=version.author,
        created_at=version.created_at,
        notes=version.notes,
        conversation_id=version.conversation_id,
        restores=version.restores,
        blocks=[
            BlockShape(
                label=block.label,
                title=block.title,
                scope=block.scope,
                reflects=block.reflects,
                holds=block.holds,
                limit=block.limit,
                text=block.text,
                entries=[
                    entry_shape(entry, turns, numbers.get(entry.id)) for entry in version.blocks.get(block.label, ())
                ],
            )
            for block in agent.blocks
        ],
        changes=list(changes),
    )


def version_shape(version: MindVersion) -> VersionShape:
    """A version in a list."""
    return VersionShape(
        number=version.number,
        parent=version.parent,
        author=version.author,
        created_at=version.created_at,
        notes=version.notes,
        conversation_id=version.conversation_id,
        restores=version.restores,
        changes=len(version.changes),
    )


def archived_shape(archived: ArchivedEntry, turns: Turns) -> ArchivedShape:
    """An entry of the archive."""
    return ArchivedShape(block=archived.block, entry=entry_shape(archived.entry, turns))
