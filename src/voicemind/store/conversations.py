"""Conversations: made once with their person and their mind, ended once with a reflection that waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from uuid_utils import uuid7

from voicemind.clock import utc_now
from voicemind.errors import BadRequest, UnknownConversation
from voicemind.store import minds as stored_minds
from voicemind.store import reflections as stored_reflections
from voicemind.store.tables import ID_LENGTH, conversations, reflections, users
from voicemind.store.turns import OPEN, storable
from voicemind.store.values import Conversation, MindKey, Reflection

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
)
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


def check_ids(opening: Opening) -> None:
    """Raises BadRequest for an id that not every database can hold; `param` names it."""
    ids = {
        "tenant": opening.key.tenant,
        "agent": opening.key.agent,
        "user_id": opening.key.user_id,
        "person": opening.user_id,
        "conversation_id": opening.conversation_id,
        "channel": opening.channel,
    }
    for name, given in ids.items():
        if len(given) > ID_LENGTH or storable(given) != given:
            raise BadRequest(f"{name} must be text of at most {ID_LENGTH} characters", param=name)


def opened(connection: Connection, opening: Opening) -> Conversation:
    """The conversation as it is stored; made, with its person and its mind, where it did not exist."""
    tenant = opening.key.tenant
    existing = connection.execute(_ONE, {"tenant": tenant, "id": opening.conversation_id}).first()
    if existing is not None:
        return _conversation(existing)
    now = utc_now()
    _ensure_user(connection, opening, now=now)
    stored_minds.ensure(connection, opening.key, seed=opening.seed)
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
    )
    row = {column.name: getattr(made, column.name) for column in _COLUMNS}
    connection.execute(sa.insert(conversations), {**row, "turns": 0})
    return made


def one(connection: Connection, tenant: str, conversation_id: str) -> Conversation:
    """Raises UnknownConversation."""
    row = connection.execute(_ONE, {"tenant": tenant, "id": conversation_id}).first()
    if row is None:
        raise UnknownConversation("there is no such conversation")
    return _conversation(row)


def stale(connection: Connection, *, idle_since: datetime, limit: int) -> tuple[Conversation, ...]:
    """Open conversations of all tenants without activity since that moment, oldest first."""
    rows = connection.execute(_STALE, {"idle_since": idle_since, "limit": limit})
    return tuple(_conversation(row) for row in rows)


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


def _ensure_user(connection: Connection, opening: Opening, *, now: datetime) -> None:
    tenant, person = opening.key.tenant, opening.user_id
    if connection.execute(sa.select(users.c.id).where(users.c.tenant == tenant, users.c.id == person)).first() is None:
        connection.execute(
            sa.insert(users).values(tenant=tenant, id=person, anonymous=opening.anonymous, created_at=now)
        )


def _conversation(row: Any) -> Conversation:
    return Conversation(**row._mapping)
