"""What a reflector reads and proposes, whatever thinks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voicemind.mind.agent import Agent
from voicemind.store.values import ArchivedEntry, Evidence, MindVersion, Turn


@dataclass(frozen=True, slots=True)
class Add:
    """A new entry at the end of `block`.

    One that is not `lasting` goes to the archive at once: worth finding again, not worth a line in every prompt.
    `cue` are words that were near it when it was said, for finding it.
    """

    block: str
    text: str
    evidence: tuple[Evidence, ...]
    reason: str
    lasting: bool = True
    cue: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """The same statement said better or told further; it rests on the old entry's evidence and on this."""

    block: str
    entry_id: str
    text: str
    evidence: tuple[Evidence, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Supersede:
    """`text` takes the place of an entry that it contradicts.

    Where it `inherits`, the new text still rests on the old entry's evidence too (it repeats a part of it).
    """

    block: str
    entry_id: str
    text: str
    evidence: tuple[Evidence, ...]
    reason: str
    inherits: bool = False


@dataclass(frozen=True, slots=True)
class Remove:
    """An entry that no longer holds and that nothing replaces."""

    block: str
    entry_id: str
    evidence: tuple[Evidence, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Several entries of one block that say the same become one, which rests on the evidence of all of them."""

    block: str
    entry_ids: tuple[str, ...]
    text: str
    reason: str
    evidence: tuple[Evidence, ...] = ()


Operation = Add | Update | Supersede | Remove | Merge


@dataclass(frozen=True, slots=True)
class Proposal:
    """The operations of one reflection, in order, and sentences for people about what was left out and why."""

    operations: tuple[Operation, ...] = ()
    notes: str = ""


class Reflector(Protocol):
    """Reads one conversation for one mind."""

    name: str
    """What `doctor` and the logs call it, for example `extractive`."""

    async def reflect(
        self,
        agent: Agent,
        version: MindVersion,
        turns: Sequence[Turn],
        *,
        conversation_id: str,
        person: str = "",
        archived: Sequence[ArchivedEntry] = (),
    ) -> Proposal:
        """What this conversation changes in the mind's newest `version`. Writes nothing.

        `person` is what to call the person in a mind that belongs to the agent alone and so holds many people; empty
        for somebody without a name. `archived` are those entries of the archive that this conversation touches: they may
        be changed like those of the blocks. Raises ProviderUnavailable where trying again may help.
        """
        ...
