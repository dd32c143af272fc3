"""Reads that a reply waits for, on SQLite straight through its driver: SQLAlchemy takes longer for them than the database."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection


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


@cache
def _in_sqlite(statement: sa.Select[*tuple[Any, ...]]) -> str:
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))
