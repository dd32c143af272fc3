"""What a mind remembers beyond its blocks: entries with the versions in which they are archived, found by their words or their vectors."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicemind.store import by_words
from voicemind.store.chunks import chunks
from voicemind.store.tables import archived_entries, entries, entry_vectors
from voicemind.store.turns import storable
from voicemind.store.values import NewVersion

_STAYS = sa.select(
    archived_entries.c.entry_id, archived_entries.c.block, archived_entries.c.since, archived_entries.c.until
).where(
    archived_entries.c.mind_id == sa.bindparam("mind_id"),
    archived_entries.c.entry_id.in_(sa.bindparam("ids", expanding=True)),
)
_SQLITE_INSERT = sa.text(
    "INSERT INTO entry_search (rowid, mind, words, mind_id, entry_id) VALUES (:row, :mind, :words, :mind_id, :entry_id)"
)
_SQLITE_ROWS = sa.text("SELECT rowid, entry_id FROM entry_search WHERE entry_search MATCH :query")
_SQLITE_DROP = sa.text("DELETE FROM entry_search WHERE rowid = :row")
_SQLITE_DROP_ALL = sa.text("DELETE FROM entry_search WHERE entry_search MATCH :query")
_POSTGRES_INSERT = sa.text(
    "INSERT INTO entry_search (mind_id, entry_id, tenant, words) "
    "VALUES (:mind_id, :entry_id, :tenant, to_tsvector('english', :words)) ON CONFLICT DO NOTHING"
)
_POSTGRES_DROP = sa.text("DELETE FROM entry_search WHERE mind_id = :mind_id AND entry_id = :entry_id")
_POSTGRES_DROP_ALL = sa.text("DELETE FROM entry_search WHERE mind_id = :mind_id")


def moved(connection: Connection, tenant: str, mind_id: str, *, version: NewVersion) -> None:
    """Do what the version does to the archive, and keep the search table at what the archive holds now."""
    number = version.parent + 1
    before = _before(connection, mind_id, version)
    after = dict(before)
    if version.archive_of is not None:
        after = _pairs(connection, _in_archive(mind_id, version.archive_of))
    for entry_id in version.unarchive:
        after.pop(entry_id, None)
    after |= {entry.id: label for label, block in version.archive.items() for entry in block}
    for entry in itertools.chain.from_iterable(version.blocks.values()):
        after.pop(entry.id, None)
    gone = [entry_id for entry_id, label in before.items() if after.get(entry_id) != label]
    come = {entry_id: label for entry_id, label in after.items() if before.get(entry_id) != label}
    for chunk in chunks(gone):
        connection.execute(
            sa.update(archived_entries)
            .where(
                archived_entries.c.mind_id == mind_id,
                archived_entries.c.until.is_(None),
                archived_entries.c.entry_id.in_(chunk),
            )
            .values(until=number)
        )
    if come:
        of = {"mind_id": mind_id, "tenant": tenant, "since": number, "until": None}
        rows = [{**of, "entry_id": entry_id, "block": label} for entry_id, label in come.items()]
        connection.execute(sa.insert(archived_entries), rows)
    _unsearchable(connection, mind_id, [entry_id for entry_id in gone if entry_id not in after])
    _searchable(connection, tenant, mind_id, ids=[entry_id for entry_id in come if entry_id not in before])


def page(connection: Connection, mind_id: str, *, number: int | None, after: str | None, limit: int) -> dict[str, str]:
    """Ids of archived entries with their blocks, by id."""
    statement = _in_archive(mind_id, number).order_by(archived_entries.c.entry_id).limit(limit)
    if after is not None:
        statement = statement.where(archived_entries.c.entry_id > after)
    return _pairs(connection, statement)


def these(connection: Connection, mind_id: str, *, number: int | None, ids: Sequence[str]) -> dict[str, str]:
    """Those of the ids that are archived, with their blocks.

    Which versions count is decided here: asked for it, SQLite would look through the whole archive instead of for the ids.
    """
    blocks: dict[str, str] = {}
    for chunk in chunks(ids):
        rows = connection.execute(_STAYS, {"mind_id": mind_id, "ids": chunk})
        blocks |= {row.entry_id: row.block for row in rows if _is_there(row.since, row.until, number)}
    return dict(sorted(blocks.items()))


def _is_there(since: int, until: int | None, number: int | None) -> bool:
    return until is None if number is None else since <= number and (until is None or until > number)


def found(connection: Connection, mind_id: str, *, words: Sequence[str], limit: int) -> list[tuple[str, str]]:
    """Ids of archived entries that hold any of the words, with their blocks, the best first."""
    ids = by_words.best(connection, mind_id, words=words, limit=limit)
    blocks = these(connection, mind_id, number=None, ids=ids)
    return [(entry_id, blocks[entry_id]) for entry_id in ids if entry_id in blocks]


def vectors(connection: Connection, mind_id: str, *, model: str) -> dict[str, bytes]:
    """The vectors of the archive as it is, by entry id."""
    statement = (
        sa.select(entry_vectors.c.entry_id, entry_vectors.c.vector)
        .join(
            archived_entries,
            sa.and_(
                archived_entries.c.mind_id == entry_vectors.c.mind_id,
                archived_entries.c.entry_id == entry_vectors.c.entry_id,
                archived_entries.c.until.is_(None),
            ),
        )
        .where(entry_vectors.c.mind_id == mind_id, entry_vectors.c.model == model)
    )
    return {row.entry_id: row.vector for row in connection.execute(statement)}


def without_vector(connection: Connection, mind_id: str, *, model: str, limit: int) -> dict[str, str]:
    """Texts of archived entries without a vector of this model, by entry id."""
    seen = sa.select(entry_vectors.c.entry_id).where(
        entry_vectors.c.mind_id == mind_id, entry_vectors.c.model == model, entry_vectors.c.entry_id == entries.c.id
    )
    statement = (
        sa.select(entries.c.id, entries.c.text)
        .join(
            archived_entries,
            sa.and_(archived_entries.c.mind_id == entries.c.mind_id, archived_entries.c.entry_id == entries.c.id),
        )
        .where(entries.c.mind_id == mind_id, archived_entries.c.until.is_(None), ~seen.exists())
        .order_by(entries.c.id)
        .limit(limit)
    )
    return {row.id: row.text for row in connection.execute(statement)}


def keep_vectors(connection: Connection, tenant: str, mind_id: str, *, model: str, given: Mapping[str, bytes]) -> None:
    """Keep a vector for each entry that exists, in place of an older one."""
    for chunk in chunks(given):
        known = connection.execute(
            sa.select(entries.c.id).where(entries.c.mind_id == mind_id, entries.c.id.in_(chunk))
        ).scalars()
        of = {"mind_id": mind_id, "tenant": tenant, "model": model}
        rows = [{**of, "entry_id": entry_id, "vector": given[entry_id]} for entry_id in known]
        connection.execute(
            sa.delete(entry_vectors).where(
                entry_vectors.c.mind_id == mind_id,
                entry_vectors.c.model == model,
                entry_vectors.c.entry_id.in_(chunk),
            )
        )
        if rows:
            connection.execute(sa.insert(entry_vectors), rows)


def reindex(connection: Connection, tenant: str, mind_id: str) -> None:
    """Make the mind's part of the search table anew from what the archive holds now."""
    drop = _SQLITE_DROP_ALL if connection.dialect.name == "sqlite" else _POSTGRES_DROP_ALL
    connection.execute(drop, {"mind_id": mind_id, "query": f"mind : {by_words.token(mind_id)}"})
    _searchable(connection, tenant, mind_id, ids=list(_pairs(connection, _in_archive(mind_id, None))))


def _before(connection: Connection, mind_id: str, version: NewVersion) -> dict[str, str]:
    """What of the archive may change."""
    if version.archive_of is not None:
        return _pairs(connection, _in_archive(mind_id, None))
    told = itertools.chain(version.archive.values(), version.blocks.values())
    ids = [*(entry.id for block in told for entry in block), *version.unarchive]
    return these(connection, mind_id, number=None, ids=ids)


def _pairs(connection: Connection, statement: sa.Select[Any, Any]) -> dict[str, str]:
    return {row.entry_id: row.block for row in connection.execute(statement)}


def _in_archive(mind_id: str, number: int | None) -> sa.Select[Any, Any]:
    statement = sa.select(archived_entries.c.entry_id, archived_entries.c.block).where(
        archived_entries.c.mind_id == mind_id
    )
    if number is None:
        return statement.where(archived_entries.c.until.is_(None))
    return statement.where(
        archived_entries.c.since <= number,
        sa.or_(archived_entries.c.until.is_(None), archived_entries.c.until > number),
    )


def _searchable(connection: Connection, tenant: str, mind_id: str, *, ids: Sequence[str]) -> None:
    sqlite = connection.dialect.name == "sqlite"
    numbers = itertools.count(by_words.next_row(connection, mind_id) if sqlite and ids else 0)
    for chunk in chunks(ids):
        found_rows = connection.execute(
            sa.select(entries.c.id, entries.c.text, entries.c.cue).where(
                entries.c.mind_id == mind_id, entries.c.id.in_(chunk)
            )
        )
        rows = [
            {
                "row": next(numbers),
                "mind": by_words.token(mind_id),
                "mind_id": mind_id,
                "tenant": tenant,
                "entry_id": row.id,
                "words": storable(f"{row.text}\n{row.cue}"),
            }
            for row in found_rows
        ]
        if rows:
            connection.execute(_SQLITE_INSERT if sqlite else _POSTGRES_INSERT, rows)


def _unsearchable(connection: Connection, mind_id: str, ids: Sequence[str]) -> None:
    if not ids:
        return
    if connection.dialect.name != "sqlite":
        connection.execute(_POSTGRES_DROP, [{"mind_id": mind_id, "entry_id": entry_id} for entry_id in ids])
        return
    gone = frozenset(ids)  # the ids are not indexed: one search for all of them
    rows = connection.execute(_SQLITE_ROWS, {"query": f"mind : {by_words.token(mind_id)}"}).all()
    if found := [{"row": row.rowid} for row in rows if row.entry_id in gone]:
        connection.execute(_SQLITE_DROP, found)
