"""Operations become a version: pure, so that the same proposal always gives the same mind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voicemind.mind.agent import Agent
from voicemind.mind.reflection.contract import Operation
from voicemind.mind.reflection.draft import Draft, fresh_id
from voicemind.store.values import ArchivedEntry, MindVersion, NewVersion, Turn


@dataclass(frozen=True, slots=True)
class Applied:
    """The new version, None where nothing changed; and sentences about what was left out."""

    version: NewVersion | None
    notes: str = ""


def apply(
    version: MindVersion,
    operations: Sequence[Operation],
    agent: Agent,
    *,
    turns: Sequence[Turn] = (),
    archived: Sequence[ArchivedEntry] = (),
    new_id: Callable[[], str] = fresh_id,
) -> Applied:
    """The version after the operations; those on entries that are no longer there do nothing.

    A text that its block says already is not added again: its evidence joins that of the entry, under a new id, since
    an entry never changes. Where a block is over its limit, lines that say the same become one, and what still does not fit
    goes to the archive. `turns` say when an entry was said, `archived` are the entries of the archive that may be changed.
    Who wrote it, in which conversation and with what notes is the caller's to add.
    """
    draft = Draft(version, agent, turns, archived, new_id)
    for operation in operations:
        if operation.block in draft.blocks:
            draft.take(operation)
    made, notes = draft.finished(version, author="reflection")
    return Applied(made, notes)
