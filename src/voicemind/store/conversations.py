"""Conversations: made once with their person and their mind, ended once with a reflection that waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from uuid_utils import uuid7

from voicemind.clock import utc_now
from voicemind.errors import InMeeting, UnknownConversation
from voicemind.store import erasure, people, straight, tombstones
from voicemind.store import meetings as stored_meetings
from voicemind.store import minds as stored_minds
from voicemind.store import reflections as stored_reflections
from voicemind.store.ids import check_ids
from voicemind.store.pages import newest_first
from voicemind.store.tables import conversations, minds, reflections, turns
from voicemind.store.turn_edits import placed
from voicemind.store.turns import EXISTS, OPEN, row_of, storable, storable_turn
from voicemind.store.values import (
    Begun,
    Conversation,
    ConversationStatus,
    Intent,
    MindKey,
    NewTurn,
    Presence,
    Reflection,
)

_COLUMNS = (
    conversations.c.tenant,
    conversations.c.id,
    conversations.c.agent,
    conversations.c.user_id,
    conversations.c.channel,
    conversations.c.status,
    conversations.c.created_at,
    conversations.c.active_at,
    conversations.c.anonymous,
    conversations.c.ended_at,
    conversations.c.meeting_id,
    conversations.c.intent_notes,
    conversations.c.turns,
    conversations.c.settled_at,
    conversations.c.recording,
    conversations.c.records,
)
_NAMES = tuple(column.name for column in _COLUMNS)
_ONE = sa.select(*_COLUMNS).where(
    conversations.c.tenant == sa.bindparam("tenant"), conversations.c.id == sa.bindparam("id")
)
_ONE_LOCKED = _ONE.with_for_update()
_STALE = (
    sa.select(*_COLUMNS)
    .where(conversations.c.status.in_(OPEN), conversations.c.active_at < sa.bindparam("idle_since"))
    .order_by(conversations.c.active_at, conversations.c.tenant, conversations.c.id)
    .limit(sa.bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class Opening:
    """What `open_conversation` was asked for."""

    key: MindKey
    conversation_id: str
    user_id: str
    channel: str
    anonymous: bool
    seed: Mapping[str, Sequence[str]]
    meeting_id: str | None = None
    intent: Intent = field(default_factory=Intent)
    turns: tuple[NewTurn, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which conversations a list is to hold; None: any."""

    agent: str | None = None
    user_id: str | None = None
    status: ConversationStatus | None = None
    meeting_id: str | None = None
    _: KW_ONLY
    id_prefix: str | None = None


def check(opening: Opening) -> None:
    """Raises BadRequest for an id that not every database can hold; `param` names it."""
    ids = {
        "tenant": opening.key.tenant,
        "agent": opening.key.agent,
        "user_id": opening.key.user_id,
        "person": opening.user_id,
        "conversation_id": opening.conversation_id,
        "channel": opening.channel,
        "meeting_id": opening.meeting_id or "",
    }
    check_ids(ids)


def opened(connection: Connection, opening: Opening) -> Conversation:
    """The conversation as it is stored; made, with its person and its mind, where it did not exist.

    Raises UnknownMeeting, InMeeting, StaleVersion; ConversationOver where the one of this id was erased.
    """
    return begun(connection, opening).conversation


def begun(connection: Connection, opening: Opening) -> Begun:
    """The same, with its first turns where it did not exist."""
    tenant = opening.key.tenant
    if straight.first(connection, EXISTS, tenant=tenant, id=opening.conversation_id):
        known = one(connection, tenant, opening.conversation_id)
        pending = stored_reflections.pending(connection, opening.key)
        return Begun(known, is_new=False, mind=None, pending=pending)
    tombstones.check_conversation(connection, tenant, opening.conversation_id)
    if opening.intent.erasures_seen is not None:
        erasure.none_since(connection, tenant, seen=opening.intent.erasures_seen)
    now = utc_now()
    if opening.meeting_id is not None:
        stored_meetings.one(connection, tenant, opening.meeting_id, keep=True)
    people.ensure(connection, tenant, opening.user_id, anonymous=opening.anonymous, now=now)
    mind_id, mind, pending = stored_minds.id_of(connection, opening.key), None, 0
    if mind_id is None:
        mind_id, mind = stored_minds.made(connection, opening.key, seed=opening.seed)
    else:
        pending = stored_reflections.pending(connection, opening.key)
    if opening.meeting_id is not None:
        _check_free(connection, opening, mind_id=mind_id)
    made = Conversation(
        tenant=tenant,
        id=opening.conversation_id,
        agent=opening.key.agent,
        user_id=opening.user_id,
        channel=opening.channel,
        status="active",
        created_at=now,
        active_at=now,
        anonymous=opening.anonymous,
        meeting_id=opening.meeting_id,
        intent_notes=storable(opening.intent.notes),
        turns=len(opening.turns),
    )
    straight.insert(connection, conversations, [{name: getattr(made, name) for name in _NAMES}])
    if opening.turns:
        said = (storable_turn(placed(turn, seq=seq, now=now)) for seq, turn in enumerate(opening.turns, 1))
        straight.insert(connection, turns, [row_of(tenant, made.id, turn) for turn in said])
    return Begun(made, is_new=True, mind=mind, pending=pending)


def one(connection: Connection, tenant: str, conversation_id: str) -> Conversation:
    """Raises UnknownConversation."""
    row = connection.execute(_ONE, {"tenant": tenant, "id": conversation_id}).first()
    if row is None:
        raise UnknownConversation("there is no such conversation")
    return _conversation(row)


def listed(
    connection: Connection, tenant: str, *, wanted: Wanted, before: tuple[datetime, str] | None, limit: int
) -> tuple[Conversation, ...]:
    """The newest first."""
    statement = sa.select(*_COLUMNS).where(conversations.c.tenant == tenant)
    if wanted.id_prefix:
        statement = statement.where(*_begins(wanted.id_prefix, dialect=connection.dialect.name))
    for name in ("agent", "user_id", "status", "meeting_id"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(conversations.c[name] == value)
    rows = connection.execute(newest_first(statement, conversations, before=before).limit(limit))
    return tuple(_conversation(row) for row in rows)


def _begins(prefix: str, *, dialect: str) -> Iterator[sa.ColumnElement[bool]]:
    """Ids that begin with this. SQLite compares code points, so its index leads there; a PostgreSQL may sort as people do."""
    ids = conversations.c.id
    yield sa.func.substr(ids, 1, len(prefix)) == prefix
    if dialect == "sqlite" and prefix[-1] < "\ud7ff":
        yield ids >= prefix
        yield ids < prefix[:-1] + chr(ord(prefix[-1]) + 1)


def ended_with(connection: Connection, key: MindKey) -> int:
    """How many conversations with this mind have ended in which something was said."""
    theirs = sa.and_(conversations.c.tenant == key.tenant, conversations.c.agent == key.agent)
    if key.user_id:
        theirs = sa.and_(theirs, conversations.c.user_id == key.user_id)
    over = sa.and_(conversations.c.ended_at.is_not(None), conversations.c.turns > 0)
    counted = sa.select(sa.func.count()).select_from(conversations).where(theirs, over)
    return int(connection.execute(counted).scalar_one())


def stale(connection: Connection, *, idle_since: datetime, limit: int) -> tuple[Conversation, ...]:
    """Open conversations of all tenants without activity since that moment, oldest first."""
    rows = connection.execute(_STALE, {"idle_since": idle_since, "limit": limit})
    return tuple(_conversation(row) for row in rows)


def noted(connection: Connection, tenant: str, conversation_id: str, presence: Presence) -> None:
    """Whether somebody is there; nothing changes where the conversation is not open."""
    ours = sa.and_(conversations.c.tenant == tenant, conversations.c.id == conversation_id)
    is_open = conversations.c.status.in_(OPEN)
    connection.execute(sa.update(conversations).where(ours, is_open).values(status=presence))


def ended(connection: Connection, key: MindKey, conversation_id: str) -> Reflection:
    """Mark as ended and queue the reflection; where that has happened, the reflection as it is."""
    row = connection.execute(_ONE_LOCKED, {"tenant": key.tenant, "id": conversation_id}).first()
    if row is None:
        raise UnknownConversation("there is no such conversation")
    existing = stored_reflections.one(connection, key.tenant, conversation_id)
    if existing is not None:
        return existing
    now = utc_now()
    mind_id = stored_minds.ensure(connection, key, seed={})
    made = Reflection(id=str(uuid7()), key=key, conversation_id=conversation_id, status="waiting", created_at=now)
    connection.execute(
        sa.update(conversations)
        .where(conversations.c.tenant == key.tenant, conversations.c.id == conversation_id)
        .values(status="ended", ended_at=now)
    )
    connection.execute(
        sa.insert(reflections).values(
            id=made.id,
            tenant=key.tenant,
            conversation_id=conversation_id,
            mind_id=mind_id,
            status=made.status,
            attempts=0,
            due_at=now,
            worker="",
            notes="",
            error="",
            created_at=now,
        )
    )
    return made


def _check_free(connection: Connection, opening: Opening, *, mind_id: str) -> None:
    """Raises InMeeting. Whoever opens a conversation of this mind at the same moment waits for this one's end."""
    connection.execute(sa.select(minds.c.id).where(minds.c.id == mind_id).with_for_update(key_share=True))
    elsewhere = stored_meetings.live(connection, opening.key, but=opening.meeting_id)
    if elsewhere is not None:
        raise InMeeting(f"the agent is in meeting {elsewhere!r}", meeting_id=elsewhere)


def _conversation(row: Any) -> Conversation:
    return Conversation(**row._mapping)
