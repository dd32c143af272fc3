"""What a version changed, or a proposal would change, in words: ids become the texts that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voicemind.mind.reflection.contract import Add, Merge, Operation, Remove
from voicemind.mind.reflection.proposal import decoded, encoded
from voicemind.store.contract import Store
from voicemind.store.values import Change, Entry, Evidence, MindKey, MindVersion, Reflection


@dataclass(frozen=True, slots=True)
class Told:
    """One change. `before` are the texts that go, `after` the one that comes; `entry_id` is the id of the latter where it has one already."""

    kind: str
    block: str
    before: tuple[str, ...]
    after: str | None
    reason: str
    evidence: tuple[Evidence, ...]
    entry_id: str | None = None


async def changes(store: Store, version: MindVersion) -> tuple[Told, ...]:
    """What this version changed."""
    ids = {entry_id for change in version.changes for entry_id in (*change.gone, change.came) if entry_id}
    known = await store.entries(version.key, sorted(ids))
    return tuple(_change(change, known) for change in version.changes)


async def proposed(store: Store, reflection: Reflection) -> tuple[Told, ...]:
    """What waits for a person's word, in the order in which it is to be decided on."""
    operations = decoded(reflection.proposal)
    return await _operations(store, reflection.key, operations)


async def _operations(store: Store, key: MindKey, operations: Sequence[Operation]) -> tuple[Told, ...]:
    ids = {entry_id for operation in operations for entry_id in _gone(operation)}
    known = await store.entries(key, sorted(ids))
    kinds = [str(row["op"]) for row in encoded(operations)]
    return tuple(
        Told(
            kind,
            operation.block,
            _texts(_gone(operation), known),
            None if isinstance(operation, Remove) else operation.text,
            operation.reason,
            operation.evidence,
        )
        for kind, operation in zip(kinds, operations, strict=True)
    )


def _gone(operation: Operation) -> tuple[str, ...]:
    if isinstance(operation, Add):
        return ()
    return operation.entry_ids if isinstance(operation, Merge) else (operation.entry_id,)


def _change(change: Change, known: Mapping[str, Entry]) -> Told:
    came = known.get(change.came) if change.came else None
    rests_on = (came,) if came else tuple(known[entry_id] for entry_id in change.gone if entry_id in known)
    return Told(
        change.kind,
        change.block,
        _texts(change.gone, known),
        came.text if came else None,
        change.reason,
        tuple(evidence for entry in rests_on for evidence in entry.evidence),
        change.came,
    )


def _texts(ids: Sequence[str], known: Mapping[str, Entry]) -> tuple[str, ...]:
    return tuple(known[entry_id].text for entry_id in ids if entry_id in known)
