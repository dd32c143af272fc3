"""SQLite: the rows of the search are numbered mind by mind, so that a search looks at one mind's alone."""

import hashlib
from collections import defaultdict
from itertools import count

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    rows = connection.execute(sa.text("SELECT mind_id, rowid FROM entry_search ORDER BY mind_id, rowid")).all()
    numbers: defaultdict[int, count[int]] = defaultdict(count)  # two minds may share a hash
    renumbered: list[dict[str, int]] = []
    for mind_id, row in rows:
        first = (int.from_bytes(hashlib.sha256(mind_id.encode()).digest()[:5], "big") >> 1) << 24
        renumbered.append({"old": row, "new": first + next(numbers[first])})
    if renumbered:
        connection.execute(sa.text("UPDATE entry_search SET rowid = :new WHERE rowid = :old"), renumbered)
