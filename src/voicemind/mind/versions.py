"""Versions beside each other: what differs, and what remains of a version when one in between is taken back. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from voicemind.mind.plain import one_line
from voicemind.mind.reflection.likeness import say_the_same
from voicemind.store.values import Change, Entry, MindVersion, NewVersion


@dataclass(frozen=True, slots=True)
class BlockDiff:
    """What differs in one block: entries that came, that went, and that became others. `text` is a unified diff of the lines."""

    block: str
    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changed: tuple[tuple[Entry, Entry], ...]
    text: str


def diff(before: MindVersion, after: MindVersion) -> tuple[BlockDiff, ...]:
    """What differs between two versions of one mind, by block; blocks without a difference are left out."""
    labels = list(dict.fromkeys((*before.blocks, *after.blocks)))
    told = {gone: change.came for change in after.changes for gone in change.gone if change.came}
    found = (_of_block(label, before.blocks.get(label, ()), after.blocks.get(label, ()), told=told) for label in labels)
    return tuple(one for one in found if one.added or one.removed or one.changed)


def reverted(
    newest: MindVersion, before: MindVersion, after: MindVersion, *, archived: Mapping[str, Entry]
) -> NewVersion | None:
    """`newest` without what `after` did to `before`, as far as that is still there; None where nothing of it is.

    `archived` are the entries that `after` took out of the archive, by id.
    """
    if newest.number == after.number:
        return NewVersion(
            newest.number, "undo", before.blocks, archive_of=before.number, restores=before.number, changes=_back(after)
        )
    blocks = {
        label: _without_and_with(
            newest.blocks.get(label, ()), before.blocks.get(label, ()), after.blocks.get(label, ())
        )
        for label in dict.fromkeys((*newest.blocks, *before.blocks))
    }
    put_away = {change.came for change in after.changes if change.kind == "archive" and change.came}
    taken_out = {
        change.block: tuple(archived[gone] for gone in change.gone if gone in archived) for change in after.changes
    }
    archive = {label: entries for label, entries in taken_out.items() if entries}
    if blocks == dict(newest.blocks) and not put_away and not archive:
        return None
    return NewVersion(
        newest.number,
        "undo",
        blocks,
        archive=archive,
        unarchive=tuple(sorted(put_away)),
        restores=before.number,
        changes=_back(after),
    )


def _back(after: MindVersion) -> tuple[Change, ...]:
    """The changes of a version the other way round."""
    reason = f"Version {after.number} was taken back."
    return tuple(
        Change("restore", change.block, (change.came,) if change.came else (), gone, reason)
        for change in reversed(after.changes)
        for gone in (change.gone or (None,))
    )


def _without_and_with(now: tuple[Entry, ...], before: tuple[Entry, ...], after: tuple[Entry, ...]) -> tuple[Entry, ...]:
    came = _ids(after) - _ids(before)
    went = [entry for entry in before if entry.id not in _ids(after)]
    kept = [entry for entry in now if entry.id not in came]
    if len(kept) == len(now) and came:
        return now  # what it wrote has been replaced since: what it replaced stays gone
    return (*kept, *(entry for entry in went if entry.id not in _ids(kept)))


def _ids(entries: Iterable[Entry]) -> set[str]:
    return {entry.id for entry in entries}


def _of_block(label: str, before: tuple[Entry, ...], after: tuple[Entry, ...], *, told: Mapping[str, str]) -> BlockDiff:
    removed = {entry.id: entry for entry in before if entry.id not in _ids(after)}
    added = {entry.id: entry for entry in after if entry.id not in _ids(before)}
    changed: list[tuple[Entry, Entry]] = []
    for new in list(added.values()):
        old = next((one for one in removed.values() if _became(one, new, told)), None)
        if old is not None:
            changed.append((removed.pop(old.id), added.pop(new.id)))
    lines = difflib.unified_diff(
        [one_line(entry.text) for entry in before],
        [one_line(entry.text) for entry in after],
        f"{label} before",
        f"{label} after",
        lineterm="",
        n=1,
    )
    return BlockDiff(label, tuple(added.values()), tuple(removed.values()), tuple(changed), "\n".join(lines))


def _became(old: Entry, new: Entry, told: Mapping[str, str]) -> bool:
    return told.get(old.id) == new.id or old.id in new.origins or say_the_same(old.text, new.text)
