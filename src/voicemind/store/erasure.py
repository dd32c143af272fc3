"""The right to be forgotten: conversations and persons, gone in one transaction, with a receipt of numbers alone."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from uuid_utils import uuid7

from voicemind.clock import utc_now
from voicemind.errors import StaleVersion, UnknownConversation, UnknownUser
from voicemind.store import archive, tombstones
from voicemind.store.chunks import chunks
from voicemind.store.forgetting import forget
from voicemind.store.pages import newest_first
from voicemind.store.people_values import Erasure
from voicemind.store.tables import (
    archived_entries,
    conversations,
    entries,
    entry_vectors,
    erasures,
    evidence,
    meetings,
    mind_versions,
    minds,
    reflections,
    turns,
    users,
)

_COUNTED = ("conversations", "turns", "reflections", "minds", "versions", "entries", "evidence", "users", "recordings")
_OF_A_TALK = (conversations.c.user_id, conversations.c.created_at, conversations.c.recording)


_TURNSTILE = zlib.crc32(b"voicemind erasures") >> 1
"""Names our locks of PostgreSQL's that are nobody's row."""


def of_conversation(connection: Connection, tenant: str, conversation_id: str) -> Erasure:
    """Erase a conversation. Raises UnknownConversation."""
    _alone(connection, tenant)
    if not _held(connection, tenant, [conversation_id]):
        raise UnknownConversation("there is no such conversation")
    return _receipt(connection, tenant, _erase(connection, tenant, [conversation_id], owned=()))


def of_user(connection: Connection, tenant: str, user_id: str) -> Erasure:
    """Erase a person, their conversations, and the minds that are theirs alone. Raises UnknownUser."""
    _alone(connection, tenant)
    this = sa.and_(users.c.tenant == tenant, users.c.id == user_id)
    known = connection.execute(sa.select(users.c.id).where(this).with_for_update()).first()
    theirs = sa.select(conversations.c.id, conversations.c.meeting_id).where(
        conversations.c.tenant == tenant, conversations.c.user_id == user_id
    )
    talks = connection.execute(theirs.order_by(conversations.c.id)).all()
    ids = [talk.id for talk in talks]
    _held(connection, tenant, ids)
    of_theirs = sa.select(minds.c.id).where(minds.c.tenant == tenant, minds.c.user_id == user_id).order_by(minds.c.id)
    owned = list(connection.execute(of_theirs.with_for_update()).scalars()) if user_id else []
    if known is None and not owned:
        raise UnknownUser("there is no such person")
    counts = _erase(connection, tenant, ids, owned=owned)
    for mind_id in owned:
        counts += _erase_mind(connection, tenant, mind_id)
    _leave_meetings(connection, tenant, user_id, attended={talk.meeting_id for talk in talks} - {None})
    counts["users"] = connection.execute(sa.delete(users).where(this)).rowcount
    return _receipt(connection, tenant, counts)


def listed(
    connection: Connection, tenant: str, *, before: tuple[datetime, str] | None, limit: int
) -> tuple[Erasure, ...]:
    """The newest first."""
    statement = sa.select(erasures).where(erasures.c.tenant == tenant)
    rows = connection.execute(newest_first(statement, erasures, before=before).limit(limit))
    return tuple(Erasure(row.tenant, row.id, row.created_at, row.counts, scrubbed=row.scrubbed) for row in rows)


def made(connection: Connection, tenant: str) -> int:
    """How many there have been."""
    counted = sa.select(sa.func.count()).select_from(erasures).where(erasures.c.tenant == tenant)
    return int(connection.execute(counted).scalar_one())


def none_since(connection: Connection, tenant: str, *, seen: int) -> None:
    """Let none begin before this transaction ends. Raises StaleVersion where there have been more than were seen."""
    _alone(connection, tenant, shared=True)
    if made(connection, tenant) != seen:
        raise StaleVersion("something was erased meanwhile")


def unscrubbed(connection: Connection) -> tuple[str, ...]:
    """Ids of the receipts whose bytes may still be in the files."""
    return tuple(connection.execute(sa.select(erasures.c.id).where(erasures.c.scrubbed.is_(False))).scalars())


def mark_scrubbed(connection: Connection, *, ids: Collection[str]) -> None:
    """The bytes have left the files."""
    for chunk in chunks(ids):
        connection.execute(sa.update(erasures).where(erasures.c.id.in_(chunk)).values(scrubbed=True))


def _alone(connection: Connection, tenant: str, *, shared: bool = False) -> None:
    """Wait for whoever erases in this tenant now, and unless `shared`, for whoever needs that nobody does. SQLite has one writer anyway."""
    if connection.dialect.name != "sqlite":
        lock = sa.func.pg_advisory_xact_lock_shared if shared else sa.func.pg_advisory_xact_lock
        connection.execute(sa.select(lock(_TURNSTILE, zlib.crc32(tenant.encode()) >> 1)))


def _held(connection: Connection, tenant: str, ids: Collection[str]) -> int:
    """Lock the reflections and the conversations, in the order in which a reflection that finishes does; how many conversations there are."""
    found = 0
    for chunk in chunks(ids):
        of_these = sa.and_(reflections.c.tenant == tenant, reflections.c.conversation_id.in_(chunk))
        connection.execute(sa.select(reflections.c.id).where(of_these).order_by(reflections.c.id).with_for_update())
    for chunk in chunks(ids):
        these = sa.and_(conversations.c.tenant == tenant, conversations.c.id.in_(chunk))
        held = sa.select(conversations.c.id).where(these).order_by(conversations.c.id).with_for_update()
        found += len(connection.execute(held).all())
    return found


def _erase(connection: Connection, tenant: str, ids: Collection[str], *, owned: Collection[str]) -> Counter[str]:
    """The conversations, and what rests on them in all minds but those `owned` by the person, which go as a whole."""
    counts: Counter[str] = Counter()
    tombstones.keep_conversations(connection, tenant, ids)
    touched: set[str] = set()
    begun: dict[str, datetime] = {}
    for chunk in chunks(ids):
        for table in (evidence, reflections):
            these = sa.and_(table.c.tenant == tenant, table.c.conversation_id.in_(chunk))
            touched.update(connection.execute(sa.select(table.c.mind_id).where(these).distinct()).scalars())
        of_these = sa.and_(conversations.c.tenant == tenant, conversations.c.id.in_(chunk))
        for row in connection.execute(sa.select(*_OF_A_TALK).where(of_these)):
            begun[row.user_id] = min(row.created_at, begun.get(row.user_id, row.created_at))
            counts["recordings"] += row.recording is not None
        for name, table in (("reflections", reflections), ("turns", turns)):
            these = sa.and_(table.c.tenant == tenant, table.c.conversation_id.in_(chunk))
            counts[name] += connection.execute(sa.delete(table).where(these)).rowcount
        counts["conversations"] += connection.execute(sa.delete(conversations).where(of_these)).rowcount
    for person, since in begun.items():
        _hush_intents(connection, tenant, conversations.c.user_id == person, since=since)
    for mind_id in sorted(touched.difference(owned)):
        lost = forget(connection, tenant, mind_id, conversations=ids)
        counts += lost
        if lost["entries"] or lost["evidence"]:
            key = connection.execute(sa.select(minds.c.agent, minds.c.user_id).where(minds.c.id == mind_id)).one()
            of_mind = conversations.c.agent == key.agent
            if key.user_id:
                of_mind = sa.and_(of_mind, conversations.c.user_id == key.user_id)
            _hush_intents(connection, tenant, of_mind, since=min(begun.values()))
    return counts


def _hush_intents(connection: Connection, tenant: str, which: sa.ColumnElement[bool], *, since: datetime) -> None:
    """Intent notes are made of a mind, or of what was said before a hand-over, in the model's words: none of that time is above suspicion."""
    these = sa.and_(conversations.c.tenant == tenant, conversations.c.created_at >= since, which)
    connection.execute(
        sa.update(conversations).where(these, conversations.c.intent_notes != "").values(intent_notes="")
    )


def _erase_mind(connection: Connection, tenant: str, mind_id: str) -> Counter[str]:
    counts = Counter(minds=1)
    held = sa.select(entries.c.id).where(entries.c.mind_id == mind_id)
    tombstones.keep_entries(connection, tenant, mind_id, ids=connection.execute(held).scalars().all())
    for table in (entry_vectors, archived_entries, evidence, entries, mind_versions, reflections):
        gone = connection.execute(sa.delete(table).where(table.c.mind_id == mind_id)).rowcount
        if table.name in {"evidence", "entries", "reflections"}:
            counts[table.name] += gone
    archive.reindex(connection, tenant, mind_id)
    connection.execute(sa.delete(minds).where(minds.c.id == mind_id))
    return counts


def _leave_meetings(connection: Connection, tenant: str, user_id: str, *, attended: Collection[Any]) -> None:
    """No meeting names the person any more; one that is left without a conversation is gone, and so are notes that may be about them."""
    rows = connection.execute(sa.select(meetings.c.id, meetings.c.participants).where(meetings.c.tenant == tenant))
    name = user_id.casefold()
    involved = [row.id for row in rows if row.id in attended or name in map(str.casefold, row.participants)]
    for meeting_id in sorted(involved):
        this = sa.and_(meetings.c.tenant == tenant, meetings.c.id == meeting_id)
        meeting = connection.execute(sa.select(meetings).where(this).with_for_update()).one()
        in_it = sa.and_(conversations.c.tenant == tenant, conversations.c.meeting_id == meeting_id)
        left = connection.execute(sa.select(conversations.c.id).where(in_it).limit(1)).first()
        participants = [one for one in meeting.participants if one.casefold() != name]
        if left is None and (meeting_id in attended or not participants):
            connection.execute(sa.delete(meetings).where(this))
            continue
        topic = "" if name in meeting.topic.casefold() else meeting.topic
        connection.execute(sa.update(meetings).where(this).values(participants=participants, topic=topic))
        connection.execute(sa.update(conversations).where(in_it).values(intent_notes=""))


def _receipt(connection: Connection, tenant: str, counts: Counter[str]) -> Erasure:
    numbers = {name: counts[name] for name in _COUNTED}
    made = Erasure(tenant, str(uuid7()), utc_now(), numbers)
    connection.execute(sa.insert(erasures).values({column.name: getattr(made, column.name) for column in erasures.c}))
    return made
