"""The store on SQLite or PostgreSQL: each call is one transaction in a worker thread, all writes in the writer's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy.engine import Connection

from voicemind.errors import StorageUnavailable
from voicemind.store import (
    conversations,
    erasure,
    meetings,
    mind_pages,
    minds,
    people,
    reflections,
    schema,
    scrub,
    turns,
)
from voicemind.store.database import READERS, open_engine, parse_url, translated
from voicemind.store.values import (
    AgentRecord,
    ArchivedEntry,
    Conversation,
    ConversationStatus,
    Entry,
    Erasure,
    Found,
    Meeting,
    MeetingKind,
    MindKey,
    MindSummary,
    MindVersion,
    NewTurn,
    NewVersion,
    Reflection,
    ReflectionStatus,
    Turn,
    User,
)
from voicemind.store.writer import Writer

T = TypeVar("T")


class SqlStore:
    """Implements `Store`. The duties of each method stand in the contract.

    `url` is `sqlite:////path/to/file`, or `postgresql://…` (also `postgres://`). Raises Misconfigured for any other.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(parse_url(url))
        self._writer = Writer(self._engine)
        self._readers = anyio.CapacityLimiter(READERS)
        self._open = False

    async def start(self) -> None:
        def prepare() -> None:
            with translated():
                schema.prepare(self._engine)

        try:
            await anyio.to_thread.run_sync(prepare, limiter=self._readers)
        except BaseException:
            self._engine.dispose()
            raise
        self._writer.start()
        self._open = True

    async def aclose(self) -> None:
        self._open = False
        await self._writer.aclose()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._engine.dispose)

    async def check(self) -> None:
        if await self._read(schema.stored_revision) != schema.HEAD:
            raise StorageUnavailable("the database does not have this program's tables")

    async def open_conversation(
        self,
        key: MindKey,
        conversation_id: str,
        *,
        user_id: str,
        channel: str,
        anonymous: bool = False,
        seed: Mapping[str, Sequence[str]] | None = None,
        meeting_id: str | None = None,
        intent_notes: str = "",
    ) -> Conversation:
        opening = conversations.Opening(
            key, conversation_id, user_id, channel, anonymous, seed or {}, meeting_id, intent_notes
        )
        conversations.check(opening)
        return await self._writer.write(partial(conversations.opened, opening=opening))

    async def conversation(self, tenant: str, conversation_id: str) -> Conversation:
        return await self._read(partial(conversations.one, tenant=tenant, conversation_id=conversation_id))

    async def conversations(
        self,
        tenant: str,
        *,
        agent: str | None = None,
        user_id: str | None = None,
        status: ConversationStatus | None = None,
        meeting_id: str | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> tuple[Conversation, ...]:
        wanted = conversations.Wanted(agent, user_id, status, meeting_id)
        return await self._read(partial(conversations.listed, tenant=tenant, wanted=wanted, before=before, limit=limit))

    async def append_turn(self, tenant: str, conversation_id: str, turn: NewTurn) -> Turn:
        return await self._writer.write_many(turns.append_turns, turns.Append(tenant, conversation_id, turn))

    async def turns(self, tenant: str, conversation_id: str) -> tuple[Turn, ...]:
        return await self._read(partial(turns.all_turns, tenant=tenant, conversation_id=conversation_id))

    async def end_conversation(self, key: MindKey, conversation_id: str) -> Reflection:
        return await self._writer.write(partial(conversations.ended, key=key, conversation_id=conversation_id))

    async def stale_conversations(self, idle_since: datetime, *, limit: int = 100) -> tuple[Conversation, ...]:
        return await self._read(partial(conversations.stale, idle_since=idle_since, limit=limit))

    async def mind(self, key: MindKey) -> MindVersion | None:
        return await self._read(partial(minds.newest, key=key))

    async def mind_version(self, key: MindKey, number: int) -> MindVersion | None:
        return await self._read(partial(minds.numbered, key=key, number=number))

    async def mind_versions(
        self, key: MindKey, *, before: int | None = None, limit: int = 50
    ) -> tuple[MindVersion, ...]:
        return await self._read(partial(mind_pages.listed, key=key, before=before, limit=limit))

    async def minds(
        self,
        tenant: str,
        *,
        agent: str | None = None,
        user_id: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int = 50,
    ) -> tuple[MindSummary, ...]:
        query = partial(mind_pages.summaries, tenant=tenant, agent=agent, user_id=user_id, after=after, limit=limit)
        return await self._read(query)

    async def ensure_mind(self, key: MindKey, *, seed: Mapping[str, Sequence[str]]) -> MindVersion:
        return await self._writer.write(partial(minds.ensured, key=key, seed=seed))

    async def write_version(self, key: MindKey, version: NewVersion) -> MindVersion:
        return await self._writer.write(partial(minds.written, key=key, version=version))

    async def entries(self, key: MindKey, ids: Sequence[str]) -> Mapping[str, Entry]:
        return await self._read(partial(minds.these, key=key, ids=ids))

    async def archived(
        self,
        key: MindKey,
        *,
        number: int | None = None,
        ids: Sequence[str] | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> tuple[ArchivedEntry, ...]:
        page = partial(mind_pages.archived, key=key, number=number, ids=ids, after=after, limit=limit)
        return await self._read(page)

    async def find_archived(self, key: MindKey, words: Sequence[str], *, limit: int = 50) -> tuple[Found, ...]:
        return await self._read(partial(mind_pages.found, key=key, words=words, limit=limit))

    async def vectors(self, key: MindKey, model: str) -> Mapping[str, bytes]:
        return await self._read(partial(mind_pages.vectors, key=key, model=model))

    async def without_vector(self, key: MindKey, model: str, *, limit: int = 50) -> Mapping[str, str]:
        return await self._read(partial(mind_pages.without_vector, key=key, model=model, limit=limit))

    async def put_vectors(self, key: MindKey, model: str, vectors: Mapping[str, bytes]) -> None:
        await self._writer.write(partial(mind_pages.keep_vectors, key=key, model=model, given=vectors))

    async def unreflected_turns(self, key: MindKey, *, limit: int = 40) -> tuple[Turn, ...]:
        return await self._read(partial(turns.unreflected_turns, key=key, limit=limit))

    async def reflection(self, tenant: str, conversation_id: str) -> Reflection | None:
        return await self._read(partial(reflections.one, tenant=tenant, conversation_id=conversation_id))

    async def claim_reflection(self, worker: str, *, lease_s: float) -> Reflection | None:
        return await self._writer.write(partial(reflections.claimed, worker=worker, lease_s=lease_s))

    async def renew_reflection(self, reflection: Reflection, *, lease_s: float) -> bool:
        return await self._writer.write(partial(reflections.renewed, reflection=reflection, lease_s=lease_s))

    async def finish_reflection(
        self, reflection: Reflection, *, parent: int, version: NewVersion | None, notes: str
    ) -> Reflection:
        finish = reflections.Finish(reflection, parent, version, notes)
        return await self._writer.write(partial(reflections.finished, finish=finish))

    async def propose_reflection(
        self, reflection: Reflection, *, parent: int, proposal: Sequence[Mapping[str, Any]], notes: str
    ) -> Reflection:
        work = partial(reflections.proposed, reflection=reflection, parent=parent, proposal=proposal, notes=notes)
        return await self._writer.write(work)

    async def reflections(
        self,
        tenant: str,
        *,
        status: ReflectionStatus | None = None,
        agent: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> tuple[Reflection, ...]:
        query = partial(reflections.listed, tenant=tenant, status=status, agent=agent, before=before, limit=limit)
        return await self._read(query)

    async def postpone_reflection(self, reflection: Reflection, *, error: str, delay_s: float | None) -> None:
        work = partial(reflections.postponed, reflection=reflection, error=error, delay_s=delay_s)
        await self._writer.write(work)

    async def retry_reflection(self, tenant: str, conversation_id: str) -> Reflection:
        return await self._writer.write(partial(reflections.retried, tenant=tenant, conversation_id=conversation_id))

    async def pending_reflections(self, key: MindKey) -> int:
        return await self._read(partial(reflections.pending, key=key))

    async def make_meeting(
        self, tenant: str, meeting_id: str, *, kind: MeetingKind, topic: str, participants: Sequence[str]
    ) -> Meeting:
        meeting = meetings.planned(tenant, meeting_id, kind=kind, topic=topic, participants=participants)
        return await self._writer.write(partial(meetings.made, meeting=meeting))

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
        return await self._writer.write(partial(meetings.put_agent, record=record))

    async def agents(self, tenant: str) -> tuple[AgentRecord, ...]:
        return await self._read(partial(meetings.all_agents, tenant=tenant))

    async def user(self, tenant: str, user_id: str) -> User:
        return await self._read(partial(people.one, tenant=tenant, user_id=user_id))

    async def users(self, tenant: str, *, after: str | None = None, limit: int = 50) -> tuple[User, ...]:
        return await self._read(partial(people.listed, tenant=tenant, after=after, limit=limit))

    async def erase_conversation(self, tenant: str, conversation_id: str) -> Erasure:
        work = partial(erasure.of_conversation, tenant=tenant, conversation_id=conversation_id)
        return await self._writer.write(work)

    async def erase_user(self, tenant: str, user_id: str) -> Erasure:
        return await self._writer.write(partial(erasure.of_user, tenant=tenant, user_id=user_id))

    async def erasures(self, tenant: str, *, limit: int = 50) -> tuple[Erasure, ...]:
        return await self._read(partial(erasure.listed, tenant=tenant, limit=limit))

    async def scrub(self) -> bool:
        pending = await self._read(erasure.unscrubbed)
        if not pending:
            return True
        if not await self._writer.alone(scrub.rewrite):
            return False
        for _ in range(scrub.TRIES):
            if await self._writer.alone(scrub.empty_log):
                await self._writer.write(partial(erasure.mark_scrubbed, ids=pending))
                return True
            await anyio.sleep(scrub.PAUSE_S)
        return False

    async def _read(self, query: Callable[[Connection], T]) -> T:
        """Run the query in a transaction of its own: everything it reads is of one moment on SQLite."""

        def read() -> T:
            if not self._open:
                raise StorageUnavailable("the store is closed")
            with translated(), self._engine.connect() as connection:
                return query(connection)

        return await anyio.to_thread.run_sync(read, limiter=self._readers)
