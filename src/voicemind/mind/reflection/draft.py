"""A mind while it is being changed: blocks, archive, and the reason for each difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import uuid_utils

from voicemind.mind.agent import Agent
from voicemind.mind.plain import one_line
from voicemind.mind.reflection.contract import Add, Merge, Operation, Remove, Supersede, Update
from voicemind.mind.reflection.likeness import same_text, say_the_same
from voicemind.mind.reflection.room import Blocks, make_room
from voicemind.store.values import (
    ArchivedEntry,
    Author,
    Change,
    ChangeKind,
    Entry,
    Evidence,
    MindVersion,
    NewVersion,
    Turn,
)


def fresh_id() -> str:
    """A new UUIDv7: ids sort by the time they were made."""
    return str(uuid_utils.uuid7())


class Draft:
    """The blocks as they become, and what was done to them."""

    def __init__(
        self,
        version: MindVersion,
        agent: Agent,
        turns: Sequence[Turn],
        archived: Sequence[ArchivedEntry],
        new_id: Callable[[], str] = fresh_id,
    ) -> None:
        self.blocks: Blocks = {block.label: tuple(version.blocks.get(block.label, ())) for block in agent.reflective}
        self.archive: Blocks = {}
        self.unarchive: list[str] = []
        self.changes: list[Change] = []
        self._made: dict[str, tuple[str, Entry]] = {}
        self._archived: dict[str, ArchivedEntry] = {found.entry.id: found for found in archived}
        self._said: Mapping[int, datetime] = {turn.seq: turn.created_at for turn in turns}
        self._agent = agent
        self._new_id = new_id

    def finished(self, version: MindVersion, *, author: Author) -> tuple[NewVersion | None, str]:
        """The new version, None where nothing changed; and a sentence about what had to make room.

        Where a block is over its limit, lines that say the same become one, and what still does not fit goes to the archive.
        """
        roomy = make_room(self.blocks, self._agent, new_id=self._new_id)
        changes = (*self.changes, *roomy.changes)
        if not changes:
            return None, ""
        passed = self._passed((*roomy.blocks.values(), *self.archive.values(), *roomy.archive.values()))
        archive = {
            label: (*self.archive.get(label, ()), *roomy.archive.get(label, ()), *passed.get(label, ()))
            for label in self.blocks
        }
        made = NewVersion(
            parent=version.number,
            author=author,
            blocks={**version.blocks, **roomy.blocks},
            archive={label: entries for label, entries in archive.items() if entries},
            unarchive=(*self.unarchive, *(entry.id for entries in passed.values() for entry in entries)),
            changes=changes,
            notes=roomy.notes,
        )
        return made, roomy.notes

    def move(self, entry_id: str, *, archive: bool, reason: str) -> bool:
        """Put an entry of a block into the archive, or one of the archive back into its block; False where it is not there."""
        for label in self.blocks:
            entry = self._entry(label, entry_id)
            if entry is None:
                continue
            if (entry_id in self._archived) == archive:
                return False
            self._drop(label, entry_id)
            self._put(label, entry, lasting=not archive)
            gone, came = ((), entry_id) if archive else ((entry_id,), entry_id)
            self.changes.append(Change("archive" if archive else "recall", label, gone, came, reason))
            return True
        return False

    def block_of(self, entry_id: str) -> str | None:
        """The block in which the entry stands, or to which it belongs in the archive."""
        return next((label for label in self.blocks if self._entry(label, entry_id)), None)

    def take(self, operation: Operation) -> None:
        """Do what the operation says, or nothing where what it names is gone."""
        match operation:
            case Add():
                self._add(operation)
            case Remove(entry_id=entry_id):
                if self._drop(operation.block, entry_id):
                    self._note("remove", operation, (entry_id,), None)
            case Update():
                self._replace(operation, (operation.entry_id,), kind="update", inherits=True)
            case Supersede():
                self._replace(operation, (operation.entry_id,), kind="supersede", inherits=operation.inherits)
            case Merge():
                self._replace(operation, operation.entry_ids, kind="merge", inherits=True)

    def _add(self, operation: Add) -> None:
        text = one_line(operation.text)
        if not same_text(text):
            return
        twin = self._twin(operation.block, text)
        if twin is not None:
            self._join(operation, twin, operation.evidence)
            return
        made = Entry(
            self._new_id(), text, operation.evidence, at=self._when(operation.evidence), cue=one_line(operation.cue)
        )
        self._put(operation.block, made, lasting=operation.lasting)
        self._note("add" if operation.lasting else "archive", operation, (), made.id)

    def _replace(
        self, operation: Update | Supersede | Merge, ids: Sequence[str], *, kind: ChangeKind, inherits: bool
    ) -> None:
        old = [entry for entry_id in ids if (entry := self._entry(operation.block, entry_id))]
        text = one_line(operation.text)
        if not same_text(text) or not old or (isinstance(operation, Merge) and len(old) < 2):
            return
        if len(old) == 1 and same_text(old[0].text) == same_text(text) and not isinstance(operation, Merge):
            self._join(operation, old[0], operation.evidence)
            return
        for entry in old:
            self._drop(operation.block, entry.id)
        inherited = _joined(*(entry.evidence for entry in old)) if inherits else ()
        made = Entry(
            self._new_id(),
            text,
            _joined(inherited, operation.evidence),
            origins=tuple(entry.id for entry in old) if inherits else (),
            at=self._when(operation.evidence) or old[-1].at,
            cue=" ".join(dict.fromkeys(entry.cue for entry in old if entry.cue)) if inherits else "",
        )
        twin = self._twin(operation.block, text)
        if twin is not None:
            self._drop(operation.block, twin.id)
            made = replace(made, evidence=_joined(twin.evidence, made.evidence), origins=(*made.origins, twin.id))
            old = [*old, twin]
        self._put(operation.block, made, lasting=True)
        self._note(kind, operation, tuple(entry.id for entry in old), made.id)

    def _join(self, operation: Operation, twin: Entry, evidence: tuple[Evidence, ...]) -> None:
        """The statement is known; it was said once more. What was said again comes back from the archive."""
        joined = _joined(twin.evidence, evidence)
        lasting = not isinstance(operation, Add) or operation.lasting
        recalled = twin.id in self._archived
        if joined == twin.evidence and not (recalled and lasting):
            return
        made = replace(twin, id=self._new_id(), evidence=joined, at=self._when(evidence) or twin.at)
        if recalled:
            self._drop(operation.block, twin.id)
            self._put(operation.block, made, lasting=lasting)
        else:
            block = self.blocks[operation.block]
            self.blocks[operation.block] = tuple(made if entry.id == twin.id else entry for entry in block)
            self._made[made.id] = (operation.block, made)
        self._note("recall" if recalled and lasting else "merge", operation, (twin.id,), made.id)

    def _passed(self, standing: Iterable[Sequence[Entry]]) -> Blocks:
        """Entries that came and went within this draft and out of whose words others were made: kept, although they stand nowhere.

        Without them, erasing one conversation would take what another one said along.
        """
        there = {entry.id for entries in standing for entry in entries}
        wanted = [origin for entries in standing for entry in entries for origin in entry.origins]
        passed: Blocks = {}
        while wanted:
            found = self._made.pop(wanted.pop(), None)
            if found is not None and found[1].id not in there:
                label, entry = found
                passed[label] = (*passed.get(label, ()), entry)
                wanted += entry.origins
        return passed

    def _put(self, label: str, entry: Entry, *, lasting: bool) -> None:
        self._made[entry.id] = (label, entry)
        if lasting:
            self.blocks[label] = (*self.blocks[label], entry)
        else:
            self.archive[label] = (*self.archive.get(label, ()), entry)
            self._archived[entry.id] = ArchivedEntry(entry, label)

    def _drop(self, label: str, entry_id: str) -> bool:
        if self._entry(label, entry_id) is None:
            return False
        self.blocks[label] = tuple(entry for entry in self.blocks[label] if entry.id != entry_id)
        if self._archived.pop(entry_id, None):
            fresh = tuple(entry for entry in self.archive.get(label, ()) if entry.id != entry_id)
            if fresh == self.archive.get(label, ()):
                self.unarchive.append(entry_id)
            self.archive[label] = fresh
        return True

    def _entry(self, label: str, entry_id: str) -> Entry | None:
        return next((entry for entry in self._all(label) if entry.id == entry_id), None)

    def _twin(self, label: str, text: str) -> Entry | None:
        return next((entry for entry in self._all(label) if say_the_same(entry.text, text)), None)

    def _all(self, label: str) -> tuple[Entry, ...]:
        return (*self.blocks[label], *(found.entry for found in self._archived.values() if found.block == label))

    def _when(self, evidence: Sequence[Evidence]) -> datetime | None:
        return max((self._said[piece.turn] for piece in evidence if piece.turn in self._said), default=None)

    def _note(self, kind: ChangeKind, operation: Operation, gone: tuple[str, ...], came: str | None) -> None:
        self.changes.append(Change(kind, operation.block, gone, came, one_line(operation.reason, limit=300)))


def _joined(*evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    return tuple(dict.fromkeys(piece for pieces in evidence for piece in pieces))
