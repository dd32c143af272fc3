"""A database that is migrated once and copied for each test: what the migrations do is looked at where they are tested."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from voicemind.store import schema
from voicemind.store.database import make_file, open_engine, parse_url


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voicemind.db"
        migrate(f"sqlite:///{path}")
        return path.read_bytes()


def migrate(url: str) -> None:
    """Make the tables of this version by the product's own way."""
    engine = open_engine(parse_url(url))
    try:
        schema.prepare(engine)
    finally:
        engine.dispose()


def place(url: str) -> None:
    """Put a migrated file where this SQLite database will be, unless there is one already; leave any other database alone."""
    address = parse_url(url)
    path = Path(address.database or "")
    if address.get_backend_name() == "sqlite" and not path.exists():
        make_file(path)
        path.write_bytes(_migrated())
