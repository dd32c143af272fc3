"""Meetings, who is in which now, and the agents that were made through the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicemind.clock import utc_now
from voicemind.errors import BadRequest, UnknownMeeting
from voicemind.store.ids import check_ids
from voicemind.store.pages import newest_first
from voicemind.store.people_values import AgentRecord
from voicemind.store.tables import agents, conversations, meetings
from voicemind.store.turns import OPEN, storable
from voicemind.store.values import Meeting, MeetingKind, MindKey

_ONE = sa.select(meetings).where(meetings.c.tenant == sa.bindparam("tenant"), meetings.c.id == sa.bindparam("id"))
_ONE_KEPT = _ONE.with_for_update(read=True)


def planned(tenant: str, meeting_id: str, *, kind: MeetingKind, topic: str, participants: Sequence[str]) -> Meeting:
    """The meeting as it can be stored. Raises BadRequest for an id that not every database can hold."""
    check_ids({"tenant": tenant, "meeting_id": meeting_id})
    return Meeting(tenant, meeting_id, kind, storable(topic), tuple(map(storable, participants)), utc_now())


def made(connection: Connection, meeting: Meeting) -> Meeting:
    """The meeting as it is stored; made where it did not exist."""
    existing = connection.execute(_ONE, {"tenant": meeting.tenant, "id": meeting.id}).first()
    if existing is not None:
        return _meeting(existing)
    stored = replace(meeting, created_at=utc_now())
    row = {column.name: getattr(stored, column.name) for column in meetings.c}
    connection.execute(sa.insert(meetings), {**row, "participants": list(stored.participants)})
    return stored


def dropped(connection: Connection, tenant: str, meeting_id: str) -> None:
    """It goes, unless somebody has a conversation in it; whoever opens one at the same moment waits, or is waited for."""
    if connection.execute(_ONE.with_for_update(), {"tenant": tenant, "id": meeting_id}).first() is None:
        return
    in_it = sa.and_(conversations.c.tenant == tenant, conversations.c.meeting_id == meeting_id)
    if connection.execute(sa.select(conversations.c.id).where(in_it).limit(1)).first() is None:
        connection.execute(sa.delete(meetings).where(meetings.c.tenant == tenant, meetings.c.id == meeting_id))


def one(connection: Connection, tenant: str, meeting_id: str, *, keep: bool = False) -> Meeting:
    """Raises UnknownMeeting. With `keep`, it stays until this transaction ends."""
    row = connection.execute(_ONE_KEPT if keep else _ONE, {"tenant": tenant, "id": meeting_id}).first()
    if row is None:
        raise UnknownMeeting("there is no such meeting")
    return _meeting(row)


def listed(
    connection: Connection, tenant: str, *, before: tuple[datetime, str] | None, limit: int
) -> tuple[Meeting, ...]:
    """The newest first."""
    statement = sa.select(meetings).where(meetings.c.tenant == tenant)
    rows = connection.execute(newest_first(statement, meetings, before=before).limit(limit))
    return tuple(_meeting(row) for row in rows)


def live(connection: Connection, key: MindKey, *, but: str | None = None) -> str | None:
    """The meeting, other than `but`, in which this mind has an open conversation. A mind without a user has those with everybody."""
    statement = sa.select(conversations.c.meeting_id).where(
        conversations.c.tenant == key.tenant,
        conversations.c.agent == key.agent,
        conversations.c.status.in_(OPEN),
        conversations.c.meeting_id.is_not(None),
    )
    if key.user_id:
        statement = statement.where(conversations.c.user_id == key.user_id)
    if but is not None:
        statement = statement.where(conversations.c.meeting_id != but)
    newest = statement.order_by(conversations.c.created_at.desc(), conversations.c.id.desc()).limit(1)
    return connection.execute(newest).scalar_one_or_none()


def put_agent(connection: Connection, record: AgentRecord) -> AgentRecord:
    """Keep the record, in place of an older one of its slug."""
    row = {column.name: getattr(record, column.name) for column in agents.c}
    this = sa.and_(agents.c.tenant == record.tenant, agents.c.slug == record.slug)
    if connection.execute(sa.update(agents).where(this).values(row)).rowcount == 0:
        connection.execute(sa.insert(agents), row)
    return record


def agent_record(tenant: str, slug: str, *, definition: Mapping[str, Any]) -> AgentRecord:
    """The definition as it can be stored. Raises BadRequest where it is no JSON that every database can hold."""
    check_ids({"tenant": tenant, "slug": slug})
    try:
        plain = msgspec.json.decode(msgspec.json.encode(definition))
    except (TypeError, UnicodeEncodeError):
        raise BadRequest("the definition holds what JSON cannot", param="definition") from None
    return AgentRecord(tenant, slug, plain, utc_now())


def all_agents(connection: Connection, tenant: str) -> tuple[AgentRecord, ...]:
    """By slug."""
    rows = connection.execute(sa.select(agents).where(agents.c.tenant == tenant).order_by(agents.c.slug))
    return tuple(AgentRecord(row.tenant, row.slug, row.definition, row.updated_at) for row in rows)


def _meeting(row: Any) -> Meeting:
    return Meeting(row.tenant, row.id, row.kind, row.topic, tuple(row.participants), row.created_at)
