"""Which conversations may be recorded, and the name of the recording."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("recording", sa.String(length=64), nullable=True))
    op.add_column("conversations", sa.Column("records", sa.Boolean(), server_default=sa.false(), nullable=False))
