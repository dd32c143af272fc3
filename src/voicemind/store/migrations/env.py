"""Alembic's way in: runs the steps on the connection it is handed, inside that connection's own transaction."""

from alembic import context

from voicemind.store.schema import VERSION_TABLE
from voicemind.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
