"""What becomes of a block that is over its limit: lines that say the same become one, and the least missed go to the archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from voicemind.mind.agent import Agent, Block
from voicemind.mind.reflection.likeness import content, negations_and_numbers
from voicemind.store.values import Change, Entry

Blocks = dict[str, tuple[Entry, ...]]
_BULLET = 3
"""Characters that a line costs besides its text: "- " and the line break."""
_COMPARED = 300
"""Lines that are compared with each other, the newest ones: more come from a file alone, and no block holds as many."""
_Meaning = tuple[frozenset[str], tuple[frozenset[str], frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Roomy:
    """The blocks within their limits, and what had to go where."""

    blocks: Mapping[str, tuple[Entry, ...]]
    archive: Mapping[str, tuple[Entry, ...]]
    changes: tuple[Change, ...]
    notes: str


def make_room(blocks: Mapping[str, tuple[Entry, ...]], agent: Agent, *, new_id: Callable[[], str]) -> Roomy:
    """Every block within its limit; nothing is lost."""
    roomy: Blocks = dict(blocks)
    archive: Blocks = {}
    changes: list[Change] = []
    notes: list[str] = []
    for block in agent.reflective:
        if _size(blocks[block.label]) <= block.limit:
            continue
        roomy[block.label], told = _consolidated(blocks[block.label], block, new_id)
        roomy[block.label], archived = _kept(roomy[block.label], block)
        changes += told
        if archived:
            archive[block.label] = archived
            changes += [
                Change("archive", block.label, (), entry.id, "The block is full; this was said least, and longest ago.")
                for entry in archived
            ]
            lines = f"{len(archived)} line{'' if len(archived) == 1 else 's'}"
            notes.append(f"{block.title}: {lines} moved to the archive, the block is full.")
    return Roomy(roomy, archive, tuple(changes), " ".join(notes))


def _size(entries: tuple[Entry, ...]) -> int:
    return sum(len(entry.text) + _BULLET for entry in entries)


def _consolidated(
    entries: tuple[Entry, ...], block: Block, new_id: Callable[[], str]
) -> tuple[tuple[Entry, ...], list[Change]]:
    """Lines whose whole content stands in a later, fuller line become part of it, with their evidence."""
    older, compared = entries[:-_COMPARED], entries[-_COMPARED:]
    meanings = {entry.text: _meaning(entry.text) for entry in compared}
    left = list(compared)
    changes: list[Change] = []
    for entry in compared:
        if not entry.evidence or entry not in left:
            continue
        meant = meanings[entry.text]
        fuller = next((other for other in left if other.evidence and _tells_more(meanings[other.text], meant)), None)
        if fuller is None:
            continue
        evidence = tuple(dict.fromkeys((*entry.evidence, *fuller.evidence)))
        made = Entry(new_id(), fuller.text, evidence, origins=(entry.id, fuller.id), at=fuller.at, cue=fuller.cue)
        left = [made if other is fuller else other for other in left if other is not entry]
        changes.append(
            Change("merge", block.label, (entry.id, fuller.id), made.id, "One line tells all that the other tells.")
        )
    return (*older, *left), changes


def _meaning(text: str) -> _Meaning:
    return content(text), negations_and_numbers(text)


def _tells_more(fuller: _Meaning, meant: _Meaning) -> bool:
    return bool(meant[0]) and meant[0] < fuller[0] and meant[1] == fuller[1]


def _kept(entries: tuple[Entry, ...], block: Block) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Those that fit and those that do not. First goes what was said in the fewest conversations, and of that the oldest.

    What the maker of the agent wrote (without evidence) goes last; of the lines that fit at all, the newest always stays.
    """
    gone = {place for place, entry in enumerate(entries) if _size((entry,)) > block.limit}
    size = _size(tuple(entry for place, entry in enumerate(entries) if place not in gone))
    fitting = [(place, entry) for place, entry in enumerate(entries) if place not in gone]
    order = sorted(fitting[:-1], key=lambda placed: (_weight(placed[1]), placed[0]))
    for place, entry in order:
        if size <= block.limit:
            break
        gone.add(place)
        size -= len(entry.text) + _BULLET
    return (
        tuple(entry for place, entry in enumerate(entries) if place not in gone),
        tuple(entry for place, entry in enumerate(entries) if place in gone),
    )


def _weight(entry: Entry) -> int:
    if not entry.evidence:
        return 1_000_000
    return len({piece.conversation_id for piece in entry.evidence})
