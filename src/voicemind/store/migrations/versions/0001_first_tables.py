"""The first tables: people, minds with their versions and entries, conversations with their turns and reflections."""

import sqlalchemy as sa
from alembic import op

from voicemind.store.tables import UtcTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    _people_and_conversations()
    _minds()
    _turns_and_reflections()


def _people_and_conversations() -> None:
    op.create_table(
        "minds",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("agent", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_minds")),
        sa.UniqueConstraint("tenant", "agent", "user_id", name=op.f("uq_minds_tenant_agent_user_id")),
    )
    op.create_table(
        "users",
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("anonymous", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_users")),
    )
    op.create_table(
        "conversations",
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("agent", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("channel", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("anonymous", sa.Boolean(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("active_at", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant", "user_id"], ["users.tenant", "users.id"], name=op.f("fk_conversations_tenant_user_id")
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_conversations")),
    )
    op.create_index(op.f("ix_conversations_status_active_at"), "conversations", ["status", "active_at"], unique=False)


def _minds() -> None:
    op.create_table(
        "entries",
        sa.Column("mind_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["mind_id"], ["minds.id"], name=op.f("fk_entries_mind_id")),
        sa.PrimaryKeyConstraint("mind_id", "id", name=op.f("pk_entries")),
    )
    op.create_table(
        "mind_versions",
        sa.Column("mind_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("author", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(["mind_id"], ["minds.id"], name=op.f("fk_mind_versions_mind_id")),
        sa.PrimaryKeyConstraint("mind_id", "number", name=op.f("pk_mind_versions")),
    )
    op.create_table(
        "evidence",
        sa.Column("mind_id", sa.String(length=64), nullable=False),
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("conversation_id", sa.String(length=255), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mind_id", "entry_id"], ["entries.mind_id", "entries.id"], name=op.f("fk_evidence_mind_id_entry_id")
        ),
        sa.PrimaryKeyConstraint("mind_id", "entry_id", "position", name=op.f("pk_evidence")),
    )
    op.create_index(op.f("ix_evidence_tenant_conversation_id"), "evidence", ["tenant", "conversation_id"], unique=False)


def _turns_and_reflections() -> None:
    op.create_table(
        "reflections",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("conversation_id", sa.String(length=255), nullable=False),
        sa.Column("mind_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("worker", sa.String(length=255), nullable=False),
        sa.Column("before", sa.Integer(), nullable=True),
        sa.Column("after", sa.Integer(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("error", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["mind_id"], ["minds.id"], name=op.f("fk_reflections_mind_id")),
        sa.ForeignKeyConstraint(
            ["tenant", "conversation_id"],
            ["conversations.tenant", "conversations.id"],
            name=op.f("fk_reflections_tenant_conversation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reflections")),
        sa.UniqueConstraint("tenant", "conversation_id", name=op.f("uq_reflections_tenant_conversation_id")),
    )
    op.create_index(op.f("ix_reflections_mind_id_status"), "reflections", ["mind_id", "status"], unique=False)
    op.create_index(op.f("ix_reflections_status_due_at"), "reflections", ["status", "due_at"], unique=False)
    op.create_table(
        "turns",
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("conversation_id", sa.String(length=255), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("generated", sa.Text(), nullable=False),
        sa.Column("heard", sa.Text(), nullable=True),
        sa.Column("interrupted", sa.Boolean(), nullable=False),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("timings_ms", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "conversation_id"],
            ["conversations.tenant", "conversations.id"],
            name=op.f("fk_turns_tenant_conversation_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "conversation_id", "seq", name=op.f("pk_turns")),
        sqlite_with_rowid=False,
    )
