"""What a reflector reads and proposes, whatever thinks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from voicemind.mind.agent import Agent
from voicemind.store.contract import Evidence, MindVersion, Turn


@dataclass(frozen=True, slots=True)
class Add:
    """A new entry at the end of `block`."""

    block: str
    text: str
    evidence: tuple[Evidence, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Supersede:
    """`text` takes the place of an entry that it contradicts or tells further.

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
class Archive:
    """A new entry that stands in no block: it goes straight to the archive, from where it is recalled when it is spoken of.

    `block` is where it would stand. `at` is when it was said, `cue` are words near it, for finding it alone.
    """

    block: str
    text: str
    evidence: tuple[Evidence, ...]
    reason: str
    at: datetime
    cue: str = ""


Operation = Add | Supersede | Remove


@dataclass(frozen=True, slots=True)
class Proposal:
    """The operations of one reflection, in order, what goes to the archive, and sentences for people about what was left out and why."""

    operations: tuple[Operation, ...] = ()
    notes: str = ""
    archive: tuple[Archive, ...] = ()


class Reflector(Protocol):
    """Reads one conversation for one mind."""

    name: str
    """What `doctor` and the logs call it, for example `extractive`."""

    async def reflect(
        self, agent: Agent, version: MindVersion, turns: Sequence[Turn], *, conversation_id: str, person: str = ""
    ) -> Proposal:
        """What this conversation changes in the mind's newest `version`. Writes nothing.

        `person` is what to call the person in a mind that belongs to the agent alone and so holds many people; empty
        for somebody without a name. Raises ProviderUnavailable where trying again may help.
        """
        ...
