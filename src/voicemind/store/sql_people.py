"""Meetings, agents made through the API, recordings, people and their erasure in SQL: each method is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import anyio

from voicemind.store import erasure, meetings, people, recordings, scrub
from voicemind.store.connected import Connected
from voicemind.store.people_values import AgentRecord, Erasure, User
from voicemind.store.values import Meeting, MeetingKind, MindKey


class SqlMeetings(Connected):
    """Implements `Meetings`."""

    async def make_meeting(
        self, tenant: str, meeting_id: str, *, kind: MeetingKind, topic: str, participants: Sequence[str]
    ) -> Meeting:
        meeting = meetings.planned(tenant, meeting_id, kind=kind, topic=topic, participants=participants)
        return await self._write(partial(meetings.made, meeting=meeting))

    async def drop_meeting(self, tenant: str, meeting_id: str) -> None:
        await self._write(partial(meetings.dropped, tenant=tenant, meeting_id=meeting_id))

    async def meeting(self, tenant: str, meeting_id: str) -> Meeting:
        return await self._read(partial(meetings.one, tenant=tenant, meeting_id=meeting_id))

    async def meetings(
        self, tenant: str, *, before: tuple[datetime, str] | None = None, limit: int = 50
    ) -> tuple[Meeting, ...]:
        return await self._read(partial(meetings.listed, tenant=tenant, before=before, limit=limit))

    async def meeting_of(self, key: MindKey) -> str | None:
        return await self._read(partial(meetings.live, key=key))

    async def put_agent(self, tenant: str, slug: str, definition: Mapping[str, Any]) -> AgentRecord:
        record = meetings.agent_record(tenant, slug, definition=definition)
        return await self._write(partial(meetings.put_agent, record=record))

    async def agents(self, tenant: str) -> tuple[AgentRecord, ...]:
        return await self._read(partial(meetings.all_agents, tenant=tenant))


class SqlRecordings(Connected):
    """Implements `Recordings`."""

    async def let_record(self, tenant: str, conversation_id: str, *, name: str | None) -> None:
        await self._write(partial(recordings.let, tenant=tenant, conversation_id=conversation_id, name=name))

    async def drop_recordings(self, names: Collection[str]) -> None:
        await self._write(partial(recordings.drop, names=frozenset(names)))

    async def recordings(self) -> frozenset[str]:
        return await self._read(recordings.names)


class SqlPeople(Connected):
    """Implements `People`."""

    async def user(self, tenant: str, user_id: str) -> User:
        return await self._read(partial(people.one, tenant=tenant, user_id=user_id))

    async def users(self, tenant: str, *, after: str | None = None, limit: int = 50) -> tuple[User, ...]:
        return await self._read(partial(people.listed, tenant=tenant, after=after, limit=limit))

    async def erase_conversation(self, tenant: str, conversation_id: str) -> Erasure:
        work = partial(erasure.of_conversation, tenant=tenant, conversation_id=conversation_id)
        return await self._write(work)

    async def erase_user(self, tenant: str, user_id: str) -> Erasure:
        return await self._write(partial(erasure.of_user, tenant=tenant, user_id=user_id))

    async def erasures(
        self, tenant: str, *, before: tuple[datetime, str] | None = None, limit: int = 50
    ) -> tuple[Erasure, ...]:
        return await self._read(partial(erasure.listed, tenant=tenant, before=before, limit=limit))

    async def erasures_made(self, tenant: str) -> int:
        return await self._read(partial(erasure.made, tenant=tenant))

    async def scrub(self) -> bool:
        pending = await self._read(erasure.unscrubbed)
        if not pending:
            return True
        if not await self._writer.alone(scrub.rewrite):
            return False
        for _ in range(scrub.TRIES):
            if await self._writer.alone(scrub.empty_log):
                await self._write(partial(erasure.mark_scrubbed, ids=pending))
                return True
            await anyio.sleep(scrub.PAUSE_S)
        return False
