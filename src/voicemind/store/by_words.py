"""Full-text search: which archived entries of a mind hold the words of a question, the best first."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicemind.store import straight
from voicemind.store.found import Match
from voicemind.store.tables import entries

_WORDS_AT_MOST = 40
_RANKED = 600
"""Entries that hold a word of the question, before its common words are left out."""
_SQLITE_FIND = "SELECT entry_id FROM entry_search WHERE entry_search MATCH :query ORDER BY bm25(entry_search, 0.0, 1.0) LIMIT :limit"
_SQLITE_COUNTS = (
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM entry_search WHERE entry_search MATCH asked.value LIMIT :most)) "
    "FROM json_each(:queries) AS asked ORDER BY asked.key"
)
_SQLITE_TEXTS = (
    "SELECT entries.id, text, cue FROM json_each(:ids) AS asked "
    "CROSS JOIN entries ON entries.mind_id = :mind_id AND entries.id = asked.value ORDER BY asked.key"
)
_POSTGRES_FIND = sa.text(
    "SELECT entry_id FROM entry_search, to_tsquery('english', :query) asked "
    "WHERE mind_id = :mind_id AND words @@ asked ORDER BY ts_rank(words, asked) DESC, entry_id LIMIT :limit"
)
_TEXTS = sa.select(entries.c.id, entries.c.text, entries.c.cue).where(
    entries.c.mind_id == sa.bindparam("mind_id"), entries.c.id.in_(sa.bindparam("ids", expanding=True))
)


def best(connection: Connection, mind_id: str, *, words: Iterable[str], limit: int) -> list[str]:
    """Ids of the entries that hold any of the words."""
    return _best(connection, mind_id, plain=_plain(words), limit=limit)


def matches(connection: Connection, mind_id: str, *, words: Iterable[str], limit: int) -> tuple[Match, ...]:
    """The same with their texts, quickly.

    SQLite spends 2 microseconds on each entry that holds one of the words. Where those are many, words that are in hundreds of
    entries are left out, as long as the others are enough: they tell little, and they are what would take the time.
    """
    plain = _plain(words)
    rarer = _rarer(connection, plain, enough=limit) if straight.is_possible(connection) else plain
    ids = _best(connection, mind_id, plain=rarer, limit=limit)
    if len(ids) < limit and len(rarer) < len(plain):
        ids = _best(connection, mind_id, plain=plain, limit=limit)
    if straight.is_possible(connection):
        found = straight.rows(connection, _SQLITE_TEXTS, mind_id=mind_id, ids=straight.listed(ids))
        return tuple(Match(*row) for row in found)
    by_id = {row.id: Match(*row) for row in connection.execute(_TEXTS, {"mind_id": mind_id, "ids": ids})}
    return tuple(by_id[entry_id] for entry_id in ids if entry_id in by_id)


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


def _rarer(connection: Connection, plain: Sequence[str], *, enough: int) -> list[str]:
    """The words without the most common ones: so many that the others are in at least `enough` entries of all minds, and in few more than `_RANKED`."""
    if len(plain) < 2:
        return list(plain)
    queries = straight.listed(_any_of([word]) for word in plain)
    rows = straight.rows(connection, _SQLITE_COUNTS, queries=queries, most=_RANKED)
    counts = {word: count for word, (count,) in zip(plain, rows, strict=True)}
    chosen: list[str] = []
    together = 0
    for word in sorted(plain, key=counts.__getitem__):
        if together >= enough and together + counts[word] > _RANKED:
            break
        together += counts[word]
        chosen.append(word)
    return chosen


def _any_of(plain: Sequence[str]) -> str:
    return f"words : ({' OR '.join(f'{chr(34)}{word}{chr(34)}' for word in plain)})"


def _plain(words: Iterable[str]) -> list[str]:
    """Letters and digits alone, each word once."""
    split = (re.findall(r"\w+", word.replace("_", " ").casefold()) for word in words)
    return list(dict.fromkeys(itertools.chain.from_iterable(split)))[:_WORDS_AT_MOST]
