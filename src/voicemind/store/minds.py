"""Minds: versions that name their entries, and entries that name their evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from uuid_utils import uuid7

from voicemind.clock import utc_now
from voicemind.errors import StaleVersion
from voicemind.store import archive, people, straight
from voicemind.store.chunks import chunks
from voicemind.store.tables import entries, evidence, mind_versions, minds
from voicemind.store.turns import storable
from voicemind.store.values import Change, Entry, Evidence, MindKey, MindVersion, NewVersion

OF_KEY = sa.and_(
    minds.c.tenant == sa.bindparam("tenant"),
    minds.c.agent == sa.bindparam("agent"),
    minds.c.user_id == sa.bindparam("user_id"),
)
_ID = sa.select(minds.c.id).where(OF_KEY)
_VERSION = sa.select(mind_versions).join(minds, minds.c.id == mind_versions.c.mind_id).where(OF_KEY)
_NEWEST = _VERSION.where(mind_versions.c.number == minds.c.version)
_NUMBERED = _VERSION.where(mind_versions.c.number == sa.bindparam("number"))
_THESE = sa.and_(entries.c.mind_id == sa.bindparam("mind_id"), entries.c.id.in_(sa.bindparam("ids", expanding=True)))
_ENTRIES = sa.select(entries.c.id, entries.c.text, entries.c.origins, entries.c.at, entries.c.cue).where(_THESE)
_KNOWN = sa.select(entries.c.id).where(_THESE)
_EVIDENCE = (
    sa.select(evidence.c.entry_id, evidence.c.conversation_id, evidence.c.turn, evidence.c.quote)
    .where(evidence.c.mind_id == sa.bindparam("mind_id"), evidence.c.entry_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(evidence.c.entry_id, evidence.c.position)
)
_SQLITE_ENTRIES = (
    "SELECT entries.id, text, origins, at, cue FROM json_each(:ids) AS asked "
    "CROSS JOIN entries ON entries.mind_id = :mind_id AND entries.id = asked.value ORDER BY asked.key"
)
_SQLITE_EVIDENCE = (
    "SELECT entry_id, conversation_id, turn, quote FROM json_each(:ids) AS asked CROSS JOIN evidence "
    "ON evidence.mind_id = :mind_id AND evidence.entry_id = asked.value ORDER BY asked.key, position"
)
_NUMBER_LOCKED = sa.select(minds.c.version).where(minds.c.id == sa.bindparam("mind_id")).with_for_update()


def ensure(connection: Connection, key: MindKey, *, seed: Mapping[str, Sequence[str]]) -> str:
    """The id of the mind; a mind that is new gets version 1 with an entry for each text of `seed`."""
    return id_of(connection, key) or made(connection, key, seed=seed)[0]


def made(connection: Connection, key: MindKey, *, seed: Mapping[str, Sequence[str]]) -> tuple[str, MindVersion]:
    """The id and version 1 of a mind that did not exist: nothing of it is there to be looked for."""
    mind_id, now = str(uuid7()), utc_now()
    row = {"id": mind_id, **named(key), "version": 1, "created_at": now}
    straight.insert(connection, minds, [row])
    blocks = {
        label: tuple(Entry(id=str(uuid7()), text=storable(text)) for text in texts) for label, texts in seed.items()
    }
    fresh = [entry for block in blocks.values() for entry in block]
    if fresh:
        straight.insert(connection, entries, [_entry_row(key.tenant, mind_id, entry, number=1) for entry in fresh])
    version = NewVersion(0, "preset", blocks)
    straight.insert(connection, mind_versions, [_version_row(key.tenant, mind_id, version, now=now)])
    return mind_id, MindVersion(key, 1, "preset", now, blocks)


def ensured(connection: Connection, key: MindKey, *, seed: Mapping[str, Sequence[str]]) -> MindVersion:
    """The newest version of the mind, which is made where it did not exist; so is the person whose it is."""
    if key.user_id:
        people.ensure(connection, key.tenant, key.user_id, anonymous=False, now=utc_now())
    ensure(connection, key, seed=seed)
    version = newest(connection, key)
    assert version is not None
    return version


def newest(connection: Connection, key: MindKey) -> MindVersion | None:
    """The newest version; None where the mind does not exist."""
    return _version(connection, key, connection.execute(_NEWEST, named(key)).first())


def numbered(connection: Connection, key: MindKey, *, number: int) -> MindVersion | None:
    """One version; None where there is none of that number."""
    return _version(connection, key, connection.execute(_NUMBERED, {**named(key), "number": number}).first())


def check_newest(connection: Connection, mind_id: str, *, number: int) -> None:
    """Raises StaleVersion where `number` is not the newest; else it stays the newest until this transaction ends."""
    if connection.execute(_NUMBER_LOCKED, {"mind_id": mind_id}).scalar_one() != number:
        raise StaleVersion("somebody wrote a newer version of the mind first")


def written(connection: Connection, key: MindKey, *, version: NewVersion) -> MindVersion:
    """Write the version and return it. Raises StaleVersion where it does not follow the newest, or there is no such mind."""
    mind_id = id_of(connection, key)
    if mind_id is None:
        raise StaleVersion("there is no such mind to change")
    write(connection, key.tenant, mind_id, version=version)
    made = newest(connection, key)
    assert made is not None
    return made


def write(connection: Connection, tenant: str, mind_id: str, *, version: NewVersion) -> None:
    """Write the version and make it the newest. Raises StaleVersion where it does not follow the newest."""
    raised = connection.execute(
        sa.update(minds)
        .where(minds.c.id == mind_id, minds.c.version == version.parent)
        .values(version=version.parent + 1)
    )
    if raised.rowcount != 1:
        raise StaleVersion("somebody wrote a newer version of the mind first")
    _write(connection, tenant, mind_id, version=version)


def these(connection: Connection, key: MindKey, *, ids: Sequence[str]) -> dict[str, Entry]:
    """Entries of the mind by id; unknown ids are left out."""
    mind_id = id_of(connection, key)
    return {} if mind_id is None else loaded(connection, mind_id=mind_id, ids=ids)


def loaded(connection: Connection, *, mind_id: str, ids: Iterable[str]) -> dict[str, Entry]:
    """Entries by id with their evidence; unknown ids are left out."""
    wanted = sorted(set(ids))
    if straight.is_possible(connection):
        return _straight(connection, mind_id, ids=straight.listed(wanted))
    quoted: dict[str, list[Evidence]] = {}
    for row in _for_ids(connection, _EVIDENCE, mind_id=mind_id, ids=wanted):
        quoted.setdefault(row.entry_id, []).append(Evidence(row.conversation_id, row.turn, row.quote))
    rows = _for_ids(connection, _ENTRIES, mind_id=mind_id, ids=wanted)
    return {
        row.id: Entry(row.id, row.text, tuple(quoted.get(row.id, ())), tuple(row.origins), row.at, row.cue)
        for row in rows
    }


def _straight(connection: Connection, mind_id: str, *, ids: str) -> dict[str, Entry]:
    """What `loaded` gives, of a list of ids."""
    quoted: dict[str, list[Evidence]] = {}
    for entry_id, *of in straight.rows(connection, _SQLITE_EVIDENCE, mind_id=mind_id, ids=ids):
        quoted.setdefault(entry_id, []).append(Evidence(*of))
    return {
        entry_id: Entry(
            entry_id,
            text,
            tuple(quoted.get(entry_id, ())),
            tuple(msgspec.json.decode(origins)),
            None if at is None else datetime.fromisoformat(at),
            cue,
        )
        for entry_id, text, origins, at, cue in straight.rows(connection, _SQLITE_ENTRIES, mind_id=mind_id, ids=ids)
    }


def id_of(connection: Connection, key: MindKey) -> str | None:
    """The mind's own id; None where there is no such mind."""
    found = straight.first(connection, _ID, **named(key))
    return found[0] if found else None


def _write(connection: Connection, tenant: str, mind_id: str, *, version: NewVersion) -> None:
    number = version.parent + 1
    given = [entry for block in (*version.blocks.values(), *version.archive.values()) for entry in block]
    _add_entries(connection, tenant, mind_id, given=given, number=number)
    connection.execute(sa.insert(mind_versions), _version_row(tenant, mind_id, version, now=utc_now()))
    archive.moved(connection, tenant, mind_id, version=version)


def _version_row(tenant: str, mind_id: str, version: NewVersion, *, now: datetime) -> dict[str, Any]:
    return {
        "mind_id": mind_id,
        "number": version.parent + 1,
        "tenant": tenant,
        "author": version.author,
        "created_at": now,
        "content": {label: [entry.id for entry in block] for label, block in version.blocks.items()},
        "notes": storable(version.notes),
        "conversation_id": version.conversation_id,
        "changes": [_change_row(change) for change in version.changes],
        "restores": version.restores,
    }


def _entry_row(tenant: str, mind_id: str, entry: Entry, *, number: int) -> dict[str, Any]:
    return {
        "mind_id": mind_id,
        "tenant": tenant,
        "id": entry.id,
        "text": storable(entry.text),
        "version": number,
        "origins": list(entry.origins),
        "at": entry.at,
        "cue": storable(entry.cue),
    }


def _change_row(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "block": change.block,
        "gone": list(change.gone),
        "came": change.came,
        "reason": storable(change.reason),
    }


def _change(row: Mapping[str, Any]) -> Change:
    return Change(row["kind"], row["block"], tuple(row["gone"]), row["came"], row["reason"])


def _add_entries(connection: Connection, tenant: str, mind_id: str, *, given: Iterable[Entry], number: int) -> None:
    """Store the entries that the mind does not know yet; one that stands in two blocks is one entry."""
    by_id = {entry.id: entry for entry in given}
    known = {row.id for row in _for_ids(connection, _KNOWN, mind_id=mind_id, ids=by_id)}
    fresh = [entry for entry in by_id.values() if entry.id not in known]
    of = {"mind_id": mind_id, "tenant": tenant}
    if fresh:
        straight.insert(connection, entries, [_entry_row(tenant, mind_id, entry, number=number) for entry in fresh])
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
    found = loaded(connection, mind_id=row.mind_id, ids=ids)
    return bare(
        key, row, blocks={label: tuple(found[entry_id] for entry_id in block) for label, block in row.content.items()}
    )


def bare(key: MindKey, row: Row[Any], *, blocks: Mapping[str, tuple[Entry, ...]]) -> MindVersion:
    return MindVersion(
        key=key,
        number=row.number,
        author=row.author,
        created_at=row.created_at,
        blocks=blocks,
        notes=row.notes,
        conversation_id=row.conversation_id,
        changes=tuple(map(_change, row.changes)),
        restores=row.restores,
    )


def _for_ids(connection: Connection, statement: sa.Executable, *, mind_id: str, ids: Iterable[str]) -> list[Row[Any]]:
    rows: list[Row[Any]] = []
    for chunk in chunks(ids):
        rows.extend(connection.execute(statement, {"mind_id": mind_id, "ids": chunk}))
    return rows


def named(key: MindKey) -> dict[str, str]:
    return {"tenant": key.tenant, "agent": key.agent, "user_id": key.user_id}
