"""Persons as lists show them: their id, and how many conversations they have had."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicemind.errors import UnknownUser
from voicemind.store import straight
from voicemind.store.people_values import User
from voicemind.store.tables import conversations, users

_TALKS = (
    sa.select(sa.func.count())
    .where(conversations.c.tenant == users.c.tenant, conversations.c.user_id == users.c.id)
    .correlate(users)
    .scalar_subquery()
    .label("conversations")
)
_KNOWN = sa.select(users.c.id).where(users.c.tenant == sa.bindparam("tenant"), users.c.id == sa.bindparam("id"))
_ALL = sa.select(users, _TALKS).where(users.c.tenant == sa.bindparam("tenant"))


def one(connection: Connection, tenant: str, user_id: str) -> User:
    """Raises UnknownUser."""
    row = connection.execute(_ALL.where(users.c.id == user_id), {"tenant": tenant}).first()
    if row is None:
        raise UnknownUser("there is no such person")
    return _user(row)


def ensure(connection: Connection, tenant: str, user_id: str, *, anonymous: bool, now: datetime) -> None:
    """Make the person where we did not know them."""
    if straight.first(connection, _KNOWN, tenant=tenant, id=user_id) is None:
        made = {"tenant": tenant, "id": user_id, "anonymous": anonymous, "created_at": now}
        straight.insert(connection, users, [made])


def listed(connection: Connection, tenant: str, *, after: str | None, limit: int) -> tuple[User, ...]:
    """By id."""
    statement = _ALL if after is None else _ALL.where(users.c.id > after)
    rows = connection.execute(statement.order_by(users.c.id).limit(limit), {"tenant": tenant})
    return tuple(_user(row) for row in rows)


def _user(row: Any) -> User:
    return User(**row._mapping)
