"""Which conversations have a recording, and which may be recorded: the sound itself is in files, under names that say nothing."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicemind.errors import UnknownConversation
from voicemind.store.chunks import chunks
from voicemind.store.tables import conversations


def let(connection: Connection, tenant: str, conversation_id: str, *, name: str | None) -> None:
    """From now on it may be recorded, under this name unless it has one; None: from now on it may not. Raises UnknownConversation."""
    this = sa.and_(conversations.c.tenant == tenant, conversations.c.id == conversation_id)
    held = sa.func.coalesce(conversations.c.recording, name)
    changed = connection.execute(sa.update(conversations).where(this).values(recording=held, records=name is not None))
    if not changed.rowcount:
        raise UnknownConversation("there is no such conversation")


def drop(connection: Connection, *, names: Collection[str]) -> None:
    """These recordings are no more, and what they were of may not be recorded either."""
    for chunk in chunks(names):
        these = conversations.c.recording.in_(chunk)
        connection.execute(sa.update(conversations).where(these).values(recording=None, records=False))


def names(connection: Connection) -> frozenset[str]:
    """The names of all recordings of all tenants."""
    held = sa.select(conversations.c.recording).where(conversations.c.recording.is_not(None))
    return frozenset(connection.execute(held).scalars())
