"""Takes erased bytes out of the files: deleting a row alone leaves them in free pages, in the search index and in the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from voicemind.store.database import LOCK_WAIT_S, kind
from voicemind.store.tables import SEARCH_TABLE

TRIES = 20
PAUSE_S = 0.1
"""Between two tries to empty SQLite's log: what stands in the way is a read, and those take milliseconds."""
_WAIT_MS = 250
"""Nobody else writes while we wait for another process."""
_BUSY = {"SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED", "55P03"}
_FREED = (
    *("entries", "evidence", "archived_entries", "entry_vectors", "mind_versions", "minds", SEARCH_TABLE),
    *("conversations", "turns", "reflections", "meetings", "users"),
)


def rewrite(engine: Engine) -> bool:
    """Rewrite the file, or free the rows (PostgreSQL). False where another process is in the way.

    SQLite's log still holds both, until `empty_log`.
    """
    try:
        if engine.dialect.name == "sqlite":
            _rewrite_sqlite(engine)
        else:
            _vacuum_postgres(engine)
    except (DBAPIError, sqlite3.Error) as error:
        if kind(error) in _BUSY:
            return False
        raise
    return True


def empty_log(engine: Engine) -> bool:
    """Copy SQLite's log into the file and cut it to nothing. False where a reader is in the way. PostgreSQL's is its own affair."""
    if engine.dialect.name != "sqlite":
        return True
    try:
        with _waiting_briefly(engine) as raw:
            (busy, _, _) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        if kind(error) in _BUSY:
            return False
        raise
    return not busy


def _rewrite_sqlite(engine: Engine) -> None:
    """The search index keeps the words of deleted rows until it is built anew; pages keep copies from when they were split."""
    with _waiting_briefly(engine) as raw:
        raw.execute(f"INSERT INTO {SEARCH_TABLE} ({SEARCH_TABLE}) VALUES ('rebuild')")  # noqa: S608 - a constant
        raw.execute("VACUUM")


def _vacuum_postgres(engine: Engine) -> None:
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for table in _FREED:
            connection.exec_driver_sql(f"VACUUM {table}")


@contextmanager
def _waiting_briefly(engine: Engine) -> Generator[sqlite3.Connection]:
    """The driver's own connection: each statement is a transaction of its own."""
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
        try:
            yield raw
        finally:
            raw.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_S * 1000}")
