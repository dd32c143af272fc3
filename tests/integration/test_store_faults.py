"""What the store does when the disk, the file or a neighbour fails."""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicemind.errors import BadRequest, Misconfigured, StorageUnavailable, UnknownConversation
from voicemind.store import database, schema
from voicemind.store.sql import SqlStore
from voicemind.store.values import MindKey, NewTurn, Turn
from voicemind.store.writer import Writer

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

KEY = MindKey("acme", "counsellor", "anna")


async def open_talk(store: SqlStore, name: str = "talk") -> None:
    await store.open_conversation(KEY, name, user_id="anna", channel="browser", seed={"memory": ["One."]})


async def say(store: SqlStore, words: str = "hello", name: str = "talk") -> Turn:
    return await store.append_turn("acme", name, NewTurn("user", words, heard=words))


def engine_of(store: SqlStore) -> sa.Engine:
    return store._engine  # the tests break its connections on purpose


async def test_one_impossible_turn_among_fifty_fails_alone(store: SqlStore) -> None:
    await open_talk(store)
    failed: list[str] = []

    async def speak(name: str) -> None:
        try:
            await say(store, f"to {name}", name)
        except (BadRequest, UnknownConversation) as error:
            failed.append(type(error).__name__)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(speak, {10: "half a pair \ud800", 20: "nobody"}.get(number, "talk"))
    assert sorted(failed) == ["BadRequest", "UnknownConversation"]
    assert [turn.seq for turn in await store.turns("acme", "talk")] == list(range(1, 49))


async def test_a_turn_whose_caller_left_is_stored_and_the_next_one_too(store: SqlStore) -> None:
    await open_talk(store)
    entered = anyio.Event()

    async def speak() -> None:
        entered.set()
        await say(store, "left early")

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(speak)
            await entered.wait()
            tasks.cancel_scope.cancel()
        assert (await say(store, "next")).seq == 2
    assert [turn.generated for turn in await store.turns("acme", "talk")] == ["left early", "next"]


async def test_closing_finishes_what_was_handed_in_and_refuses_the_rest(database_url: str) -> None:
    store = SqlStore(database_url)
    await store.start()
    await open_talk(store)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(say, store)
            await anyio.wait_all_tasks_blocked()
            await store.aclose()
        await store.aclose()
        for refused in (say(store), store.turns("acme", "talk"), store.check()):
            with pytest.raises(StorageUnavailable):
                await refused
    again = SqlStore(database_url)
    await again.start()
    assert len(await again.turns("acme", "talk")) == 20
    await again.aclose()


async def test_a_store_that_never_started_closes(sqlite_url: str) -> None:
    store = SqlStore(sqlite_url)
    with pytest.raises(StorageUnavailable):
        await store.check()
    await store.aclose()


def everywhere(store: SqlStore, pragma: str) -> None:
    """Set it on every connection of the pool, whichever the writer takes next."""
    connections = [engine_of(store).connect() for _ in range(database.READERS + 1)]
    for connection in connections:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute(pragma)
        connection.close()


async def test_a_full_disk_costs_the_turn_and_nothing_else(sqlite_url: str) -> None:
    store = SqlStore(sqlite_url)
    await store.start()
    await open_talk(store)
    await say(store)
    with anyio.fail_after(30):
        everywhere(store, "PRAGMA max_page_count = 1")
        with pytest.raises(StorageUnavailable, match="SQLITE_FULL"):
            await say(store, "x" * 1_000_000)
        assert (await say(store, "short")).seq == 2
        await store.check()
        everywhere(store, "PRAGMA max_page_count = 1000000")
        assert (await say(store, "x" * 1_000_000)).seq == 3
    await store.aclose()


async def test_a_file_that_is_read_only_for_a_while_is_written_again_afterwards(sqlite_url: str) -> None:
    store = SqlStore(sqlite_url)
    await store.start()
    await open_talk(store)
    with anyio.fail_after(30):
        everywhere(store, "PRAGMA query_only = ON")
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="SQLITE_READONLY"):
                await say(store)
        assert await store.turns("acme", "talk") == ()
        everywhere(store, "PRAGMA query_only = OFF")
        assert (await say(store)).seq == 1
    await store.aclose()


async def test_a_locked_file_gives_up_in_time_and_recovers(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT_S", 0.05)
    store = SqlStore(sqlite_url)
    await store.start()
    await open_talk(store)
    neighbour = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    neighbour.execute("BEGIN IMMEDIATE")
    failures = 0

    async def speak() -> None:
        nonlocal failures
        with pytest.raises(StorageUnavailable, match="SQLITE_BUSY"):
            await say(store)
        failures += 1

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(speak)
        assert failures == 40
        assert await store.turns("acme", "talk") == ()
        neighbour.execute("ROLLBACK")
        neighbour.close()
        assert (await say(store)).seq == 1
    await store.aclose()


@pytest.mark.postgres
async def test_a_postgresql_that_drops_its_connections_is_used_again(postgres_url: str) -> None:
    store = SqlStore(postgres_url)
    await store.start()
    await open_talk(store)
    await store.turns("acme", "talk")
    outside = sa.create_engine(database.parse_url(postgres_url), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with outside.connect() as connection:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert len(connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) {others}").all()) >= 1
    with anyio.fail_after(30):
        assert (await say(store)).seq == 1
        assert len(await store.turns("acme", "talk")) == 1
    await store.aclose()


@pytest.mark.postgres
async def test_a_postgresql_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    store = SqlStore(f"postgresql://anna:hunter2@/voicemind?host={tmp_path}")
    with anyio.fail_after(30), pytest.raises(StorageUnavailable) as failed:
        await store.start()
    assert "hunter2" not in str(failed.value)
    await store.aclose()


async def test_an_error_nobody_expected_reaches_its_caller_and_the_writer_lives(sqlite_url: str) -> None:
    store = SqlStore(sqlite_url)
    await store.start()
    await open_talk(store)
    writer: Writer = store._writer

    def mistaken(_connection: Connection) -> None:
        raise ZeroDivisionError

    def short(_connection: Connection, _items: Sequence[object]) -> list[Turn]:
        return []

    with anyio.fail_after(30):
        with pytest.raises(StorageUnavailable, match="ZeroDivisionError"):
            await writer.write(mistaken)
        with pytest.raises(StorageUnavailable):
            await writer.write_many(short, None)
        assert (await say(store)).seq == 1
    await store.aclose()


def content(path: Path) -> bytes:
    return path.read_bytes()


def damaged_file(path: Path, damage: str) -> bytes:
    whole = content(path)
    torn = whole[:8192] + os.urandom(4096) + whole[12288:]
    broken = torn if damage == "a torn page" else b"not a database " * 1000
    path.write_bytes(broken)
    return broken


@pytest.mark.parametrize("damage", ["no database at all", "a torn page"])
async def test_a_damaged_file_is_refused_with_its_name_and_the_way_out(sqlite_url: str, damage: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    store = SqlStore(sqlite_url)
    await store.start()
    await open_talk(store)
    for _ in range(50):
        await say(store, "x" * 500)
    await store.aclose()
    broken = damaged_file(path, damage)
    damaged = SqlStore(sqlite_url)
    with pytest.raises(Misconfigured) as refused:
        await damaged.start()
    await damaged.aclose()
    assert str(path) in str(refused.value)
    assert "back-up" in str(refused.value)
    assert content(path) == broken


async def test_a_place_that_cannot_hold_a_file_is_refused_with_its_name(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/proc/version/voicemind.db")):
        store = SqlStore(f"sqlite:///{path}")
        with pytest.raises(Misconfigured, match=str(path)):
            await store.start()
        await store.aclose()


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "voicemind.db"
    store = SqlStore(f"sqlite:///{path}")
    await store.start()
    await open_talk(store)
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"voicemind.db": 0o600, "voicemind.db-wal": 0o600, "voicemind.db-shm": 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await store.aclose()


async def test_a_commit_on_sqlite_is_synced_and_references_are_enforced(sqlite_url: str) -> None:
    store = SqlStore(sqlite_url)
    await store.start()
    expected = {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5000}
    connections = [engine_of(store).connect() for _ in range(database.READERS + 1)]
    for connection in connections:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in expected}
        assert found == expected
        connection.close()
    await store.aclose()


async def test_a_huge_file_is_checked_for_a_bounded_time(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqlStore(sqlite_url)
    await store.start()
    await open_talk(store)
    for _ in range(20):
        await say(store, "x" * 100_000)
    await store.aclose()
    monkeypatch.setattr(schema, "CHECK_BUDGET_S", -1.0)
    again = SqlStore(sqlite_url)
    await again.start()
    assert len(await again.turns("acme", "talk")) == 20
    await again.aclose()
