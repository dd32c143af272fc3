"""Attempts at a reflection that failed, and those whose process died over them, counted apart; digests of what was erased."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for name in ("failures", "lost"):
        op.add_column("reflections", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "tombstones",
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "digest", name=op.f("pk_tombstones")),
    )
