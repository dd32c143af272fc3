"""Transcripts that a platform tells again: the calls of a turn, and when a conversation was settled."""

import sqlalchemy as sa
from alembic import op

from voicemind.store.tables import UtcTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("turns", sa.Column("calls", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("conversations", sa.Column("settled_at", UtcTime(), nullable=True))
