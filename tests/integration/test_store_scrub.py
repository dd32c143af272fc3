"""Bytes that were erased leave the files, however they were deleted and whoever is in the way."""

import sqlite3
from pathlib import Path

import anyio
import pytest
from tests.erasing import rows, words_in_files

from voicemind.store import scrub
from voicemind.store.database import parse_url
from voicemind.store.sql import SqlStore
from voicemind.store.values import MindKey, NewTurn

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

KEY = MindKey("acme", "sage", "anna")


def _path(url: str) -> Path:
    found = parse_url(url).database
    assert found is not None
    return Path(found)


async def _open(url: str) -> SqlStore:
    store = SqlStore(url)
    await store.start()
    await store.open_conversation(KEY, "talk", user_id="anna", channel="chat")
    for number in range(200):
        await store.append_turn("acme", "talk", NewTurn("user", f"zq{number}w " + "padding " * 40))
    return store


async def test_what_an_older_program_deleted_without_overwriting_leaves_the_file(sqlite_url: str) -> None:
    with anyio.fail_after(60):
        store = await _open(sqlite_url)
        await store.aclose()
        careless = sqlite3.connect(_path(sqlite_url))
        careless.execute("PRAGMA secure_delete = OFF")
        careless.execute("DELETE FROM turns")
        careless.commit()
        careless.close()
        assert words_in_files(_path(sqlite_url)), "this shows nothing where a plain delete overwrites"
        store = SqlStore(sqlite_url)
        await store.start()
        await store.erase_conversation("acme", "talk")
        assert await store.scrub()
        assert words_in_files(_path(sqlite_url)) == set()
        await store.aclose()


@pytest.mark.parametrize("statement", ["BEGIN", "BEGIN IMMEDIATE"])
async def test_a_scrub_that_somebody_is_in_the_way_of_says_so_and_succeeds_later(
    sqlite_url: str, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "TRIES", 2)
    with anyio.fail_after(60):
        store = await _open(sqlite_url)
        neighbour = sqlite3.connect(_path(sqlite_url), isolation_level=None)
        if statement == "BEGIN":
            neighbour.execute(statement)
            neighbour.execute("SELECT count(*) FROM turns").fetchone()
            await store.erase_conversation("acme", "talk")
        else:
            await store.erase_conversation("acme", "talk")
            neighbour.execute(statement)
        assert not await store.scrub()
        assert [receipt.scrubbed for receipt in await store.erasures("acme")] == [False]
        neighbour.execute("ROLLBACK")
        neighbour.close()
        await store.open_conversation(KEY, "another", user_id="anna", channel="chat")
        assert await store.scrub()
        assert [receipt.scrubbed for receipt in await store.erasures("acme")] == [True]
        assert words_in_files(_path(sqlite_url)) == set()
        await store.aclose()


async def test_an_erasure_whose_scrub_was_cut_off_is_scrubbed_by_the_next_process(sqlite_url: str) -> None:
    with anyio.fail_after(60):
        store = await _open(sqlite_url)
        await store.erase_conversation("acme", "talk")
        await store.aclose()
        assert rows(sqlite_url, "SELECT scrubbed FROM erasures") == [(0,)]
        store = SqlStore(sqlite_url)
        await store.start()
        assert await store.scrub()
        assert words_in_files(_path(sqlite_url)) == set()
        assert rows(sqlite_url, "PRAGMA integrity_check") == [("ok",)]
        await store.aclose()
