"""The store on SQLite or PostgreSQL: a part for each part of the contract, over one open database."""

from __future__ import annotations

from voicemind.store.sql_minds import SqlMinds
from voicemind.store.sql_people import SqlMeetings, SqlPeople, SqlRecordings
from voicemind.store.sql_talks import SqlConversations, SqlReflections


class SqlStore(SqlConversations, SqlMinds, SqlReflections, SqlMeetings, SqlRecordings, SqlPeople):
    """Implements `Store`. The duties of each method stand in the contract."""
