"""What `/api/v1` answers, as far as the commands show it. Fields that are not here are passed over."""

from __future__ import annotations

from datetime import datetime

import msgspec

from voicemind.errors import BadRequest

SHORTEST_ENDING = 4
"""Of an id; shorter ones fit too many."""


class Record(msgspec.Struct, frozen=True):
    """One JSON object."""


class OwnBlock(Record, frozen=True):
    """A block of an agent's definition."""

    label: str
    scope: str
    reflects: bool


class AgentRecord(Record, frozen=True):
    """An agent's definition."""

    slug: str
    blocks: list[OwnBlock]

    @property
    def is_private(self) -> bool:
        """Whether each person has a mind of their own with this agent."""
        return any(block.reflects and block.scope == "user" for block in self.blocks)


class Evidence(Record, frozen=True):
    """The quoted words of one turn; `modality` and `created_at` are None where the turn is gone."""

    conversation_id: str
    turn: int
    quote: str
    modality: str | None = None
    created_at: datetime | None = None


class Entry(Record, frozen=True):
    """One remembered statement. `version` is the one that wrote it, where that is known."""

    id: str
    text: str
    evidence: list[Evidence] = []
    from_speech: bool = False
    version: int | None = None


class MindBlock(Record, frozen=True):
    """A labelled part of a mind."""

    label: str
    title: str
    scope: str
    reflects: bool
    limit: int
    entries: list[Entry]


class Change(Record, frozen=True):
    """One change, made or proposed: `before` are the texts that go, `after` the one that comes."""

    kind: str
    block: str
    before: list[str]
    after: str | None
    reason: str = ""
    evidence: list[Evidence] = []


class Mind(Record, frozen=True):
    """A version of a mind, whole. `changes` are told of older versions only."""

    agent: str
    user_id: str
    version: int
    parent: int
    author: str
    created_at: datetime
    notes: str
    conversation_id: str | None
    restores: int | None
    blocks: list[MindBlock]
    changes: list[Change] = []

    @property
    def entries(self) -> list[Entry]:
        """Everything that stands in its blocks."""
        return [entry for block in self.blocks for entry in block.entries]


class MindRow(Record, frozen=True):
    """A mind in a list."""

    agent: str
    user_id: str
    version: int
    entries: int
    archived: int
    changed_at: datetime


class VersionRow(Record, frozen=True):
    """A version in a list."""

    number: int
    author: str
    created_at: datetime
    notes: str
    conversation_id: str | None
    restores: int | None
    changes: int


class BlockDiff(Record, frozen=True):
    """What differs in one block, as a unified diff of its lines."""

    block: str
    text: str


class Archived(Record, frozen=True):
    """An entry that stands in no block any more."""

    block: str
    entry: Entry


class Reflection(Record, frozen=True):
    """The reflection on one conversation; `proposal` is what waits for a person's word."""

    conversation_id: str
    agent: str
    user_id: str
    status: str
    attempts: int
    before: int | None
    after: int | None
    notes: str
    error: str
    created_at: datetime | None
    proposal: list[Change]

    @property
    def is_settled(self) -> bool:
        """Whether it is over, or waits for a person."""
        return self.status in ("done", "failed", "review")


class Conversation(Record, frozen=True):
    """A talk with an agent."""

    id: str
    agent: str
    user_id: str
    anonymous: bool
    channel: str
    status: str
    created_at: datetime
    ended_at: datetime | None
    meeting_id: str | None
    intent_notes: str
    turns: int


class Call(Record, frozen=True):
    """A function that the agent asked the platform to call; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class Turn(Record, frozen=True):
    """What one side said; `heard` is how much of it reached the person, None where that is not known."""

    seq: int
    role: str
    generated: str
    heard: str | None
    interrupted: bool
    modality: str
    created_at: datetime
    calls: list[Call] = []


class Transcript(Record, frozen=True):
    """A conversation with all that was said."""

    conversation: Conversation
    turns: list[Turn]


class User(Record, frozen=True):
    """A person, as far as they are known."""

    id: str
    anonymous: bool
    created_at: datetime
    conversations: int


class Receipt(Record, frozen=True):
    """What an erasure took away, in numbers. Until it is `scrubbed`, single bytes may still be in the files."""

    id: str
    counts: dict[str, int]
    scrubbed: bool


class Meeting(Record, frozen=True):
    """An encounter of agents with participants."""

    id: str
    kind: str
    topic: str
    participants: list[str]
    created_at: datetime


class WholeMeeting(Meeting, frozen=True):
    """A meeting with the conversation of each agent in it."""

    conversations: list[Conversation]


class Prepared(Record, frozen=True):
    """An agent that is ready for a meeting."""

    intent_notes: str
    meeting: Meeting | None
    conversation: Conversation


def entry_named(entries: list[Entry], ending: str) -> Entry:
    """The entry of that id, or whose id alone ends like this. Raises BadRequest.

    >>> entry_named([Entry("0199-aaaa", "A cat."), Entry("0199-bbbb", "A dog.")], "bbbb").text
    'A dog.'
    """
    found = [entry for entry in entries if entry.id == ending]
    if not found and len(ending) >= SHORTEST_ENDING:
        found = [entry for entry in entries if entry.id.endswith(ending)]
    if len(found) == 1:
        return found[0]
    problem = f"{len(found)} entries end like this" if found else "there is no such entry here"
    raise BadRequest(
        f"{ending}: {problem}. `voicemind minds show` has the id beside each line, or its last characters."
    )
