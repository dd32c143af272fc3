"""Minds as lists: versions, minds, and the entries of an archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicemind.store import archive, by_words
from voicemind.store.found import Found, Match
from voicemind.store.minds import OF_KEY, bare, id_of, loaded, named
from voicemind.store.tables import archived_entries, mind_versions, minds
from voicemind.store.values import ArchivedEntry, MindKey, MindSummary, MindVersion

_LIST = (
    sa.select(
        *(column for column in mind_versions.c if column.name != "content"),
    )
    .join(minds, minds.c.id == mind_versions.c.mind_id)
    .where(OF_KEY)
    .order_by(mind_versions.c.number.desc())
)


def listed(connection: Connection, key: MindKey, *, before: int | None, limit: int) -> tuple[MindVersion, ...]:
    """Versions without their entries, the newest first."""
    statement = _LIST if before is None else _LIST.where(mind_versions.c.number < before)
    return tuple(bare(key, row, blocks={}) for row in connection.execute(statement.limit(limit), named(key)))


def summaries(
    connection: Connection,
    tenant: str,
    *,
    agent: str | None,
    user_id: str | None,
    after: tuple[str, str] | None,
    limit: int,
) -> tuple[MindSummary, ...]:
    """Minds by agent and user."""
    statement = (
        sa.select(
            minds.c.agent,
            minds.c.user_id,
            minds.c.version,
            mind_versions.c.content,
            mind_versions.c.created_at,
            sa.select(sa.func.count())
            .where(archived_entries.c.mind_id == minds.c.id, archived_entries.c.until.is_(None))
            .scalar_subquery()
            .label("archived"),
        )
        .join(mind_versions, sa.and_(mind_versions.c.mind_id == minds.c.id, mind_versions.c.number == minds.c.version))
        .where(minds.c.tenant == tenant)
        .order_by(minds.c.agent, minds.c.user_id)
        .limit(limit)
    )
    if agent is not None:
        statement = statement.where(minds.c.agent == agent)
    if user_id is not None:
        statement = statement.where(minds.c.user_id == user_id)
    if after is not None:
        statement = statement.where(sa.tuple_(minds.c.agent, minds.c.user_id) > sa.tuple_(*map(sa.literal, after)))
    return tuple(
        MindSummary(
            key=MindKey(tenant, row.agent, row.user_id),
            version=row.version,
            entries=sum(len(ids) for ids in row.content.values()),
            archived=row.archived,
            changed_at=row.created_at,
        )
        for row in connection.execute(statement)
    )


def archived(
    connection: Connection,
    key: MindKey,
    *,
    number: int | None,
    ids: Sequence[str] | None,
    after: str | None,
    limit: int,
) -> tuple[ArchivedEntry, ...]:
    """The archive of one version (None: as it is), or what of `ids` is there, by entry id."""
    mind_id = id_of(connection, key)
    if mind_id is None:
        return ()
    if ids is None:
        blocks = archive.page(connection, mind_id, number=number, after=after, limit=limit)
    else:
        blocks = archive.these(connection, mind_id, number=number, ids=ids)
    held = loaded(connection, mind_id=mind_id, ids=blocks)
    return tuple(ArchivedEntry(held[entry_id], label) for entry_id, label in blocks.items())


def found(connection: Connection, key: MindKey, *, words: Sequence[str], limit: int) -> tuple[Found, ...]:
    """Archived entries by their words."""
    mind_id = id_of(connection, key)
    if mind_id is None:
        return ()
    hits = archive.found(connection, mind_id, words=words, limit=limit)
    held = loaded(connection, mind_id=mind_id, ids=[entry_id for entry_id, _ in hits])
    return tuple(Found(held[entry_id], label, rank) for rank, (entry_id, label) in enumerate(hits))


def matches(connection: Connection, key: MindKey, *, words: Sequence[str], limit: int) -> tuple[Match, ...]:
    """The same with their texts alone."""
    mind_id = id_of(connection, key)
    return () if mind_id is None else by_words.matches(connection, mind_id, words=words, limit=limit)


def vectors(connection: Connection, key: MindKey, *, model: str) -> Mapping[str, bytes]:
    """The vectors of the archive by entry id."""
    mind_id = id_of(connection, key)
    return {} if mind_id is None else archive.vectors(connection, mind_id, model=model)


def without_vector(connection: Connection, key: MindKey, *, model: str, limit: int) -> Mapping[str, str]:
    """Texts of archived entries that the model has not seen."""
    mind_id = id_of(connection, key)
    return {} if mind_id is None else archive.without_vector(connection, mind_id, model=model, limit=limit)


def keep_vectors(connection: Connection, key: MindKey, *, model: str, given: Mapping[str, bytes]) -> None:
    """Keep these vectors; of a mind that is gone, none."""
    mind_id = id_of(connection, key)
    if mind_id is not None:
        archive.keep_vectors(connection, key.tenant, mind_id, model=model, given=given)
