"""What people do to a mind by hand: edit it, take a version back, go back to one, put another in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from voicemind.errors import BadRequest, StaleVersion, UnknownMind
from voicemind.mind.afresh import afresh
from voicemind.mind.agent import Agent
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.mind.document import Document
from voicemind.mind.plain import one_line
from voicemind.mind.reflection.contract import Add, Remove, Update
from voicemind.mind.reflection.draft import Draft, fresh_id
from voicemind.mind.reflection.grounding import LONGEST_TEXT
from voicemind.mind.reflection.room import make_room
from voicemind.mind.versions import reverted
from voicemind.store import contract
from voicemind.store.values import Entry, MindKey, MindVersion, NewVersion

BY_HAND = "A person changed it by hand."


@dataclass(frozen=True, slots=True)
class Edit:
    """One change by hand. `add` takes block and text, `update` entry and text, the others an entry."""

    op: Literal["add", "update", "remove", "archive", "recall"]
    block: str = ""
    entry_id: str = ""
    text: str = ""


class Edits:
    """Writes versions for people. `parent`, where given, is the version that the person saw: if it is not the newest, StaleVersion is raised.

    All raise UnknownMind where there is no such mind or version.
    """

    def __init__(self, store: contract.Minds, minds: Minds, archives: Archives | None = None) -> None:
        self._store, self._minds, self._archives = store, minds, archives

    async def edit(
        self, agent: Agent, key: MindKey, edits: Sequence[Edit], *, parent: int | None = None
    ) -> MindVersion:
        """Do all of them, or none. Raises BadRequest, naming the one that cannot be done; what changes nothing writes no version."""
        ids = [edit.entry_id for edit in edits if edit.entry_id]

        async def made(newest: MindVersion) -> NewVersion | None:
            archived = await self._store.archived(key, ids=ids, limit=len(ids))
            draft = Draft(newest, agent, (), archived)
            for at, edit in enumerate(edits):
                _take(draft, edit, where=f"edits[{at}]")
            version, _ = draft.finished(newest, author="person")
            return version

        return await self._written(key, made, parent=parent)

    async def undo(
        self, agent: Agent, key: MindKey, *, number: int | None = None, parent: int | None = None
    ) -> MindVersion:
        """Take back what one version did (None: the newest), and nothing that came after it. Raises BadRequest where nothing of it is left."""

        async def made(newest: MindVersion) -> NewVersion | None:
            after = newest if number is None else await self._version(key, number)
            if after.number == 1:
                raise BadRequest(
                    "The first version is where the mind began: there is nothing before it.", param="number"
                )
            before = await self._version(key, after.parent)
            told = {name for change in after.changes for name in (*change.gone, change.came) if name}
            in_blocks = {entry.id for block in before.blocks.values() for entry in block}
            gone = {name for change in after.changes for name in change.gone} - in_blocks
            known = await self._store.entries(key, sorted(gone))
            now = await self._store.archived(key, ids=sorted(told | in_blocks), limit=len(told | in_blocks))
            version = reverted(newest, before, after, archived=known, put_away={one.entry.id for one in now})
            if version is None:
                raise BadRequest("Nothing of this version is left to be taken back.", param="number")
            return version if newest.number == after.number else _roomy(version, agent)

        return await self._written(key, made, parent=parent)

    async def restore(self, agent: Agent, key: MindKey, number: int, *, parent: int | None = None) -> MindVersion:
        """Make the mind what it was in that version, as a new version; what no longer fits (the agent or an erasure changed it) goes to the archive."""

        async def made(newest: MindVersion) -> NewVersion | None:
            old = await self._version(key, number)
            return _roomy(NewVersion(newest.number, "undo", old.blocks, archive_of=number, restores=number), agent)

        return await self._written(key, made, parent=parent)

    async def replace(
        self, agent: Agent, key: MindKey, document: Document, *, parent: int | None = None
    ) -> MindVersion:
        """Put the document in the place of what the mind holds; a mind that does not exist is made. Raises BadRequest for a block that reflection does not write."""
        labels = {block.label for block in agent.reflective}
        for label in (*document.blocks, *document.archive):
            if label not in labels:
                raise BadRequest(f"{agent.slug} has no block {label!r} that can be written.", param="blocks")
        await self._store.ensure_mind(key, seed=agent.seed())
        document = await self._with_own_ids(key, await self._without_erased(key, document))

        async def made(newest: MindVersion) -> NewVersion | None:
            blocks = {label: document.blocks.get(label, ()) for label in {**newest.blocks, **document.blocks}}
            version = NewVersion(
                newest.number, "import", blocks, archive=document.archive, archive_of=0, notes=document.notes
            )
            return _roomy(version, agent)

        return await self._written(key, made, parent=parent)

    async def _without_erased(self, key: MindKey, document: Document) -> Document:
        """Nothing comes back that was erased here since the file was written: entries by their ids, evidence by its conversation's."""
        given = [
            entry for part in (document.blocks, document.archive) for entries in part.values() for entry in entries
        ]
        cited = {piece.conversation_id for entry in given for piece in entry.evidence}
        erased = await self._store.erased(key, entries={entry.id for entry in given}, talks=cited)
        if not erased:
            return document
        kept = {entry.id: left for entry in given if (left := _without(entry, erased))}

        def rest(part: Mapping[str, tuple[Entry, ...]]) -> dict[str, tuple[Entry, ...]]:
            return {label: tuple(kept[one.id] for one in part[label] if one.id in kept) for label in part}

        told = f"{len(given) - len(kept)} of {len(given)} entries were left out: they were erased here."
        notes = " ".join(filter(None, (document.notes, told if len(kept) < len(given) else "")))
        return replace(document, blocks=rest(document.blocks), archive=rest(document.archive), notes=notes)

    async def _with_own_ids(self, key: MindKey, document: Document) -> Document:
        """An entry never changes: one that says something else under an id that the mind knows is another entry."""
        ids = [
            entry.id for part in (document.blocks, document.archive) for entries in part.values() for entry in entries
        ]
        known = await self._store.entries(key, ids)

        def own(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
            return tuple(
                entry if known.get(entry.id, entry) == entry else replace(entry, id=fresh_id()) for entry in entries
            )

        return replace(
            document,
            blocks={label: own(entries) for label, entries in document.blocks.items()},
            archive={label: own(entries) for label, entries in document.archive.items()},
        )

    async def _written(
        self, key: MindKey, make: Callable[[MindVersion], Awaitable[NewVersion | None]], *, parent: int | None
    ) -> MindVersion:
        async def once() -> MindVersion:
            newest = await self._store.mind(key)
            if newest is None:
                raise UnknownMind("There is no such mind.")
            if parent not in (None, newest.number):
                raise StaleVersion(f"The mind is at version {newest.number} now.")
            version = await make(newest)
            if version is None:
                return newest
            try:
                written = await self._store.write_version(key, version)
            finally:
                self._minds.forget(key)
            if self._archives is not None:
                await self._archives.catch_up(key)
            return written

        return await (afresh(once) if parent is None else once())

    async def _version(self, key: MindKey, number: int) -> MindVersion:
        version = await self._store.mind_version(key, number)
        if version is None:
            raise UnknownMind("There is no such version of this mind.")
        return version


def _without(entry: Entry, erased: Collection[str]) -> Entry | None:
    """What is left of an entry, as an erasure leaves it: without a part of its evidence, nobody knows whose words a joined text is made of."""
    if entry.id in erased:
        return None
    evidence = tuple(piece for piece in entry.evidence if piece.conversation_id not in erased)
    if evidence == entry.evidence:
        return entry
    return replace(entry, evidence=evidence) if evidence and not entry.origins else None


def _take(draft: Draft, edit: Edit, *, where: str) -> None:
    if edit.op in ("add", "update") and (not one_line(edit.text) or len(edit.text) > LONGEST_TEXT):
        raise BadRequest(f"An entry has 1 to {LONGEST_TEXT} characters.", param=f"{where}.text")
    if edit.op == "add":
        if edit.block not in draft.blocks:
            raise BadRequest("There is no block of that label that can be written.", param=f"{where}.block")
        draft.take(Add(edit.block, edit.text, (), BY_HAND))
        return
    block = draft.block_of(edit.entry_id)
    if block is None:
        raise BadRequest("The mind has no such entry now.", param=f"{where}.entry_id")
    if edit.op == "update":
        draft.take(Update(block, edit.entry_id, edit.text, (), BY_HAND))
    elif edit.op == "remove":
        draft.take(Remove(block, edit.entry_id, (), BY_HAND))
    else:
        draft.move(edit.entry_id, archive=edit.op == "archive", reason=BY_HAND)


def _roomy(version: NewVersion, agent: Agent) -> NewVersion:
    """The version with its blocks within their limits."""
    roomy = make_room(
        {block.label: version.blocks.get(block.label, ()) for block in agent.reflective}, agent, new_id=fresh_id
    )
    archive = {
        label: (*version.archive.get(label, ()), *roomy.archive.get(label, ()))
        for label in {**version.archive, **roomy.archive}
    }
    return replace(
        version,
        blocks={**version.blocks, **roomy.blocks},
        archive=archive,
        changes=(*version.changes, *roomy.changes),
        notes=" ".join(filter(None, (version.notes, roomy.notes))),
    )
