"""Lists that are read page by page, each page by where the one before it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa


def newest_first(
    statement: sa.Select[*tuple[Any, ...]], table: sa.Table, *, before: tuple[datetime, str] | None
) -> sa.Select[*tuple[Any, ...]]:
    """By `created_at`, then id, both descending; with `before`, what is behind that place."""
    created_at, identity = table.c.created_at, table.c.id
    if before is not None:
        moment, last = before
        statement = statement.where(
            sa.or_(created_at < moment, sa.and_(created_at == moment, identity < last)), created_at <= moment
        )
    return statement.order_by(created_at.desc(), identity.desc())
