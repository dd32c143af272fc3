"""Full-text search: which archived entries of a mind hold the words of a question, the best first."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicemind.store import rarity, straight
from voicemind.store.found import Match
from voicemind.store.tables import entries

_WORDS_AT_MOST = 40
_ROWS_OF_MIND = 1 << 24
_SQLITE_FIND = "SELECT entry_id FROM entry_search WHERE entry_search MATCH :query ORDER BY bm25(entry_search, 0.0, 1.0) LIMIT :limit"
_SQLITE_HOLDING = (
    "SELECT (SELECT json_group_array(at) FROM (SELECT rowid AS at FROM entry_search "
    "WHERE entry_search MATCH asked.value AND rowid BETWEEN :first AND :last ORDER BY rowid DESC LIMIT :most)) "
    "FROM json_each(:queries) AS asked ORDER BY asked.key"
)
_SQLITE_TEXTS = (
    "SELECT asked.value, entries.id, text, cue FROM json_each(:rows) AS asked "
    "CROSS JOIN entry_search ON entry_search.rowid = asked.value AND entry_search.mind_id = :mind_id "
    "CROSS JOIN entries ON entries.mind_id = :mind_id AND entries.id = entry_search.entry_id"
)
_SQLITE_NEWEST = "SELECT rowid FROM entry_search WHERE rowid BETWEEN :first AND :last ORDER BY rowid DESC LIMIT 1"
_POSTGRES_FIND = sa.text(
    "SELECT entry_id FROM entry_search, to_tsquery('english', :query) asked "
    "WHERE mind_id = :mind_id AND words @@ asked ORDER BY ts_rank(words, asked) DESC, entry_id LIMIT :limit"
)
_TEXTS = sa.select(entries.c.id, entries.c.text, entries.c.cue).where(
    entries.c.mind_id == sa.bindparam("mind_id"), entries.c.id.in_(sa.bindparam("ids", expanding=True))
)

_NUMBERS = msgspec.json.Decoder(list[int])


def best(connection: Connection, mind_id: str, *, words: Iterable[str], limit: int) -> list[str]:
    """Ids of the entries that hold any of the words."""
    return _best(connection, mind_id, plain=_plain(words), limit=limit)


def matches(connection: Connection, mind_id: str, *, words: Iterable[str], limit: int) -> tuple[Match, ...]:
    """The same with their texts, quickly.

    SQLite's bm25 spends 2 microseconds on each entry that holds one of the words, and counts the entries of all minds for each word.
    Here SQLite only lists the mind's own entries, and `rarity` ranks them.
    """
    plain = _plain(words)
    if straight.is_possible(connection):
        return _rarest(connection, mind_id, plain=plain, limit=limit)
    ids = _best(connection, mind_id, plain=plain, limit=limit)
    by_id = {row.id: Match(*row) for row in connection.execute(_TEXTS, {"mind_id": mind_id, "ids": ids})}
    return tuple(by_id[entry_id] for entry_id in ids if entry_id in by_id)


def rows_of(mind_id: str) -> tuple[int, int]:
    """SQLite: the first and the last number that rows of this mind's entries may have.

    What a search finds of one mind is a range. Two minds of which a hash is the same share it, so a row's own mind is looked at, too.
    """
    first = (int.from_bytes(hashlib.sha256(mind_id.encode()).digest()[:5], "big") >> 1) * _ROWS_OF_MIND
    return first, first + _ROWS_OF_MIND - 1


def next_row(connection: Connection, mind_id: str) -> int:
    """SQLite: the number of the mind's next row."""
    first, last = rows_of(mind_id)
    newest = straight.rows(connection, _SQLITE_NEWEST, first=first, last=last)
    return newest[0][0] + 1 if newest else first


def token(mind_id: str) -> str:
    """The mind's id as one word."""
    return "m" + re.sub(r"[^0-9A-Za-z]", "", mind_id)


def _best(connection: Connection, mind_id: str, *, plain: Sequence[str], limit: int) -> list[str]:
    if not plain:
        return []
    if straight.is_possible(connection):
        query = f"mind : {token(mind_id)} AND {_any_of(plain)}"
        return [entry_id for (entry_id,) in straight.rows(connection, _SQLITE_FIND, query=query, limit=limit)]
    rows = connection.execute(_POSTGRES_FIND, {"mind_id": mind_id, "query": " | ".join(plain), "limit": limit})
    return [row.entry_id for row in rows]


def _rarest(connection: Connection, mind_id: str, *, plain: Sequence[str], limit: int) -> tuple[Match, ...]:
    first, last = rows_of(mind_id)
    among = next_row(connection, mind_id) - first
    queries = straight.listed(_any_of([word]) for word in plain)
    listed = straight.rows(connection, _SQLITE_HOLDING, queries=queries, first=first, last=last, most=rarity.MANY)
    weights = rarity.candidates([_NUMBERS.decode(row) for (row,) in listed], among=among, limit=limit)
    rows = msgspec.json.encode(list(weights)).decode()
    found = straight.rows(connection, _SQLITE_TEXTS, mind_id=mind_id, rows=rows)
    by_row = {row: Match(*of) for row, *of in found}
    return tuple(
        by_row[row]
        for row in rarity.ranked(weights, {row: len(one.text) + len(one.cue) for row, one in by_row.items()})
    )


def _any_of(plain: Sequence[str]) -> str:
    return f"words : ({' OR '.join(f'{chr(34)}{word}{chr(34)}' for word in plain)})"


def _plain(words: Iterable[str]) -> list[str]:
    """Letters and digits alone, each word once."""
    split = (re.findall(r"\w+", word.replace("_", " ").casefold()) for word in words)
    return list(dict.fromkeys(itertools.chain.from_iterable(split)))[:_WORDS_AT_MOST]
