"""What a store promises about meetings, agents made through the API, and people: the other half of the store's contract."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from voicemind.store.people_values import AgentRecord, Erasure, User
from voicemind.store.values import Meeting, MeetingKind, MindKey


class Meetings(Protocol):
    """Meetings, and the agents that were made through the API."""

    async def make_meeting(
        self, tenant: str, meeting_id: str, *, kind: MeetingKind, topic: str, participants: Sequence[str]
    ) -> Meeting:
        """Make the meeting; one that exists is returned unchanged."""
        ...

    async def drop_meeting(self, tenant: str, meeting_id: str) -> None:
        """Take back a meeting in which there is no conversation; any other stays as it is."""
        ...

    async def meeting(self, tenant: str, meeting_id: str) -> Meeting:
        """The meeting. Raises UnknownMeeting."""
        ...

    async def meetings(
        self, tenant: str, *, before: tuple[datetime, str] | None = None, limit: int = 50
    ) -> tuple[Meeting, ...]:
        """Meetings, the newest first; with `before`, those behind that place in the list."""
        ...

    async def meeting_of(self, key: MindKey) -> str | None:
        """The meeting in which this mind has an active or detached conversation; None where there is none."""
        ...

    async def put_agent(self, tenant: str, slug: str, definition: Mapping[str, Any]) -> AgentRecord:
        """Keep the definition, in place of an older one of that slug."""
        ...

    async def agents(self, tenant: str) -> tuple[AgentRecord, ...]:
        """All agents that were made through the API, by slug."""
        ...


class Recordings(Protocol):
    """Which conversations have a recording, and which may be recorded."""

    async def let_record(self, tenant: str, conversation_id: str, *, name: str | None) -> None:
        """From now on it may be recorded, under this name unless it has one; None: from now on it may not. Raises UnknownConversation."""
        ...

    async def drop_recordings(self, names: Collection[str]) -> None:
        """The recordings of these names are no more, and what they were of may not be recorded either."""
        ...

    async def recordings(self) -> frozenset[str]:
        """The names of all recordings of all tenants: a file of another name is nobody's."""
        ...


class People(Protocol):
    """The persons, and their right to be forgotten."""

    async def user(self, tenant: str, user_id: str) -> User:
        """Raises UnknownUser."""
        ...

    async def users(self, tenant: str, *, after: str | None = None, limit: int = 50) -> tuple[User, ...]:
        """Persons by id; with `after`, those behind that id."""
        ...

    async def erase_conversation(self, tenant: str, conversation_id: str) -> Erasure:
        """Erase the turns, the reflection, and in all versions the evidence from this conversation and every entry that rests on it alone.

        An entry whose words were partly made of it goes back to its `origins`; one that rests on other evidence too keeps that. Each mind
        that loses something gets a version by author `erasure`, so that whoever wrote at the same moment must look again.
        Raises UnknownConversation.
        """
        ...

    async def erase_user(self, tenant: str, user_id: str) -> Erasure:
        """Erase the person: all their conversations as in `erase_conversation`, the minds that are theirs alone, and the id. Raises UnknownUser."""
        ...

    async def erasures(
        self, tenant: str, *, before: tuple[datetime, str] | None = None, limit: int = 50
    ) -> tuple[Erasure, ...]:
        """The receipts, the newest first; with `before`, those behind that place in the list."""
        ...

    async def erasures_made(self, tenant: str) -> int:
        """How many erasures there have been: a greater number says that what was read before may be gone."""
        ...

    async def scrub(self) -> bool:
        """Rewrite the files where erased bytes may still be in them. True: nothing is left to do. False: too busy now, try again."""
        ...
