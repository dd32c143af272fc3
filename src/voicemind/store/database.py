"""The one door to the database: its address, its connections, and its errors in our words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, SQLAlchemyError

from voicemind.clock import monotonic_s
from voicemind.errors import BadRequest, Misconfigured, StorageUnavailable

SETTING = "VOICEMIND_DATABASE_URL"
ACCEPTED = "sqlite:////folder/voicemind.db or postgresql://user:password@host:5432/database"
READERS = 8
"""Reads at once: more threads than this only wait for each other."""
LOCK_WAIT_S = 5
CHECKPOINT_PAGES = 10_000
"""SQLite copies its log (here 40 MB) into the file within a commit: fifty writers fill its default in eight commits."""
CACHE_KIB = 512
"""Of the file's pages, for each connection. SQLite's own 2,000 would hold the same pages nine times, which the system keeps in memory anyway."""
CONNECT_WAIT_S = 5

_POSTGRES = {"postgres", "postgresql", "postgresql+psycopg"}
_SQLITE = {"sqlite", "sqlite+pysqlite"}
_KEEPALIVE = {
    "connect_timeout": CONNECT_WAIT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def parse_url(address: str) -> URL:
    """The address with its driver named.

    Raises Misconfigured, which never repeats the address: it may hold a password.
    """
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise Misconfigured(SETTING, "this is not the address of a database", accepted=ACCEPTED) from None
    if url.drivername in _POSTGRES:
        if not url.database:
            raise Misconfigured(SETTING, "the address names no database", accepted=ACCEPTED)
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in _SQLITE:
        raise Misconfigured(SETTING, f"{url.drivername!r} is no database that Voicemind can use", accepted=ACCEPTED)
    if not url.database or url.database.startswith((":", "file:")) or url.host or url.query:
        raise Misconfigured(SETTING, "SQLite needs the path of a file, and nothing else", accepted=ACCEPTED)
    return url.set(drivername="sqlite", database=str(Path(url.database).expanduser().absolute()))


def open_engine(url: URL) -> Engine:
    """Connections to the database: one for each reader and one for the writer. Connects to nothing yet."""
    options: dict[str, Any] = {
        "pool_size": READERS + 1,
        "max_overflow": 0,
        "pool_timeout": LOCK_WAIT_S,
        "hide_parameters": True,
        "json_serializer": _to_json,
        "json_deserializer": msgspec.json.decode,
    }
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, connect_args={"timeout": LOCK_WAIT_S}, **options)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = sa.create_engine(url, pool_pre_ping=True, connect_args=_KEEPALIVE, **options)
    except ImportError:
        problem = "PostgreSQL needs its driver: pip install 'voicemind[postgres]'"
        raise Misconfigured(SETTING, problem, accepted=ACCEPTED) from None
    event.listen(engine, "connect", _configure_postgres)
    return engine


def writing(engine: Engine) -> Engine:
    """The same connections, for writing.

    On SQLite a transaction then takes the write lock when it begins, so that it never fails half way for want of it.
    """
    return engine.execution_options(voicemind_writes=True)


@contextmanager
def translated() -> Generator[None]:
    """Foreign errors become ours.

    The message names the kind of failure alone: the database's own text may repeat what was stored.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError, UnicodeError) as error:
        raise explained(error) from None


def explained(error: Exception) -> BadRequest | StorageUnavailable:
    """Our error for a foreign one: BadRequest where the value itself cannot be stored, else StorageUnavailable."""
    if isinstance(error, (DataError, UnicodeError)):
        return BadRequest("a value holds characters or a length that the database cannot store")
    return StorageUnavailable(f"the database cannot be used now ({kind(error)})")


def kind(error: Exception) -> str:
    """The failure in one word without values: SQLite's name, PostgreSQL's code, or the error's class."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None)
    return str(name or type(origin or error).__name__)


def make_file(path: Path) -> None:
    """Make the database's folder and file, for our own eyes only, where they do not exist yet."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    """FULL: a commit is on the disk before it returns. What is deleted is overwritten, for what `scrub` has not rewritten yet.

    The driver's own transactions are off: they leave out DDL, and a migration that is killed must leave nothing behind.
    """
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_S * 1000}")
    _keep_a_log(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Write-ahead logging, which the file remembers.

    Turning it on in a new file fails at once while another does the same: SQLite's own wait does not cover it.
    """
    deadline = monotonic_s() + LOCK_WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or monotonic_s() > deadline:
                raise
            sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("voicemind_writes")
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")  # SQLAlchemy takes ten times as long over it
    except sqlite3.Error as error:
        raise DBAPIError.instance(None, None, error, sqlite3.Error, hide_parameters=True) from error


def _configure_postgres(connection: Any, _record: Any) -> None:
    """No statement waits for another process's lock for ever."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_WAIT_S}s'")
    connection.commit()
