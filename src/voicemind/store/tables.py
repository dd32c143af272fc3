"""The tables as they are now; the migrations lead to exactly these, which a test compares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

ID_LENGTH = 255
"""Longest id from outside, in characters: PostgreSQL cannot index much longer ones."""


class UtcTime(TypeDecorator[datetime]):
    """A moment with its zone, always UTC.

    SQLite has no such type: there it is text of one width (`2026-01-31T09:00:00.000000+00:00`), so that text order is
    time order.
    """

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(sa.String(32) if dialect.name == "sqlite" else sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return datetime.fromisoformat(value) if dialect.name == "sqlite" else value.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _outside(name: str, **options: Any) -> sa.Column[str]:
    """An id that somebody else chose."""
    return sa.Column(name, sa.String(ID_LENGTH), nullable=False, **options)


def _ours(name: str, **options: Any) -> sa.Column[str]:
    """An id of ours: a UUIDv7 in text form, or what an importer gave."""
    return sa.Column(name, sa.String(64), nullable=False, **options)


users = sa.Table(
    "users",
    metadata,
    _outside("tenant"),
    _outside("id"),
    sa.Column("anonymous", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
)

minds = sa.Table(
    "minds",
    metadata,
    _ours("id"),
    _outside("tenant"),
    _outside("agent"),
    _outside("user_id"),
    sa.Column("version", sa.Integer, nullable=False),  # the newest number: whoever raises it has won
    sa.Column("created_at", UtcTime, nullable=False),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("tenant", "agent", "user_id"),
)

mind_versions = sa.Table(
    "mind_versions",
    metadata,
    _ours("mind_id"),
    sa.Column("number", sa.Integer, nullable=False),
    _outside("tenant"),
    sa.Column("author", sa.String(16), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),  # label -> ids of its entries, in order
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("conversation_id", sa.String(ID_LENGTH)),
    sa.Column("changes", sa.JSON, nullable=False, server_default="[]"),  # what differs from the version before, in ids
    sa.Column("restores", sa.Integer),
    sa.PrimaryKeyConstraint("mind_id", "number"),
    sa.ForeignKeyConstraint(["mind_id"], ["minds.id"]),
)

entries = sa.Table(
    "entries",
    metadata,
    _ours("mind_id"),
    _ours("id"),
    _outside("tenant"),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),  # the number that brought it in
    sa.Column("origins", sa.JSON, nullable=False, server_default="[]"),  # ids of the entries whose words it took over
    sa.Column("at", UtcTime),
    sa.Column("cue", sa.Text, nullable=False, server_default=""),
    sa.PrimaryKeyConstraint("mind_id", "id"),
    sa.ForeignKeyConstraint(["mind_id"], ["minds.id"]),
)

evidence = sa.Table(
    "evidence",
    metadata,
    _ours("mind_id"),
    _ours("entry_id"),
    sa.Column("position", sa.Integer, nullable=False),
    _outside("tenant"),
    _outside("conversation_id"),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("quote", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("mind_id", "entry_id", "position"),
    sa.ForeignKeyConstraint(["mind_id", "entry_id"], ["entries.mind_id", "entries.id"]),
    sa.Index(None, "tenant", "conversation_id"),
)

archived_entries = sa.Table(
    "archived_entries",
    metadata,
    _ours("mind_id"),
    _ours("entry_id"),
    sa.Column("since", sa.Integer, nullable=False),  # the version that put it into the archive
    sa.Column("until", sa.Integer),  # the version that took it out; null: it is there
    _outside("tenant"),
    sa.Column("block", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("mind_id", "entry_id", "since"),
    sa.ForeignKeyConstraint(["mind_id", "entry_id"], ["entries.mind_id", "entries.id"]),
    sa.Index(None, "mind_id", "until"),
)

entry_vectors = sa.Table(
    "entry_vectors",
    metadata,
    _ours("mind_id"),
    _ours("entry_id"),
    sa.Column("model", sa.String(64), nullable=False),
    _outside("tenant"),
    sa.Column("vector", sa.LargeBinary, nullable=False),  # float32, little endian
    sa.PrimaryKeyConstraint("mind_id", "entry_id", "model"),
    sa.ForeignKeyConstraint(["mind_id", "entry_id"], ["entries.mind_id", "entries.id"]),
)

conversations = sa.Table(
    "conversations",
    metadata,
    _outside("tenant"),
    _outside("id"),
    _outside("agent"),
    _outside("user_id"),
    _outside("channel"),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("anonymous", sa.Boolean, nullable=False),
    sa.Column("turns", sa.Integer, nullable=False),  # how many there are: the last `seq`
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("active_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),
    sa.Column("meeting_id", sa.String(ID_LENGTH)),
    sa.Column("intent_notes", sa.Text, nullable=False, server_default=""),
    sa.Column("settled_at", UtcTime),
    sa.Column("recording", sa.String(64)),  # name of its file
    sa.Column(
        "records", sa.Boolean, nullable=False, server_default=sa.false()
    ),  # whether whoever opened it last agreed
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.ForeignKeyConstraint(["tenant", "user_id"], ["users.tenant", "users.id"]),
    sa.Index(None, "tenant", "created_at", "id"),
    sa.Index(None, "tenant", "meeting_id"),
    sa.Index(None, "tenant", "user_id"),
    sa.Index(None, "status", "active_at"),
)

turns = sa.Table(
    "turns",
    metadata,
    _outside("tenant"),
    _outside("conversation_id"),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("generated", sa.Text, nullable=False),
    sa.Column("heard", sa.Text),
    sa.Column("interrupted", sa.Boolean, nullable=False),
    sa.Column("modality", sa.String(16), nullable=False),
    sa.Column("timings_ms", sa.JSON(none_as_null=True)),  # null: nothing was measured
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("calls", sa.JSON(none_as_null=True)),  # null: none
    sa.PrimaryKeyConstraint("tenant", "conversation_id", "seq"),
    sa.ForeignKeyConstraint(["tenant", "conversation_id"], ["conversations.tenant", "conversations.id"]),
    sqlite_with_rowid=False,  # the turns of a conversation lie side by side
)

reflections = sa.Table(
    "reflections",
    metadata,
    _ours("id"),
    _outside("tenant"),
    _outside("conversation_id"),
    _ours("mind_id"),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),  # claims: the number also tells one from the next
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("lost", sa.Integer, nullable=False, server_default="0"),  # leases that ran out
    sa.Column("due_at", UtcTime, nullable=False),  # waiting: not before; running: when the lease runs out
    _outside("worker"),
    sa.Column("before", sa.Integer),
    sa.Column("after", sa.Integer),
    sa.Column("notes", sa.Text, nullable=False),
    _outside("error"),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("proposal", sa.JSON(none_as_null=True)),  # what waits for a person's word
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("tenant", "conversation_id"),
    sa.ForeignKeyConstraint(["mind_id"], ["minds.id"]),
    sa.ForeignKeyConstraint(["tenant", "conversation_id"], ["conversations.tenant", "conversations.id"]),
    sa.Index(None, "status", "due_at"),
    sa.Index(None, "mind_id", "status"),
)

meetings = sa.Table(
    "meetings",
    metadata,
    _outside("tenant"),
    _outside("id"),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("participants", sa.JSON, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
)

agents = sa.Table(
    "agents",
    metadata,
    _outside("tenant"),
    _outside("slug"),
    sa.Column("definition", sa.JSON, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "slug"),
)

erasures = sa.Table(
    "erasures",
    metadata,
    _ours("id"),
    _outside("tenant"),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("counts", sa.JSON, nullable=False),  # numbers alone
    sa.Column("scrubbed", sa.Boolean, nullable=False),  # whether the bytes have left the files too
    sa.PrimaryKeyConstraint("id"),
)

tombstones = sa.Table(
    "tombstones",
    metadata,
    _outside("tenant"),
    sa.Column("digest", sa.String(32), nullable=False),  # of the id of an erased entry or conversation
    sa.PrimaryKeyConstraint("tenant", "digest"),
)

SEARCH_TABLE = "entry_search"
"""Full-text search over the entries: an FTS5 table on SQLite, a table with a tsvector on PostgreSQL, so it is no `Table` here.

Both have `mind_id` and `entry_id`; `words` holds the entry's text and cue.
"""
