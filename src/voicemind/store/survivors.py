"""What an erasure leaves of a mind's entries, versions and archive: pure, so that every case can be tried without a database."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

Gone = Mapping[str, tuple[str, ...]]
"""Each entry that is no more, with those that stand in its place: often none."""
Span = tuple[int, int | None, str]
"""In the archive from the first number on, until the second (None: still), under a block's label."""


@dataclass(frozen=True, slots=True)
class Known:
    """An entry before the erasure, with the pieces of its evidence that it loses and that it keeps."""

    id: str
    text: str
    origins: tuple[str, ...]
    lost: frozenset[Any] = frozenset()
    kept: frozenset[Any] = frozenset()


def gone(entries: Sequence[Known]) -> dict[str, tuple[str, ...]]:
    """Which entries go, and what stands in their place.

    One goes whose evidence is all lost; and one whose words were made of others, where some of its evidence or one of those is
    lost. But it stays where an origin that stays has the same words, or where it only repeats its origins and evidence of its
    own is left. What an origin said that was never stored, nobody knows. What an entry was made of stands in its place, as far
    as that stays.
    """
    by_id = {entry.id: entry for entry in entries}
    dead: set[str] = set()
    while fresh := {entry.id for entry in entries if entry.id not in dead and _must_go(entry, by_id, dead)}:
        dead |= fresh
    return {entry_id: tuple(_standing_for(entry_id, by_id, dead)) for entry_id in dead}


def rewritten(content: Mapping[str, Sequence[str]], gone: Gone) -> dict[str, list[str]]:
    """The blocks of a version without what is gone; nothing comes in that stands elsewhere in it."""
    placed = set(itertools.chain.from_iterable(content.values())) - gone.keys()
    blocks: dict[str, list[str]] = {}
    for label, ids in content.items():
        block = blocks.setdefault(label, [])
        for entry_id in ids:
            fresh = [other for other in gone.get(entry_id, ()) if other not in placed]
            block.extend([entry_id] if entry_id not in gone else fresh)
            placed.update(fresh)
    return blocks


def rewritten_changes(
    changes: Iterable[Mapping[str, Any]], content: Mapping[str, Sequence[str]], stays: Container[str]
) -> list[dict[str, Any]]:
    """What a version changed, where `content` is what it holds now: ids that stay alone, and no reason for what happened to others.

    An entry that came and went within the version was never stored; its reason may tell what is gone as well.
    """
    standing = set(itertools.chain.from_iterable(content.values()))
    kept: list[dict[str, Any]] = []
    for change in changes:
        came = change["came"]
        if all(name in stays for name in change["gone"]) and (came is None or came in stays):
            kept.append(dict(change))
            continue
        left = [name for name in change["gone"] if name in stays and name not in standing]
        came = came if came in stays else None
        if left or came is not None:
            kept.append({**change, "gone": left, "came": came, "reason": ""})
    return kept


def mentions(value: Any, names: Container[str]) -> bool:
    """Whether any text in plain JSON, at any depth, is one of the names."""
    waiting = [value]
    while waiting:
        part: Any = waiting.pop()
        if isinstance(part, str) and part in names:
            return True
        if isinstance(part, Mapping):
            waiting.extend(cast("Mapping[str, Any]", part).values())
        elif isinstance(part, list | tuple):
            waiting.extend(cast("Sequence[Any]", part))
    return False


def moved_spans(
    spans: Mapping[str, Sequence[Span]], contents: Mapping[int, Mapping[str, Sequence[str]]], gone: Gone
) -> dict[str, list[Span]]:
    """When each entry that took over a place in the archive was there; never while it stood in a block.

    `contents` are all versions as they are now, by number.
    """
    newest = max(contents)
    archived: dict[str, dict[int, str]] = {}
    heirs = {heir for entry_id in spans for heir in gone.get(entry_id, ())}
    for entry_id in sorted(spans, key=lambda name: name in gone):  # an entry's own place comes before one it took over
        for heir in gone.get(entry_id, (entry_id,)):
            if heir in heirs:
                at = archived.setdefault(heir, {})
                for since, until, block in spans[entry_id]:
                    for number in range(since, newest + 1 if until is None else until):
                        at.setdefault(number, block)
    for number, content in contents.items():
        for heir in heirs.intersection(itertools.chain.from_iterable(content.values())):
            archived[heir].pop(number, None)
    return {heir: list(_runs(at, newest)) for heir, at in archived.items()}


def _must_go(entry: Known, by_id: Mapping[str, Known], dead: set[str]) -> bool:
    if entry.lost and not entry.kept:
        return True
    origins = [by_id[origin] for origin in entry.origins if origin in by_id]
    if not entry.lost and not any(origin.id in dead for origin in origins):
        return False
    if any(origin.text == entry.text and origin.id not in dead for origin in origins):
        return False
    repeats = len(origins) == len(entry.origins) and all(origin.text == entry.text for origin in origins)
    said_again = entry.kept.difference(*(origin.kept for origin in origins))
    return not (repeats and said_again)


def _standing_for(entry_id: str, by_id: Mapping[str, Known], dead: set[str]) -> Iterator[str]:
    seen: set[str] = set()
    waiting = [entry_id]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in by_id:
            continue
        seen.add(name)
        if name in dead:
            waiting.extend(reversed(by_id[name].origins))
        else:
            yield name


def _runs(at: Mapping[int, str], newest: int) -> Iterator[Span]:
    """Numbers that follow each other under one label become one span."""
    numbers = sorted(at)
    for _, run in itertools.groupby(enumerate(numbers), key=lambda placed: (placed[1] - placed[0], at[placed[1]])):
        members = [number for _, number in run]
        yield members[0], None if members[-1] == newest else members[-1] + 1, at[members[0]]
