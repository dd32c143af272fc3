"""Conversations, their turns and their reflections in SQL: each method is one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from voicemind.store import conversations, reflections, revisions, turns
from voicemind.store.connected import Connected
from voicemind.store.turn_edits import TurnEdit
from voicemind.store.values import (
    Begun,
    Conversation,
    ConversationStatus,
    Intent,
    MindKey,
    NewTurn,
    NewVersion,
    Presence,
    Reflection,
    ReflectionStatus,
    Turn,
)


class SqlConversations(Connected):
    """Implements `Conversations`."""

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
        intent: Intent | None = None,
    ) -> Conversation:
        opening = conversations.Opening(
            key, conversation_id, user_id, channel, anonymous, seed or {}, meeting_id, intent or Intent()
        )
        conversations.check(opening)
        return await self._write(partial(conversations.opened, opening=opening))

    async def begin_conversation(
        self,
        key: MindKey,
        conversation_id: str,
        *,
        user_id: str,
        channel: str,
        turns: Sequence[NewTurn],
        anonymous: bool = False,
        seed: Mapping[str, Sequence[str]] | None = None,
        meeting_id: str | None = None,
    ) -> Begun:
        opening = conversations.Opening(
            key, conversation_id, user_id, channel, anonymous, seed or {}, meeting_id, turns=tuple(turns)
        )
        conversations.check(opening)
        return await self._write(partial(conversations.begun, opening=opening))

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
        id_prefix: str | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> tuple[Conversation, ...]:
        wanted = conversations.Wanted(agent, user_id, status, meeting_id, id_prefix=id_prefix)
        return await self._read(partial(conversations.listed, tenant=tenant, wanted=wanted, before=before, limit=limit))

    async def append_turn(self, tenant: str, conversation_id: str, turn: NewTurn) -> Turn:
        return await self._writer.write_many(turns.append_turns, turns.Append(tenant, conversation_id, turn))

    async def turns(
        self, tenant: str, conversation_id: str, *, after: int = 0, limit: int | None = None
    ) -> tuple[Turn, ...]:
        page = partial(turns.in_order, tenant=tenant, conversation_id=conversation_id, after=after, limit=limit)
        return await self._read(page)

    async def cited_turns(self, tenant: str, places: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], Turn]:
        return await self._read(partial(turns.cited, tenant=tenant, places=frozenset(places)))

    async def talks_ended(self, key: MindKey) -> int:
        return await self._read(partial(conversations.ended_with, key=key))

    async def revise_turns(self, tenant: str, conversation_id: str, edits: Sequence[TurnEdit], *, turns: int) -> int:
        revise = revisions.Revise(tenant, conversation_id, tuple(edits), turns)
        return await self._writer.write_many(revisions.revise_turns, revise)

    async def settle_turns(self, tenant: str, conversation_id: str, turns: Sequence[NewTurn]) -> bool:
        told = tuple(turns)
        work = partial(revisions.settle_turns, tenant=tenant, conversation_id=conversation_id, told=told)
        return await self._write(work)

    async def end_conversation(self, key: MindKey, conversation_id: str) -> Reflection:
        return await self._write(partial(conversations.ended, key=key, conversation_id=conversation_id))

    async def note_presence(self, tenant: str, conversation_id: str, presence: Presence) -> None:
        work = partial(conversations.noted, tenant=tenant, conversation_id=conversation_id, presence=presence)
        await self._write(work)

    async def stale_conversations(self, idle_since: datetime, *, limit: int = 100) -> tuple[Conversation, ...]:
        return await self._read(partial(conversations.stale, idle_since=idle_since, limit=limit))


class SqlReflections(Connected):
    """Implements `Reflections`."""

    async def unreflected_turns(self, key: MindKey, *, limit: int = 40) -> tuple[Turn, ...]:
        return await self._read(partial(turns.unreflected_turns, key=key, limit=limit))

    async def reflection(self, tenant: str, conversation_id: str) -> Reflection | None:
        return await self._read(partial(reflections.one, tenant=tenant, conversation_id=conversation_id))

    async def claim_reflection(self, worker: str, *, lease_s: float) -> Reflection | None:
        return await self._write(partial(reflections.claimed, worker=worker, lease_s=lease_s))

    async def renew_reflection(self, reflection: Reflection, *, lease_s: float) -> bool:
        return await self._write(partial(reflections.renewed, reflection=reflection, lease_s=lease_s))

    async def finish_reflection(
        self, reflection: Reflection, *, parent: int, version: NewVersion | None, notes: str
    ) -> Reflection:
        finish = reflections.Finish(reflection, parent, version, notes)
        return await self._write(partial(reflections.finished, finish=finish))

    async def propose_reflection(
        self, reflection: Reflection, *, parent: int, proposal: Sequence[Mapping[str, Any]], notes: str
    ) -> Reflection:
        work = partial(reflections.proposed, reflection=reflection, parent=parent, proposal=proposal, notes=notes)
        return await self._write(work)

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

    async def postpone_reflection(
        self, reflection: Reflection, *, error: str, delay_s: float | None, failed: bool = True
    ) -> None:
        work = partial(reflections.postponed, reflection=reflection, error=error, delay_s=delay_s, failed=failed)
        await self._write(work)

    async def retry_reflection(self, tenant: str, conversation_id: str) -> Reflection:
        return await self._write(partial(reflections.retried, tenant=tenant, conversation_id=conversation_id))

    async def pending_reflections(self, key: MindKey) -> int:
        return await self._read(partial(reflections.pending, key=key))
