"""Reflections: taken by one worker at a time under a lease, finished exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicemind.clock import utc_now
from voicemind.errors import UnknownConversation
from voicemind.store import minds as stored_minds
from voicemind.store import straight
from voicemind.store.tables import ID_LENGTH, conversations, minds, reflections
from voicemind.store.turns import PENDING, storable
from voicemind.store.values import MindKey, NewVersion, Reflection, ReflectionStatus

_ALL = sa.select(reflections, minds.c.agent, minds.c.user_id).join(minds, minds.c.id == reflections.c.mind_id)
_ONE = _ALL.where(
    reflections.c.tenant == sa.bindparam("tenant"), reflections.c.conversation_id == sa.bindparam("conversation_id")
)
_ONE_LOCKED = _ONE.with_for_update(of=reflections)
# Whoever else looks at the same moment passes over a row that is locked, and sees it as taken once the lock is gone.
_DUE = (
    _ALL.where(reflections.c.status.in_(PENDING), reflections.c.due_at <= sa.bindparam("now"))
    .order_by(reflections.c.created_at, reflections.c.id)
    .limit(1)
    .with_for_update(of=reflections, skip_locked=True)
)


@dataclass(frozen=True, slots=True)
class Finish:
    """What was made of a reflection: `version` is None where nothing changed."""

    reflection: Reflection
    parent: int
    version: NewVersion | None
    notes: str


_PENDING = (
    sa.select(sa.func.count())
    .select_from(reflections.join(minds, minds.c.id == reflections.c.mind_id))
    .where(
        minds.c.tenant == sa.bindparam("tenant"),
        minds.c.agent == sa.bindparam("agent"),
        minds.c.user_id == sa.bindparam("user_id"),
        reflections.c.status.in_(PENDING),
    )
)
_SQLITE_PENDING = (
    "SELECT count(*) FROM minds JOIN reflections ON reflections.mind_id = minds.id WHERE minds.tenant = :tenant "
    "AND minds.agent = :agent AND minds.user_id = :user_id AND reflections.status IN ('waiting', 'running')"
)


def one(connection: Connection, tenant: str, conversation_id: str) -> Reflection | None:
    """The reflection of a conversation, if it has one."""
    row = connection.execute(_ONE, {"tenant": tenant, "conversation_id": conversation_id}).first()
    return None if row is None else _reflection(row)


def claimed(connection: Connection, *, worker: str, lease_s: float) -> Reflection | None:
    """The oldest one that is due, now running under a lease; None where none is due."""
    now = utc_now()
    row = connection.execute(_DUE, {"now": now}).first()
    if row is None:
        return None
    lease_end = now + timedelta(seconds=lease_s)
    taken = {
        "status": "running",
        "attempts": row.attempts + 1,
        "lost": row.lost + (row.status == "running"),
        "worker": worker,
    }
    _set(connection, row.id, due_at=lease_end, **taken)
    return _reflection(row, **taken)


def renewed(connection: Connection, reflection: Reflection, *, lease_s: float) -> bool:
    """Whether this claim still holds it, and then for so much longer."""
    statement = sa.update(reflections).where(
        reflections.c.id == reflection.id,
        reflections.c.status == "running",
        reflections.c.attempts == reflection.attempts,
    )
    held = connection.execute(statement.values(due_at=utc_now() + timedelta(seconds=lease_s)))
    return held.rowcount == 1


def finished(connection: Connection, finish: Finish) -> Reflection:
    """Version, reflection and conversation in one go. Raises StaleVersion, UnknownConversation."""
    tenant, conversation_id = finish.reflection.key.tenant, finish.reflection.conversation_id
    row = connection.execute(_ONE_LOCKED, {"tenant": tenant, "conversation_id": conversation_id}).first()
    if row is None:
        raise UnknownConversation("there is no such reflection")
    if row.status == "done":
        return _reflection(row)
    after = finish.parent
    if finish.version is None:
        stored_minds.check_newest(connection, row.mind_id, number=finish.parent)
    else:
        after = finish.parent + 1
        stored_minds.write(connection, tenant, row.mind_id, version=finish.version)
    changes = {
        "status": "done",
        "before": finish.parent,
        "after": after,
        "notes": storable(finish.notes),
        "error": "",
        "proposal": None,
    }
    _set(connection, row.id, **changes)
    _mark_conversation(connection, tenant, conversation_id, status="reflected")
    return _reflection(row, **changes)


def proposed(
    connection: Connection, reflection: Reflection, *, parent: int, proposal: Sequence[Mapping[str, Any]], notes: str
) -> Reflection:
    """It waits for a person's word. Raises StaleVersion, UnknownConversation. Changes nothing where it waits already, or is over."""
    found = {"tenant": reflection.key.tenant, "conversation_id": reflection.conversation_id}
    row = connection.execute(_ONE_LOCKED, found).first()
    if row is None:
        raise UnknownConversation("there is no such reflection")
    if row.status not in PENDING:
        return _reflection(row)
    stored_minds.check_newest(connection, row.mind_id, number=parent)
    changes = {"status": "review", "before": parent, "notes": storable(notes), "error": "", "proposal": list(proposal)}
    _set(connection, row.id, **changes)
    return _reflection(row, **changes)


def listed(
    connection: Connection,
    tenant: str,
    *,
    status: ReflectionStatus | None,
    agent: str | None,
    before: str | None,
    limit: int,
) -> tuple[Reflection, ...]:
    """Reflections, the newest first."""
    statement = _ALL.where(reflections.c.tenant == tenant).order_by(reflections.c.id.desc()).limit(limit)
    if status is not None:
        statement = statement.where(reflections.c.status == status)
    if agent is not None:
        statement = statement.where(minds.c.agent == agent)
    if before is not None:
        statement = statement.where(reflections.c.id < before)
    return tuple(_reflection(row) for row in connection.execute(statement))


def postponed(
    connection: Connection, reflection: Reflection, *, error: str, delay_s: float | None, failed: bool
) -> None:
    """Back to waiting, or given up. Changes nothing where another attempt has begun or the reflection is over."""
    found = {"tenant": reflection.key.tenant, "conversation_id": reflection.conversation_id}
    row = connection.execute(_ONE_LOCKED, found).first()
    if row is None or row.status not in PENDING or row.attempts != reflection.attempts:
        return
    noted = {"error": error[:ID_LENGTH], "failures": row.failures + failed}
    if delay_s is None:
        _set(connection, row.id, status="failed", **noted)
        _mark_conversation(connection, row.tenant, row.conversation_id, status="failed")
    else:
        _set(connection, row.id, status="waiting", due_at=utc_now() + timedelta(seconds=delay_s), **noted)


def retried(connection: Connection, *, tenant: str, conversation_id: str) -> Reflection:
    """A failed one is due now, as if it were new. Raises UnknownConversation."""
    row = connection.execute(_ONE_LOCKED, {"tenant": tenant, "conversation_id": conversation_id}).first()
    if row is None:
        raise UnknownConversation("there is no such reflection")
    if row.status != "failed":
        return _reflection(row)
    anew = {"status": "waiting", "attempts": 0, "failures": 0, "lost": 0}
    _set(connection, row.id, due_at=utc_now(), **anew)
    _mark_conversation(connection, tenant, conversation_id, status="ended")
    return _reflection(row, **anew)


def pending(connection: Connection, key: MindKey) -> int:
    """How many on this mind are waiting or running."""
    named = {"tenant": key.tenant, "agent": key.agent, "user_id": key.user_id}
    if straight.is_possible(connection):
        return int(straight.rows(connection, _SQLITE_PENDING, **named)[0][0])
    return int(connection.execute(_PENDING, named).scalar_one())


def _set(connection: Connection, reflection_id: str, **values: Any) -> None:
    connection.execute(sa.update(reflections).where(reflections.c.id == reflection_id).values(**values))


def _mark_conversation(connection: Connection, tenant: str, conversation_id: str, *, status: str) -> None:
    connection.execute(
        sa.update(conversations)
        .where(conversations.c.tenant == tenant, conversations.c.id == conversation_id)
        .values(status=status)
    )


def _reflection(row: Any, **changed: Any) -> Reflection:
    now = {**row._mapping, **changed}
    key = MindKey(tenant=now["tenant"], agent=now["agent"], user_id=now["user_id"])
    counts = ("attempts", "failures", "lost", "before", "after")
    names = ("id", "conversation_id", "status", *counts, "notes", "error", "created_at")
    return Reflection(key=key, proposal=tuple(now["proposal"] or ()), **{name: now[name] for name in names})
