"""Reads and writes that a reply waits for, on SQLite straight through its driver: SQLAlchemy takes longer for them than the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from voicemind.store.tables import UtcTime

Row = Mapping[str, Any]


def is_possible(connection: Connection) -> bool:
    """Whether this is SQLite."""
    return connection.dialect.name == "sqlite"


def rows(connection: Connection, statement: str, **named: object) -> list[tuple[Any, ...]]:
    """All rows of a statement with its `:names`, in the connection's transaction. Raises sqlite3.Error."""
    if not connection.in_transaction():
        connection.begin()
    driver: Any = connection.connection.driver_connection
    found: list[tuple[Any, ...]] = driver.execute(statement, named).fetchall()
    return found


def listed(values: Iterable[str]) -> str:
    """What `json_each` makes a table of: a list of any length is one parameter, and the statement stays prepared."""
    return msgspec.json.encode(list(values)).decode()


def first(connection: Connection, statement: sa.Select[*tuple[Any, ...]], **named: object) -> Any:
    """The first row of a constant statement, on either database; None where there is none. Its columns are texts and whole numbers, which the driver gives as they are."""
    if not is_possible(connection):
        return connection.execute(statement, named).first()
    found = rows(connection, _in_sqlite(statement), **named)
    return found[0] if found else None


def insert(connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Put rows, each with the same columns, into a table, on either database. Raises DBAPIError."""
    if not is_possible(connection):
        connection.execute(sa.insert(table), rows)
        return
    statement, kept = _insertion(table, tuple(rows[0]))
    _many(
        connection, statement, [{name: keep(row[name]) if keep else row[name] for name, keep in kept} for row in rows]
    )


def change(connection: Connection, statement: sa.Update | sa.Delete, rows: Sequence[Row]) -> None:
    """Do a constant statement for each row, on either database; moments are the only values that SQLite takes in another form. Raises DBAPIError."""
    if not is_possible(connection):
        connection.execute(statement, rows)
        return
    _many(connection, _in_sqlite(statement), [{name: _plain(value) for name, value in row.items()} for row in rows])


def _many(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    try:
        driver.executemany(statement, rows)
    except sqlite3.Error as error:  # as SQLAlchemy has it, for whoever decides whether it is worth repeating
        raise DBAPIError.instance(None, None, error, sqlite3.Error, hide_parameters=True) from error


@cache
def _insertion(
    table: sa.Table, columns: tuple[str, ...]
) -> tuple[str, tuple[tuple[str, Callable[[Any], Any] | None], ...]]:
    """The statement, and what each column's values become."""
    names, places = ", ".join(f'"{name}"' for name in columns), ", ".join(f":{name}" for name in columns)
    kept = tuple((name, _form(table.c[name])) for name in columns)
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({places})', kept  # noqa: S608 - names of ours


def _form(column: sa.Column[Any]) -> Callable[[Any], Any] | None:
    if isinstance(column.type, UtcTime):
        return _moment
    if isinstance(column.type, sa.JSON):
        return _json if column.nullable else _any_json
    return None


def _plain(value: Any) -> Any:
    return _moment(value) if isinstance(value, datetime) else value


def _moment(value: datetime | None) -> str | None:
    """See UtcTime."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")


def _json(value: Any) -> str | None:
    return None if value is None else _any_json(value)


def _any_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@cache
def _in_sqlite(statement: sa.Select[*tuple[Any, ...]] | sa.Update | sa.Delete) -> str:
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))
