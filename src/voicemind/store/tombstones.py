"""What stays of what was erased: digests of ids, so that an old export does not bring it back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import blake2b

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicemind.errors import ConversationOver
from voicemind.store import straight
from voicemind.store.chunks import chunks
from voicemind.store.tables import conversations, minds, tombstones
from voicemind.store.values import MindKey

_SQLITE_KNOWN = (
    "SELECT digest FROM json_each(:digests) AS asked "
    "CROSS JOIN tombstones ON tombstones.tenant = :tenant AND tombstones.digest = asked.value"
)


def keep_conversations(connection: Connection, tenant: str, ids: Iterable[str]) -> None:
    """Remember that these conversations were erased."""
    _keep(connection, tenant, {_digest(tenant, one) for one in ids})


def keep_entries(connection: Connection, tenant: str, mind_id: str, *, ids: Iterable[str]) -> None:
    """Remember that these entries were erased from this mind, which may come to life again under its name."""
    row = connection.execute(sa.select(minds.c.agent, minds.c.user_id).where(minds.c.id == mind_id)).one()
    _keep(connection, tenant, {_digest(tenant, row.agent, row.user_id, one) for one in ids})


def check_conversation(connection: Connection, tenant: str, conversation_id: str) -> None:
    """Raises ConversationOver where the conversation of this id was erased: whoever still knows what was said in it must not bring it back."""
    if _known(connection, tenant, [_digest(tenant, conversation_id)]):
        raise ConversationOver("This conversation was erased; start another one.", param="conversation_id")


def among(connection: Connection, key: MindKey, *, entries: Collection[str], talks: Collection[str]) -> frozenset[str]:
    """Which of these were erased: entries from this mind, and conversations that were not begun anew under their old ids."""
    digests = {_digest(key.tenant, key.agent, key.user_id, one): one for one in entries}
    of_talks = {_digest(key.tenant, one): one for one in talks}
    gone = {of_talks[digest] for digest in _known(connection, key.tenant, of_talks)}
    for chunk in chunks(sorted(gone)):
        there = sa.and_(conversations.c.tenant == key.tenant, conversations.c.id.in_(chunk))
        gone.difference_update(connection.execute(sa.select(conversations.c.id).where(there)).scalars().all())
    return frozenset(gone | {digests[digest] for digest in _known(connection, key.tenant, digests)})


def _keep(connection: Connection, tenant: str, digests: Collection[str]) -> None:
    fresh = sorted(set(digests) - _known(connection, tenant, digests))
    if fresh:
        connection.execute(sa.insert(tombstones), [{"tenant": tenant, "digest": digest} for digest in fresh])


def _known(connection: Connection, tenant: str, digests: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for chunk in chunks(digests):
        if straight.is_possible(connection):
            rows = straight.rows(connection, _SQLITE_KNOWN, tenant=tenant, digests=straight.listed(chunk))
            found.update(digest for (digest,) in rows)
            continue
        these = sa.and_(tombstones.c.tenant == tenant, tombstones.c.digest.in_(chunk))
        found.update(connection.execute(sa.select(tombstones.c.digest).where(these)).scalars().all())
    return found


def _digest(*names: str) -> str:
    return blake2b("\0".join(names).encode(), digest_size=16).hexdigest()
