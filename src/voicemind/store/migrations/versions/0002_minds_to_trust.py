"""Minds that can be trusted: reasons and undo, an archive that is searched, review, meetings, agents by API, erasure."""

import sqlalchemy as sa
from alembic import op

from voicemind.store.tables import UtcTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _minds()
    _search()
    _conversations_and_reflections()
    _new_tables()


def _minds() -> None:
    op.add_column("mind_versions", sa.Column("changes", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("mind_versions", sa.Column("restores", sa.Integer(), nullable=True))
    op.add_column("entries", sa.Column("origins", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("entries", sa.Column("at", UtcTime(), nullable=True))
    op.add_column("entries", sa.Column("cue", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "archived_entries",
        sa.Column("mind_id", sa.String(length=64), nullable=False),
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("block", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["mind_id", "entry_id"],
            ["entries.mind_id", "entries.id"],
            name=op.f("fk_archived_entries_mind_id_entry_id"),
        ),
        sa.PrimaryKeyConstraint("mind_id", "entry_id", "since", name=op.f("pk_archived_entries")),
    )
    op.create_index(op.f("ix_archived_entries_mind_id_until"), "archived_entries", ["mind_id", "until"])
    op.create_table(
        "entry_vectors",
        sa.Column("mind_id", sa.String(length=64), nullable=False),
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mind_id", "entry_id"], ["entries.mind_id", "entries.id"], name=op.f("fk_entry_vectors_mind_id_entry_id")
        ),
        sa.PrimaryKeyConstraint("mind_id", "entry_id", "model", name=op.f("pk_entry_vectors")),
    )


def _search() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # `mind` is one token for each mind, so that a match stays within it.
        op.execute(
            "CREATE VIRTUAL TABLE entry_search USING fts5(mind, words, mind_id UNINDEXED, entry_id UNINDEXED, "
            "tokenize = 'porter unicode61')"
        )
        return
    op.execute(
        "CREATE TABLE entry_search (mind_id varchar(64) NOT NULL, entry_id varchar(64) NOT NULL, "
        "tenant varchar(255) NOT NULL, words tsvector NOT NULL, CONSTRAINT pk_entry_search PRIMARY KEY (mind_id, entry_id))"
    )
    op.execute("CREATE INDEX ix_entry_search_words ON entry_search USING gin (words)")


def _conversations_and_reflections() -> None:
    op.add_column("conversations", sa.Column("meeting_id", sa.String(length=255), nullable=True))
    op.add_column("conversations", sa.Column("intent_notes", sa.Text(), server_default="", nullable=False))
    op.create_index(op.f("ix_conversations_tenant_created_at_id"), "conversations", ["tenant", "created_at", "id"])
    op.create_index(op.f("ix_conversations_tenant_meeting_id"), "conversations", ["tenant", "meeting_id"])
    op.create_index(op.f("ix_conversations_tenant_user_id"), "conversations", ["tenant", "user_id"])
    op.add_column("reflections", sa.Column("proposal", sa.JSON(none_as_null=True), nullable=True))


def _new_tables() -> None:
    op.create_table(
        "meetings",
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("participants", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_meetings")),
    )
    op.create_table(
        "agents",
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("slug", sa.String(length=255), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "slug", name=op.f("pk_agents")),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("scrubbed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
