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
    left = list(entries)
    changes: list[Change] = []
    for entry in entries:
        if not entry.evidence:
            continue
        fuller = next((other for other in left if other.id != entry.id and _tells_more(other, entry)), None)
        if fuller is None or entry not in left:
            continue
        evidence = tuple(dict.fromkeys((*entry.evidence, *fuller.evidence)))
        made = Entry(new_id(), fuller.text, evidence, origins=(entry.id, fuller.id), at=fuller.at, cue=fuller.cue)
        left = [made if other is fuller else other for other in left if other is not entry]
        changes.append(
            Change("merge", block.label, (entry.id, fuller.id), made.id, "One line tells all that the other tells.")
        )
    return tuple(left), changes


def _tells_more(fuller: Entry, entry: Entry) -> bool:
    if not fuller.evidence or negations_and_numbers(fuller.text) != negations_and_numbers(entry.text):
        return False
    return bool(content(entry.text)) and content(entry.text) < content(fuller.text)


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
