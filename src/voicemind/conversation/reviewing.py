"""What a person decides about reflections: which proposed changes become memory, and what is tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from voicemind.conversation.opening import Opened, Opening
from voicemind.errors import NotWaiting, UnknownConversation, UnknownMind
from voicemind.mind.afresh import afresh
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.mind.reflection.apply import apply
from voicemind.mind.reflection.contract import Add, Merge, Operation
from voicemind.mind.reflection.proposal import Decision, decided, decoded
from voicemind.store.contract import Store
from voicemind.store.values import ArchivedEntry, MindKey, Reflection, Turn

ALIKE = 4
"""Entries of the archive that a new statement may only repeat."""


class Reviews:
    """Decides on proposals that wait, and gives failed reflections another chance."""

    def __init__(self, store: Store, opening: Opening, minds: Minds, archives: Archives | None = None) -> None:
        self._store, self._opening, self._minds, self._archives = store, opening, minds, archives

    async def decide(self, tenant: str, conversation_id: str, decisions: Sequence[Decision]) -> Reflection:
        """Write what the person accepted, in the person's words where they edited; the reflection is done then.

        `decisions` are in the order of the proposal's operations. Raises UnknownConversation, NotWaiting where there is no proposal, BadRequest
        where the decisions do not fit it.
        """
        opened = await self._opening.found(tenant, conversation_id)
        turns = await self._store.turns(tenant, conversation_id)
        return await afresh(lambda: self._decide(opened, turns, decisions))

    async def retry(self, tenant: str, conversation_id: str) -> Reflection:
        """Queue a reflection that was given up once more. Raises UnknownConversation; NotWaiting where it did not fail."""
        reflection = await self._one(tenant, conversation_id)
        if reflection.status != "failed":
            raise NotWaiting(f"This reflection is {reflection.status}: only one that failed can be tried again.")
        return await self._store.retry_reflection(tenant, conversation_id)

    async def _decide(self, opened: Opened, turns: Sequence[Turn], decisions: Sequence[Decision]) -> Reflection:
        tenant, identity = opened.conversation.tenant, opened.conversation.id
        version = await self._store.mind(opened.key)
        if version is None:
            raise UnknownMind("There is no such mind.")
        # Read after the version: whoever erases a part of it from now on makes that version an old one.
        reflection = await self._waiting(tenant, identity)
        proposed = decoded(reflection.proposal)
        wanted = decided(proposed, decisions)
        archived = await self._touched(reflection.key, wanted)
        outcome = apply(version, wanted, opened.agent, turns=turns, archived=archived)
        told = f"A person accepted {len(wanted)} of {len(proposed)} proposed changes."
        notes = " ".join(filter(None, (reflection.notes, told, outcome.notes)))
        made = outcome.version and replace(outcome.version, notes=notes, conversation_id=identity)
        try:
            done = await self._store.finish_reflection(reflection, parent=version.number, version=made, notes=notes)
        finally:
            self._minds.forget(reflection.key)
        if done.notes != notes:
            raise NotWaiting("Somebody else decided on this first.")
        if made is not None and self._archives is not None:
            await self._archives.catch_up(reflection.key)
        return done

    async def _waiting(self, tenant: str, conversation_id: str) -> Reflection:
        reflection = await self._one(tenant, conversation_id)
        if reflection.status != "review":
            raise NotWaiting(f"This reflection is {reflection.status}: there is nothing to decide on.")
        return reflection

    async def _touched(self, key: MindKey, operations: Sequence[Operation]) -> tuple[ArchivedEntry, ...]:
        """What of the archive the operations change, or say again."""
        touched = {one.entry.id: one for one in await self._store.archived(key, ids=_named(operations))}
        for operation in operations:
            if isinstance(operation, Add):
                for found in await self._store.find_archived(key, [operation.text], limit=ALIKE):
                    touched[found.entry.id] = ArchivedEntry(found.entry, found.block)
        return tuple(touched.values())

    async def _one(self, tenant: str, conversation_id: str) -> Reflection:
        reflection = await self._store.reflection(tenant, conversation_id)
        if reflection is None:
            await self._store.conversation(tenant, conversation_id)
            raise UnknownConversation("This conversation has not ended, so there is no reflection.")
        return reflection


def _named(operations: Sequence[Operation]) -> list[str]:
    """The entries that the operations change."""
    ids: list[str] = []
    for operation in operations:
        if isinstance(operation, Merge):
            ids += operation.entry_ids
        elif not isinstance(operation, Add):
            ids.append(operation.entry_id)
    return ids
