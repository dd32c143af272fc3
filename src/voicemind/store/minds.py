"""Minds: versions that name their entries, and entries that name their evidence."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from uuid_utils import uuid7

from voicemind.clock import utc_now
from voicemind.errors import StaleVersion
from voicemind.store.contract import Author, Entry, Evidence, MindKey, MindVersion
from voicemind.store.tables import entries, evidence, mind_versions, minds
from voicemind.store.turns import storable

_IDS_AT_ONCE = 500
"""SQLite before 3.32 takes no more than 999 parameters in one statement."""

_KEY = sa.and_(
    minds.c.tenant == sa.bindparam("tenant"),
    minds.c.agent == sa.bindparam("agent"),
    minds.c.user_id == sa.bindparam("user_id"),
)
_ID = sa.select(minds.c.id).where(_KEY)
_VERSION = sa.select(mind_versions).join(minds, minds.c.id == mind_versions.c.mind_id).where(_KEY)
_NEWEST = _VERSION.where(mind_versions.c.number == minds.c.version)
_NUMBERED = _VERSION.where(mind_versions.c.number == sa.bindparam("number"))
_THESE = sa.and_(entries.c.mind_id == sa.bindparam("mind_id"), entries.c.id.in_(sa.bindparam("ids", expanding=True)))
_ENTRIES = sa.select(entries.c.id, entries.c.text).where(_THESE)
_KNOWN = sa.select(entries.c.id).where(_THESE)
_EVIDENCE = (
    sa.select(evidence.c.entry_id, evidence.c.conversation_id, evidence.c.turn, evidence.c.quote)
    .where(evidence.c.mind_id == sa.bindparam("mind_id"), evidence.c.entry_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(evidence.c.entry_id, evidence.c.position)
)
_NUMBER_LOCKED = sa.select(minds.c.version).where(minds.c.id == sa.bindparam("mind_id")).with_for_update()


@dataclass(frozen=True, slots=True)
class Change:
    """A version that is about to be written."""

    tenant: str
    mind_id: str
    number: int
    author: Author
    blocks: Mapping[str, Sequence[Entry]]
    notes: str = ""
    conversation_id: str | None = None


def ensure(connection: Connection, key: MindKey, *, seed: Mapping[str, Sequence[str]]) -> str:
    """The id of the mind; a mind that is new gets version 1 with an entry for each text of `seed`."""
    found = connection.execute(_ID, _named(key)).scalar_one_or_none()
    if found is not None:
        return str(found)
    mind_id = str(uuid7())
    row = {"id": mind_id, "tenant": key.tenant, "agent": key.agent, "user_id": key.user_id, "version": 1}
    connection.execute(sa.insert(minds), {**row, "created_at": utc_now()})
    blocks = {label: [Entry(id=str(uuid7()), text=text) for text in texts] for label, texts in seed.items()}
    _write(connection, Change(key.tenant, mind_id, number=1, author="preset", blocks=blocks))
    return mind_id


def newest(connection: Connection, key: MindKey) -> MindVersion | None:
    """The newest version; None where the mind does not exist."""
    return _version(connection, key, connection.execute(_NEWEST, _named(key)).first())


def numbered(connection: Connection, key: MindKey, *, number: int) -> MindVersion | None:
    """One version; None where there is none of that number."""
    return _version(connection, key, connection.execute(_NUMBERED, {**_named(key), "number": number}).first())


def check_newest(connection: Connection, mind_id: str, *, number: int) -> None:
    """Raises StaleVersion where `number` is not the newest; else it stays the newest until this transaction ends."""
    if connection.execute(_NUMBER_LOCKED, {"mind_id": mind_id}).scalar_one() != number:
        raise StaleVersion("somebody wrote a newer version of the mind first")


def write(connection: Connection, change: Change) -> None:
    """Write the version and make it the newest. Raises StaleVersion where it does not follow the newest."""
    raised = connection.execute(
        sa.update(minds)
        .where(minds.c.id == change.mind_id, minds.c.version == change.number - 1)
        .values(version=change.number)
    )
    if raised.rowcount != 1:
        raise StaleVersion("somebody wrote a newer version of the mind first")
    _write(connection, change)


def _write(connection: Connection, change: Change) -> None:
    _add_entries(connection, change)
    connection.execute(
        sa.insert(mind_versions).values(
            mind_id=change.mind_id,
            number=change.number,
            tenant=change.tenant,
            author=change.author,
            created_at=utc_now(),
            content={label: [entry.id for entry in block] for label, block in change.blocks.items()},
            notes=storable(change.notes),
            conversation_id=change.conversation_id,
        )
    )


def _add_entries(connection: Connection, change: Change) -> None:
    """Store the entries that the mind does not know yet; one that stands in two blocks is one entry."""
    given = {entry.id: entry for block in change.blocks.values() for entry in block}
    known = {row.id for row in _for_ids(connection, _KNOWN, mind_id=change.mind_id, ids=given)}
    fresh = [entry for entry in given.values() if entry.id not in known]
    of = {"mind_id": change.mind_id, "tenant": change.tenant}
    if fresh:
        connection.execute(
            sa.insert(entries),
            [{**of, "id": entry.id, "text": storable(entry.text), "version": change.number} for entry in fresh],
        )
    rests_on = [
        {
            **of,
            "entry_id": entry.id,
            "position": position,
            "conversation_id": quoted.conversation_id,
            "turn": quoted.turn,
            "quote": storable(quoted.quote),
        }
        for entry in fresh
        for position, quoted in enumerate(entry.evidence)
    ]
    if rests_on:
        connection.execute(sa.insert(evidence), rests_on)


def _version(connection: Connection, key: MindKey, row: Row[Any] | None) -> MindVersion | None:
    if row is None:
        return None
    ids = {entry_id for block in row.content.values() for entry_id in block}
    found = _entries(connection, mind_id=row.mind_id, ids=ids)
    return MindVersion(
        key=key,
        number=row.number,
        author=row.author,
        created_at=row.created_at,
        blocks={label: tuple(found[entry_id] for entry_id in block) for label, block in row.content.items()},
        notes=row.notes,
        conversation_id=row.conversation_id,
    )


def _entries(connection: Connection, *, mind_id: str, ids: Iterable[str]) -> dict[str, Entry]:
    wanted = sorted(ids)
    quoted: dict[str, list[Evidence]] = {}
    for row in _for_ids(connection, _EVIDENCE, mind_id=mind_id, ids=wanted):
        quoted.setdefault(row.entry_id, []).append(Evidence(row.conversation_id, row.turn, row.quote))
    rows = _for_ids(connection, _ENTRIES, mind_id=mind_id, ids=wanted)
    return {row.id: Entry(row.id, row.text, tuple(quoted.get(row.id, ()))) for row in rows}


def _for_ids(connection: Connection, statement: sa.Executable, *, mind_id: str, ids: Iterable[str]) -> list[Row[Any]]:
    remaining = iter(ids)
    rows: list[Row[Any]] = []
    while chunk := list(itertools.islice(remaining, _IDS_AT_ONCE)):
        rows.extend(connection.execute(statement, {"mind_id": mind_id, "ids": chunk}))
    return rows


def _named(key: MindKey) -> dict[str, str]:
    return {"tenant": key.tenant, "agent": key.agent, "user_id": key.user_id}
