"""The words of a turn find entries quickly in a large archive, and the same ones in a small one as a thorough search does."""

import sqlite3

import pytest
import sqlalchemy as sa

from voicemind.store import by_words
from voicemind.store.contract import Store
from voicemind.store.found import Match
from voicemind.store.schema import VERSION_TABLE
from voicemind.store.sql import SqlStore
from voicemind.store.values import Entry, MindKey, NewVersion

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

KEY = MindKey("acme", "sage")
OTHER = MindKey("acme", "king")


async def keep(store: Store, *entries: Entry, key: MindKey = KEY) -> None:
    await store.ensure_mind(key, seed={"memory": []})
    await store.write_version(key, NewVersion(1, "import", {"memory": ()}, archive={"memory": entries}))


async def test_a_small_archive_is_searched_as_thoroughly_as_ever(store: Store) -> None:
    await keep(
        store,
        Entry("sail", "The user went sailing to Lisbon.", cue="Where was your uncle?"),
        Entry("fish", "The user sails for fish."),
        Entry("rain", "It rained."),
    )
    words = ["sailing", "uncle", "lisbon"]
    found = await store.find_archived(KEY, words)
    matches = await store.match_archived(KEY, words)
    assert [one.entry_id for one in matches] == [one.entry.id for one in found] == ["sail", "fish"]
    assert matches[0] == Match("sail", "The user went sailing to Lisbon.", "Where was your uncle?")
    assert await store.match_archived(KEY, ["uncle", "lisbon", "sails"], limit=1) == matches[:1]


async def test_what_nobody_asked_for_and_who_is_unknown_match_nothing(store: Store) -> None:
    await keep(store, Entry("rain", "It rained."))
    assert await store.match_archived(KEY, []) == ()
    assert await store.match_archived(KEY, ["snow", '"', "NEAR("]) == ()
    assert await store.match_archived(OTHER, ["rain"]) == ()


async def test_the_rare_word_of_a_question_decides_in_a_large_archive(store: Store) -> None:
    common = (Entry(f"e{number:04}", f"The user saw star{number % 12} in may.") for number in range(900))
    await keep(store, *common)
    matches = await store.match_archived(KEY, ["may", "star7"], limit=50)
    assert len(matches) == 50
    assert all("star7 " in one.text for one in matches)


async def test_a_common_word_is_looked_for_where_the_rare_ones_find_too_few(store: Store) -> None:
    common = [Entry(f"e{number:04}", f"The user saw star{number} in may.") for number in range(900)]
    await keep(store, *common)
    assert len(await store.match_archived(KEY, ["may"], limit=50)) == 50
    matches = await store.match_archived(KEY, ["may", "star7"], limit=50)
    assert len(matches) == 50
    assert matches[0].entry_id == "e0007"


async def test_rare_words_of_another_mind_do_not_hide_what_this_one_holds(store: Store) -> None:
    await keep(
        store, *(Entry(f"o{number:04}", f"The user saw star7 on day{number}.") for number in range(300)), key=OTHER
    )
    await keep(store, *(Entry(f"e{number:04}", f"The user walked on day{number} in may.") for number in range(900)))
    matches = await store.match_archived(KEY, ["may", "star7"], limit=50)
    assert len(matches) == 50
    assert {one.entry_id[0] for one in matches} == {"e"}


async def test_two_minds_whose_rows_are_numbered_alike_keep_apart(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_words, "rows_of", lambda _: (1 << 24, (2 << 24) - 1))
    await keep(store, Entry("mine", "The user saw a comet."))
    await keep(store, Entry("theirs", "The king saw a comet."), key=OTHER)
    assert [one.entry_id for one in await store.match_archived(KEY, ["comet"])] == ["mine"]
    assert [one.entry_id for one in await store.match_archived(OTHER, ["comet"])] == ["theirs"]


async def test_what_an_older_voicemind_archived_is_found_after_its_rows_were_numbered_anew(sqlite_url: str) -> None:
    before = SqlStore(sqlite_url)
    await before.start()
    await keep(before, Entry("mine", "The user saw a comet."), Entry("rain", "It rained."))
    await keep(before, Entry("theirs", "The king saw a comet."), key=OTHER)
    await before.aclose()
    file = sqlite3.connect(str(sa.make_url(sqlite_url).database))
    with file:
        for number, (row,) in enumerate(file.execute("SELECT rowid FROM entry_search").fetchall(), start=1):
            file.execute("UPDATE entry_search SET rowid = ? WHERE rowid = ?", (number, row))
        file.execute(f"UPDATE {VERSION_TABLE} SET version_num = '0005'")
    file.close()
    after = SqlStore(sqlite_url)
    await after.start()
    assert [one.entry_id for one in await after.match_archived(KEY, ["comet"])] == ["mine"]
    assert [one.entry_id for one in await after.match_archived(OTHER, ["comet"])] == ["theirs"]
    await after.aclose()
