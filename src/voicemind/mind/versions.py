"""Versions beside each other: what differs, and what remains of a version when one in between is taken back. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from voicemind.mind.plain import one_line
from voicemind.mind.reflection.likeness import meaning
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
    newest: MindVersion,
    before: MindVersion,
    after: MindVersion,
    *,
    archived: Mapping[str, Entry],
    put_away: Collection[str] = (),
) -> NewVersion | None:
    """`newest` without what `after` did to `before`, as far as that is still there; None where nothing of it is.

    What has been replaced or taken away since stays so, and what that had replaced stays gone. `archived` are the entries that
    `after` took out of the archive, by id; `put_away` those of all that it touched that are in the archive now.
    """
    if newest.number == after.number:
        return NewVersion(
            newest.number, "undo", before.blocks, archive_of=before.number, restores=before.number, changes=_back(after)
        )
    here = {entry.id for block in newest.blocks.values() for entry in block} | set(put_away)
    heirs = _heirs(after)
    blocks: dict[str, tuple[Entry, ...]] = {}
    leaves = {change.came for change in after.changes if change.came} - archived.keys()
    for label in dict.fromkeys((*newest.blocks, *before.blocks)):
        now, was, then = (version.blocks.get(label, ()) for version in (newest, before, after))
        kept = [entry for entry in now if entry.id in _ids(was) or entry.id not in _ids(then)]
        back = [entry for entry in was if entry.id not in _ids(then) | _ids(kept) and _is_free(entry.id, heirs, here)]
        blocks[label] = (*kept, *back)
        leaves |= _ids(back)
    live = {entry.id for block in blocks.values() for entry in block}
    archive: dict[str, tuple[Entry, ...]] = {}
    for change in after.changes:
        joins = [archived[name] for name in change.gone if name in archived and _is_free(name, heirs, here)]
        fresh = [entry for entry in joins if entry.id not in live and entry.id not in put_away]
        archive[change.block] = tuple(dict.fromkeys((*archive.get(change.block, ()), *fresh)))
    archive = {label: entries for label, entries in archive.items() if entries}
    unarchive = tuple(sorted(leaves & set(put_away)))
    if blocks == dict(newest.blocks) and not unarchive and not archive:
        return None
    return NewVersion(
        newest.number,
        "undo",
        blocks,
        archive=archive,
        unarchive=unarchive,
        restores=before.number,
        changes=_back(after),
    )


def _heirs(after: MindVersion) -> Mapping[str, set[str]]:
    """What the version put in the place of each entry that it moved or replaced: itself where it only moved, nothing where it went for good."""
    heirs: dict[str, set[str]] = {}
    for change in after.changes:
        moved = (change.came,) if change.kind == "archive" and change.came else ()
        for name in (*change.gone, *moved):
            heirs.setdefault(name, set()).update((change.came,) if change.came else ())
    return heirs


def _is_free(name: str, heirs: Mapping[str, set[str]], here: Collection[str]) -> bool:
    """Whether the place of an entry is still as the version left it: what stands there at its end has not been changed since."""
    ends: set[str] = set()
    seen: set[str] = set()
    waiting = [name] if name in heirs else []
    while waiting:
        one = waiting.pop()
        seen.add(one)
        if one not in heirs or one in heirs[one]:
            ends.add(one)
        else:
            waiting.extend(heirs[one] - seen)
    return not ends or any(end in here for end in ends)


def _back(after: MindVersion) -> tuple[Change, ...]:
    """The changes of a version the other way round."""
    reason = f"Version {after.number} was taken back."
    return tuple(
        Change("restore", change.block, (change.came,) if change.came else (), gone, reason)
        for change in reversed(after.changes)
        for gone in (change.gone or (None,))
    )


def _ids(entries: Iterable[Entry]) -> set[str]:
    return {entry.id for entry in entries}


def _of_block(label: str, before: tuple[Entry, ...], after: tuple[Entry, ...], *, told: Mapping[str, str]) -> BlockDiff:
    removed = {entry.id: entry for entry in before if entry.id not in _ids(after)}
    added = {entry.id: entry for entry in after if entry.id not in _ids(before)}
    changed: list[tuple[Entry, Entry]] = []
    said = {entry.id: meaning(entry.text) for entry in (*removed.values(), *added.values())}
    for new in list(added.values()):
        became = (one for one in removed.values() if _is_heir(one, new, told) or said[one.id].equals(said[new.id]))
        old = next(became, None)
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


def _is_heir(old: Entry, new: Entry, told: Mapping[str, str]) -> bool:
    return told.get(old.id) == new.id or old.id in new.origins
