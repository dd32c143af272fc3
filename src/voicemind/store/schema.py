"""Brings a database to the tables of this version at start, or says why it will not."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from voicemind.clock import monotonic_s
from voicemind.errors import Misconfigured
from voicemind.store.database import ACCEPTED, SETTING, kind, make_file, writing

HEAD = "0006"
"""The newest step in migrations/versions; known here because an ordinary start has no time to import Alembic."""
VERSION_TABLE = "voicemind_schema"
CHECK_BUDGET_S = 0.5
"""A start waits this long for the file's check; what a huge file has beyond is left to the reads."""

_ADVISORY_LOCK = 0x766F6963656D696E  # "voicemin": one process at a time migrates a PostgreSQL
_WAY_OUT = "restore a back-up over it, or move it away to begin with an empty one"
_log = structlog.get_logger()


def prepare(engine: Engine) -> None:
    """Check the file (SQLite) and migrate.

    Raises Misconfigured for a database that is corrupt, newer, or somebody else's; otherwise foreign errors.
    """
    if engine.dialect.name == "sqlite":
        _check_file(engine)
    with engine.connect() as connection:
        if stored_revision(connection) == HEAD:
            return
    _migrate(engine)


def stored_revision(connection: Connection) -> str | None:
    """Which step the database has come to; None: it is empty."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar_one_or_none()  # noqa: S608 - a constant


def _migrate(engine: Engine) -> None:
    """All steps in one transaction, so that a start that is killed leaves the database as it was."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from voicemind.store.tables import metadata

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with writing(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        revision = stored_revision(connection)
        if revision == HEAD:
            return
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if revision is not None and revision not in known:
            problem = f"the database was written by a newer Voicemind (schema {revision}, this one knows {HEAD})"
            raise Misconfigured(SETTING, problem, accepted="a newer Voicemind, or another database")
        foreign = set(metadata.tables).intersection(sa.inspect(connection).get_table_names())
        if revision is None and foreign:
            problem = f"the database has a table {min(foreign)!r} that is not Voicemind's"
            raise Misconfigured(SETTING, problem, accepted="an empty database")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    _log.info("schema migrated", before=revision, after=HEAD)


def _check_file(engine: Engine) -> None:
    """Raises Misconfigured for a file that is none of SQLite's, is damaged, or cannot be opened."""
    path = Path(str(engine.url.database))
    try:
        make_file(path)
    except OSError as error:
        problem = f"the database file {path} cannot be opened ({error.strerror})"
        raise Misconfigured(SETTING, problem, accepted=ACCEPTED) from None
    try:
        with engine.connect() as connection:
            findings = _quick_check(connection)
    except (DBAPIError, sqlite3.Error) as error:
        if kind(error).startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            raise Misconfigured(SETTING, f"the database file {path} is damaged", accepted=_WAY_OUT) from None
        if kind(error).startswith("SQLITE_CANTOPEN"):
            problem = f"the database file {path} cannot be opened"
            raise Misconfigured(SETTING, problem, accepted=ACCEPTED) from None
        raise
    if findings != ["ok"]:
        raise Misconfigured(SETTING, f"the database file {path} is damaged", accepted=_WAY_OUT)


def _quick_check(connection: Connection) -> list[str]:
    """SQLite's own findings, `["ok"]` for none; it is stopped after CHECK_BUDGET_S and then counts as none."""
    raw: Any = connection.connection.driver_connection
    deadline = monotonic_s() + CHECK_BUDGET_S
    raw.set_progress_handler(lambda: int(monotonic_s() > deadline), 10_000)
    try:
        return [str(row[0]) for row in raw.execute("PRAGMA quick_check(1)")]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname == "SQLITE_INTERRUPT":
            return ["ok"]
        raise
    finally:
        raw.set_progress_handler(None, 0)
