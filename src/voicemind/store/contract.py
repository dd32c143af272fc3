"""What is kept, as plain values, and what a store promises about it.

Every value belongs to a tenant; another tenant's things do not exist. Ids of ours are UUIDv7 strings (sortable by time); ids that come from
outside (users, conversations, agents) are external strings, unique for their tenant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Role = Literal["user", "agent"]
Modality = Literal["speech", "text"]
ConversationStatus = Literal["active", "detached", "ended", "reflected", "failed"]
ReflectionStatus = Literal["waiting", "running", "done", "failed"]
Author = Literal["preset", "reflection", "person", "import", "undo"]


@dataclass(frozen=True, slots=True)
class MindKey:
    """Whose mind: an agent's, or an agent's with one user. `user_id` is "" where the agent's mind is not scoped to users."""

    tenant: str
    agent: str
    user_id: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an entry rests on: the quoted words of one turn of one conversation."""

    conversation_id: str
    turn: int
    quote: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One remembered statement. Immutable: a changed statement is another entry with another id."""

    id: str
    text: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class MindVersion:
    """An immutable state of a mind.

    `number` counts from 1 without gaps; `blocks` maps the label of each reflective block to its entries, in order.
    `conversation_id` names the conversation whose reflection wrote it, if one did.
    """

    key: MindKey
    number: int
    author: Author
    created_at: datetime
    blocks: Mapping[str, tuple[Entry, ...]]
    notes: str = ""
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A talk with an agent on one channel. `user_id` is the person; `anonymous` says that the person was made up for this talk alone."""

    tenant: str
    id: str
    agent: str
    user_id: str
    channel: str
    status: ConversationStatus
    created_at: datetime
    active_at: datetime
    anonymous: bool = False
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said. `seq` counts from 1 in its conversation.

    `generated` is what was said or written; `heard` is how much of it reached the person (equal for user turns; None: not known).
    `timings_ms` are latency parts in milliseconds (`heard`, `thought_first`, `spoke_first`).
    """

    seq: int
    role: Role
    generated: str
    heard: str | None
    created_at: datetime
    interrupted: bool = False
    modality: Modality = "text"
    timings_ms: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A turn that has no place in its conversation yet."""

    role: Role
    generated: str
    heard: str | None = None
    interrupted: bool = False
    modality: Modality = "text"
    timings_ms: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Reflection:
    """The reflection that one ended conversation waits for, or had. There is at most one for each conversation.

    `before` and `after` are version numbers of the mind `key`; equal where nothing new was worth remembering.
    `error` is the code of the last failure.
    """

    id: str
    key: MindKey
    conversation_id: str
    status: ReflectionStatus
    attempts: int = 0
    before: int | None = None
    after: int | None = None
    notes: str = ""
    error: str = ""


class Store(Protocol):
    """Keeps what must not be lost.

    Whatever a writing method returned is committed and synced to disk. Every method may raise StorageUnavailable.
    `start` creates or migrates the schema and comes first; `aclose` comes last.
    """

    async def start(self) -> None:
        """Open the database, create or migrate its schema. Raises Misconfigured for one that is corrupt or newer than this program."""
        ...

    async def aclose(self) -> None:
        """Finish waiting writes and close; safe to call twice."""
        ...

    async def check(self) -> None:
        """Return where the database answers; raise StorageUnavailable where it does not."""
        ...

    async def open_conversation(
        self,
        key: MindKey,
        conversation_id: str,
        *,
        user_id: str,
        channel: str,
        anonymous: bool = False,
        seed: Mapping[str, Sequence[str]] | None = None,
    ) -> Conversation:
        """Make the conversation, its user and its mind where they do not exist yet; return the conversation as it is stored.

        An existing conversation is returned unchanged (the caller compares agent and user). A new mind gets version 1 by author `preset`, whose
        blocks hold one entry without evidence for each text of `seed`, under fresh ids. Called twice at once, it still makes one of each.
        """
        ...

    async def conversation(self, tenant: str, conversation_id: str) -> Conversation:
        """The conversation. Raises UnknownConversation."""
        ...

    async def append_turn(self, tenant: str, conversation_id: str, turn: NewTurn) -> Turn:
        """Put the turn at the end of the conversation and mark the conversation as active now.

        Returns only after the commit. Turns of one conversation get consecutive `seq` without gaps, however many are appended at once.
        Raises UnknownConversation; ConversationOver where it is not active or detached.
        """
        ...

    async def turns(self, tenant: str, conversation_id: str) -> tuple[Turn, ...]:
        """All turns in order. Raises UnknownConversation."""
        ...

    async def end_conversation(self, key: MindKey, conversation_id: str) -> Reflection:
        """Mark the conversation as ended and queue its reflection on the mind `key`, in one transaction; repeated, returns the same reflection."""
        ...

    async def stale_conversations(self, idle_since: datetime, *, limit: int = 100) -> tuple[Conversation, ...]:
        """Active or detached conversations of all tenants without activity since that moment, oldest first."""
        ...

    async def mind(self, key: MindKey) -> MindVersion | None:
        """The newest version, with entries and evidence; None where the mind does not exist yet."""
        ...

    async def mind_version(self, key: MindKey, number: int) -> MindVersion | None:
        """One version, with entries and evidence; None where there is none of that number."""
        ...

    async def unreflected_turns(self, key: MindKey, *, limit: int = 40) -> tuple[Turn, ...]:
        """User turns of ended conversations whose reflection on this mind has not happened yet, oldest first; the newest `limit` of them."""
        ...

    async def reflection(self, tenant: str, conversation_id: str) -> Reflection | None:
        """The reflection of a conversation; None where it has not ended."""
        ...

    async def claim_reflection(self, worker: str, *, lease_s: float) -> Reflection | None:
        """Take the oldest reflection (of any tenant) that is due: waiting, or running under a lease that ran out; None where there is none.

        Marks it running, counts the attempt and leases it to `worker`; no two callers get the same one.
        """
        ...

    async def renew_reflection(self, reflection: Reflection, *, lease_s: float) -> bool:
        """Lease a claimed reflection for `lease_s` seconds from now; False where it is over or another claim holds it."""
        ...

    async def finish_reflection(
        self, reflection: Reflection, *, parent: int, blocks: Mapping[str, Sequence[Entry]] | None, notes: str
    ) -> Reflection:
        """Write version `parent + 1` with these blocks (None: nothing changed, no new version), mark the reflection done and the conversation
        reflected, in one transaction. Entries whose id the mind does not know yet are stored with their evidence.

        Raises StaleVersion where `parent` is not the newest version. Called again for a reflection that is done, changes nothing and returns it.
        """
        ...

    async def postpone_reflection(self, reflection: Reflection, *, error: str, delay_s: float | None) -> None:
        """Note the failure's code and make the reflection due again after `delay_s` seconds; None gives it up: it and its conversation are `failed`."""
        ...

    async def retry_reflection(self, tenant: str, conversation_id: str) -> Reflection:
        """Make a failed reflection due now, its attempts counted from the beginning, its conversation `ended` again; any other is unchanged.

        Returns the reflection as it is then. Raises UnknownConversation where there is none.
        """
        ...

    async def pending_reflections(self, key: MindKey) -> int:
        """How many reflections on this mind are waiting or running."""
        ...
