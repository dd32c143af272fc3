"""What is kept, as plain values.

Every value belongs to a tenant; another tenant's things do not exist. Ids of ours are UUIDv7 strings (sortable by time); ids that come from
outside (users, conversations, agents) are external strings, unique for their tenant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Role = Literal["user", "agent"]
Modality = Literal["speech", "text"]
ConversationStatus = Literal["active", "detached", "ended", "reflected", "failed"]
Presence = Literal["active", "detached"]
"""Of a conversation that goes on: whether its client is there, or is waited for."""
ReflectionStatus = Literal["waiting", "running", "review", "done", "failed"]
"""`review`: the proposal waits for a person's word."""
Author = Literal["preset", "reflection", "person", "import", "undo", "erasure"]
ChangeKind = Literal["add", "update", "supersede", "remove", "merge", "archive", "recall", "restore"]
MeetingKind = Literal["meeting", "speech"]


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
    """One remembered statement. Immutable: a changed statement is another entry with another id.

    `origins` are the ids of the entries out of whose words this one's were made: without its own part of the evidence,
    they are what is left of it. `at` is when it was said (None: not said by anybody). `cue` are words that were near it
    when it was said: for finding it again, never shown.
    """

    id: str
    text: str
    evidence: tuple[Evidence, ...] = ()
    origins: tuple[str, ...] = ()
    at: datetime | None = None
    cue: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between a version and its parent, in ids alone.

    `gone` left `block` (for `archive`: for the archive), `came` is what stands there instead. `reason` is a sentence for people.
    """

    kind: ChangeKind
    block: str
    gone: tuple[str, ...] = ()
    came: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MindVersion:
    """An immutable state of a mind.

    `number` counts from 1 without gaps, and `parent` is the version it was made from (0: from nothing). `blocks` maps the label of
    each reflective block to its entries, in order; what no longer fitted there is in the archive (`Store.archived`).
    `conversation_id` names the conversation whose reflection wrote it, if one did; `restores` the version that an undo brought back.
    """

    key: MindKey
    number: int
    author: Author
    created_at: datetime
    blocks: Mapping[str, tuple[Entry, ...]]
    notes: str = ""
    conversation_id: str | None = None
    changes: tuple[Change, ...] = ()
    restores: int | None = None

    @property
    def parent(self) -> int:
        """The version this one was made from; 0 for the first."""
        return self.number - 1


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version on its way: what `parent` becomes.

    `unarchive` are the ids of entries that leave the archive; `archive` are those that join it after that, under the label of their block.
    What stands in a block is never in the archive too. `archive_of`, where given, names an older version: the archive becomes what it was
    then, before the others are done.
    """

    parent: int
    author: Author
    blocks: Mapping[str, tuple[Entry, ...]]
    archive: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict[str, tuple[Entry, ...]])
    unarchive: tuple[str, ...] = ()
    archive_of: int | None = None
    changes: tuple[Change, ...] = ()
    notes: str = ""
    conversation_id: str | None = None
    restores: int | None = None


@dataclass(frozen=True, slots=True)
class MindSummary:
    """A mind in a list."""

    key: MindKey
    version: int
    entries: int
    archived: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class ArchivedEntry:
    """An entry that is remembered but stands in no block; `block` is where it stood or would stand."""

    entry: Entry
    block: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """A talk with an agent on one channel. `user_id` is the person; `anonymous` says that the person was made up for this talk, and for those it was passed on to.

    `meeting_id` names the meeting it belongs to. `intent_notes` were written before it, for the agent alone. `settled_at` is when the
    platform that carried it told us how it really went. `recording` is the name of its recording, which may still be empty; `records` says whether
    whoever opened it last agreed to be recorded.
    """

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
    meeting_id: str | None = None
    intent_notes: str = ""
    turns: int = 0
    settled_at: datetime | None = None
    recording: str | None = None
    records: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """What beginning a conversation, or going on with it, found in one moment.

    `is_new`: it was made, with its first turns. `mind` is the mind where that was made too. `pending`: reflections on it that wait or run.
    """

    conversation: Conversation
    is_new: bool
    mind: MindVersion | None
    pending: int


@dataclass(frozen=True, slots=True)
class Intent:
    """Notes of an agent for itself, on their way into a conversation.

    `erasures_seen` is what `Store.erasures_made` said before they were begun; None where they are made of nothing that can be erased.
    """

    notes: str = ""
    erasures_seen: int | None = None


@dataclass(frozen=True, slots=True)
class Meeting:
    """A planned encounter of one or more agents with participants; each agent has a conversation of its own in it."""

    tenant: str
    id: str
    kind: MeetingKind
    topic: str
    participants: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Call:
    """A function that the agent asked the platform to call; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said. `seq` counts from 1 in its conversation.

    `generated` is what was said or written; `heard` is how much of it reached the person (equal for user turns; None: not known).
    `timings_ms` are latency parts in milliseconds (`heard`, `thought_first`, `spoke_first`). `calls` are what an agent's turn ended
    with, where it ended with calls; such a turn may have no words.
    """

    seq: int
    role: Role
    generated: str
    heard: str | None
    created_at: datetime
    interrupted: bool = False
    modality: Modality = "text"
    timings_ms: Mapping[str, float] = field(default_factory=dict[str, float])
    calls: tuple[Call, ...] = ()

    @property
    def reached(self) -> str:
        """What of it counts as said: the person's words; of the agent's, those that were heard. Of an answer that broke off without anybody knowing, none."""
        if self.role == "user" or (self.heard is None and not self.interrupted):
            return self.generated
        return self.heard or ""


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A turn that has no place in its conversation yet."""

    role: Role
    generated: str
    heard: str | None = None
    interrupted: bool = False
    modality: Modality = "text"
    timings_ms: Mapping[str, float] = field(default_factory=dict[str, float])
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Reflection:
    """The reflection that one ended conversation waits for, or had. There is at most one for each conversation.

    `attempts` is how often it was claimed; `failures` of them failed, `lost` of them ended because their lease ran out.
    `before` and `after` are version numbers of the mind `key`; equal where nothing new was worth remembering.
    `error` is the code of the last failure. `proposal` is what waits for a person's word, as plain JSON (`mind.reflection.proposal`).
    """

    id: str
    key: MindKey
    conversation_id: str
    status: ReflectionStatus
    attempts: int = 0
    failures: int = 0
    lost: int = 0
    before: int | None = None
    after: int | None = None
    notes: str = ""
    error: str = ""
    proposal: tuple[Mapping[str, Any], ...] = ()
    created_at: datetime | None = None
