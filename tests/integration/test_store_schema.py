"""The schema: one truth, reached from nothing or from half-way, refused where it is not ours."""

import subprocess
import sys
import textwrap

import anyio
import anyio.to_thread
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import voicemind.store.migrations
from voicemind.errors import Misconfigured
from voicemind.store import database, schema
from voicemind.store.sql import SqlStore
from voicemind.store.tables import SEARCH_TABLE, metadata
from voicemind.store.values import MindKey

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

KEY = MindKey("acme", "counsellor", "anna")

KILLED_AT_STATEMENT = textwrap.dedent("""
    import os, signal, sys
    from sqlalchemy import event
    from voicemind.store import database, schema
    engine = database.open_engine(database.parse_url(sys.argv[1]))
    left = int(sys.argv[2])
    @event.listens_for(engine, "before_cursor_execute")
    def count(connection, cursor, statement, *rest):
        global left
        if statement.lstrip().startswith(("CREATE", "INSERT", "UPDATE")):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    schema.prepare(engine)
""")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database without tables, of each kind."""
    return str(request.getfixturevalue(f"bare_{request.param}_url"))


def is_no_search_table(_: object, name: str | None, kind: str, *rest: object) -> bool:
    """Full-text search has tables of each database's own making."""
    return not (kind == "table" and (name or "").startswith(SEARCH_TABLE))


def differences(url: str) -> list[object]:
    engine = database.open_engine(database.parse_url(url))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE, "include_object": is_no_search_table}
        )
        found = list(compare_metadata(context, metadata))
    engine.dispose()
    return found


async def started_and_closed(url: str) -> None:
    store = SqlStore(url)
    with anyio.fail_after(60):
        await store.start()
        await store.open_conversation(KEY, "talk", user_id="anna", channel="browser")
        await store.aclose()


def at_step(url: str, step: str) -> None:
    """Make the tables of an older Voicemind."""
    config = Config()
    config.set_main_option("script_location", str(voicemind.store.migrations.__path__[0]))
    engine = database.open_engine(database.parse_url(url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, step)
    engine.dispose()


def change(url: str, statement: str) -> None:
    engine = database.open_engine(database.parse_url(url))
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


async def test_the_migrations_lead_from_nothing_to_exactly_the_tables(store: SqlStore, database_url: str) -> None:
    await store.check()
    assert differences(database_url) == []


async def test_a_difference_between_migrations_and_tables_would_be_seen(store: SqlStore, database_url: str) -> None:
    await store.check()
    change(database_url, "ALTER TABLE users ADD COLUMN extra INTEGER")
    assert len(differences(database_url)) == 1


def test_the_newest_step_is_the_one_the_program_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(voicemind.store.migrations.__path__[0]))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


def test_every_table_carries_the_tenant() -> None:
    assert [name for name, table in metadata.tables.items() if "tenant" not in table.columns] == []


async def test_an_ordinary_start_does_not_load_alembic(bare_sqlite_url: str) -> None:
    await started_and_closed(bare_sqlite_url)
    script = textwrap.dedent("""
        import sys, anyio
        from voicemind.store.sql import SqlStore
        async def main():
            store = SqlStore(sys.argv[1])
            await store.start()
            await store.check()
            await store.aclose()
        anyio.run(main)
        assert "alembic" not in sys.modules
    """)
    finished = await anyio.to_thread.run_sync(
        lambda: subprocess.run([sys.executable, "-c", script, bare_sqlite_url], capture_output=True, timeout=60, check=False)
    )
    assert finished.returncode == 0, finished.stderr.decode()


async def test_a_newer_schema_is_refused_and_left_alone(database_url: str) -> None:
    await started_and_closed(database_url)
    change(database_url, f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
    store = SqlStore(database_url)
    with anyio.fail_after(60), pytest.raises(Misconfigured, match="newer Voicemind"):
        await store.start()
    await store.aclose()
    change(database_url, f"UPDATE {schema.VERSION_TABLE} SET version_num = '{schema.HEAD}'")
    await started_and_closed(database_url)


async def test_somebody_elses_tables_are_refused_and_left_alone(database_url: str) -> None:
    change(database_url, "CREATE TABLE users (name INTEGER)")
    store = SqlStore(database_url)
    with anyio.fail_after(60), pytest.raises(Misconfigured, match="'users'"):
        await store.start()
    await store.aclose()
    engine = database.open_engine(database.parse_url(database_url))
    assert sa.inspect(engine).get_table_names() == ["users"]
    engine.dispose()


async def test_what_an_older_voicemind_stored_is_there_after_the_migration(database_url: str) -> None:
    await anyio.to_thread.run_sync(at_step, database_url, "0002")
    noon = "'2026-05-01T12:00:00.000000+00:00'"
    for statement in (
        f"INSERT INTO users VALUES ('acme', 'anna', false, {noon})",
        "INSERT INTO conversations (tenant, id, agent, user_id, channel, status, anonymous, turns, created_at, active_at) "
        f"VALUES ('acme', 'talk', 'counsellor', 'anna', 'browser', 'active', false, 1, {noon}, {noon})",
        "INSERT INTO turns (tenant, conversation_id, seq, role, generated, heard, interrupted, modality, created_at) "
        f"VALUES ('acme', 'talk', 1, 'user', 'Hello', 'Hello', false, 'speech', {noon})",
    ):
        change(database_url, statement)
    store = SqlStore(database_url)
    with anyio.fail_after(60):
        await store.start()
        (turn,) = await store.turns("acme", "talk")
        talk = await store.conversation("acme", "talk")
        await store.aclose()
    assert (turn.generated, turn.calls) == ("Hello", ())
    assert (talk.turns, talk.settled_at) == (1, None)
    assert differences(database_url) == []


@pytest.mark.parametrize("statement", [0, 1, 4, 9, 12])
async def test_a_migration_killed_at_any_statement_is_repeated_at_the_next_start(
    database_url: str, statement: int
) -> None:
    killed = await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, "-c", KILLED_AT_STATEMENT, database_url, str(statement)],
            capture_output=True,
            timeout=60,
            check=False,
        )
    )
    assert killed.returncode == -9, killed.stderr.decode()
    engine = database.open_engine(database.parse_url(database_url))
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
    await started_and_closed(database_url)
    assert differences(database_url) == []


async def test_stores_that_start_at_once_on_an_empty_database_do_not_collide(database_url: str) -> None:
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(started_and_closed, database_url)
    assert differences(database_url) == []
