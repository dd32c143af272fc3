"""Attempts at a reflection that failed, and those whose process died over them, counted apart."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for name in ("failures", "lost"):
        op.add_column("reflections", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
