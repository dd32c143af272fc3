"""What people do to a mind by hand, on a real store."""

import pytest

from voicemind.errors import BadRequest, StaleVersion, UnknownMind
from voicemind.mind.agent import Agent, Block
from voicemind.mind.context import Minds
from voicemind.mind.document import Document, markdown, parsed
from voicemind.mind.edits import Edit, Edits
from voicemind.store.contract import Store
from voicemind.store.sql import SqlStore
from voicemind.store.values import Entry, Evidence, MindKey, MindVersion, NewVersion

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

KEY = MindKey("acme", "keeper", "anna")
KEEPER = Agent(
    slug="keeper",
    name="Keeper",
    description="Keeps what it is told.",
    first_message="Hello.",
    blocks=(
        Block(label="role", title="Who you are", text="You are the keeper."),
        Block(label="memory", title="Memory", scope="user", reflects=True, holds="facts", limit=100),
    ),
)


@pytest.fixture
async def edits(store: SqlStore) -> Edits:
    await store.ensure_mind(KEY, seed={"memory": ("The user likes tea.", "The user likes rain.")})
    return Edits(store, Minds(store))


def texts(version: MindVersion) -> list[str]:
    return [entry.text for entry in version.blocks["memory"]]


async def newest(store: Store) -> MindVersion:
    version = await store.mind(KEY)
    assert version is not None
    return version


async def put_away(store: Store) -> list[str]:
    return [one.entry.text for one in await store.archived(KEY)]


async def test_all_edits_are_done_or_none(store: SqlStore, edits: Edits) -> None:
    tea, rain = (await newest(store)).blocks["memory"]
    wanted = [Edit("update", entry_id=tea.id, text="The user\nlikes\u200b coffee."), Edit("remove", entry_id=rain.id)]
    with pytest.raises(BadRequest) as refused:
        await edits.edit(KEEPER, KEY, [*wanted, Edit("remove", entry_id="nobody")])
    assert refused.value.param == "edits[2].entry_id"
    assert (await newest(store)).number == 1
    assert texts(await edits.edit(KEEPER, KEY, wanted)) == ["The user likes coffee."]


@pytest.mark.parametrize(
    "edit",
    [
        Edit("add", "role", text="You are a pirate."),
        Edit("add", "nowhere", text="x"),
        Edit("add", "memory", text="\u200b"),
        Edit("add", "memory", text="x" * 401),
        Edit("recall", entry_id="nobody"),
    ],
)
async def test_what_cannot_be_done_writes_nothing(store: SqlStore, edits: Edits, edit: Edit) -> None:
    with pytest.raises(BadRequest):
        await edits.edit(KEEPER, KEY, [edit])
    assert (await newest(store)).number == 1


async def test_what_changes_nothing_writes_no_version(store: SqlStore, edits: Edits) -> None:
    (tea, _) = (await newest(store)).blocks["memory"]
    assert (await edits.edit(KEEPER, KEY, [Edit("recall", entry_id=tea.id)])).number == 1


async def test_an_entry_that_is_called_up_and_put_away_again_is_not_lost(store: SqlStore, edits: Edits) -> None:
    (tea, _) = (await newest(store)).blocks["memory"]
    await edits.edit(KEEPER, KEY, [Edit("archive", entry_id=tea.id)])
    both = [Edit("recall", entry_id=tea.id), Edit("archive", entry_id=tea.id)]
    await edits.edit(KEEPER, KEY, both)
    assert await put_away(store) == [tea.text]
    assert texts(await edits.edit(KEEPER, KEY, [*both, Edit("recall", entry_id=tea.id)]))[-1] == tea.text
    assert await put_away(store) == []


async def test_entries_called_up_into_a_full_block_are_not_lost(store: SqlStore, edits: Edits) -> None:
    lines = [f"Line {number} {'of a long story ' * 2}." for number in range(4)]
    for line in lines:
        await edits.edit(KEEPER, KEY, [Edit("add", "memory", text=line)])
    everything = sorted([*texts(await newest(store)), *await put_away(store)])
    ids = [one.entry.id for one in await store.archived(KEY)]
    assert len(ids) >= 2
    version = await edits.edit(KEEPER, KEY, [Edit("recall", entry_id=one) for one in ids])
    assert sorted([*texts(version), *await put_away(store)]) == everything


async def test_a_line_that_fits_into_no_block_goes_to_the_archive(store: SqlStore, edits: Edits) -> None:
    long = "The user told a very long story. " * 5
    version = await edits.edit(KEEPER, KEY, [Edit("add", "memory", text=long)])
    assert texts(version) == ["The user likes tea.", "The user likes rain."]
    assert await put_away(store) == [long.strip()]


async def test_a_stale_edit_is_refused_and_one_without_a_parent_is_made_anew(store: SqlStore, edits: Edits) -> None:
    await edits.edit(KEEPER, KEY, [Edit("add", "memory", text="One.")])
    for change in (
        edits.edit(KEEPER, KEY, [Edit("add", "memory", text="Two.")], parent=1),
        edits.undo(KEEPER, KEY, parent=1),
        edits.restore(KEEPER, KEY, 1, parent=1),
        edits.replace(KEEPER, KEY, Document(), parent=1),
    ):
        with pytest.raises(StaleVersion):
            await change
    assert (await edits.edit(KEEPER, KEY, [Edit("add", "memory", text="Two.")])).number == 3


async def test_an_undone_removal_makes_no_entry_live_and_archived_at_once(store: SqlStore, edits: Edits) -> None:
    (tea, _) = (await newest(store)).blocks["memory"]
    await edits.edit(KEEPER, KEY, [Edit("archive", entry_id=tea.id)])
    removed = await edits.edit(KEEPER, KEY, [Edit("remove", entry_id=tea.id)])
    await edits.restore(KEEPER, KEY, 1)
    with pytest.raises(BadRequest):
        await edits.undo(KEEPER, KEY, number=removed.number)
    assert await put_away(store) == []


async def test_undo_of_an_undo_brings_the_change_back(store: SqlStore, edits: Edits) -> None:
    (tea, _) = (await newest(store)).blocks["memory"]
    changed = await edits.edit(KEEPER, KEY, [Edit("archive", entry_id=tea.id), Edit("add", "memory", text="New.")])
    undone = await edits.undo(KEEPER, KEY)
    assert (texts(undone), await put_away(store)) == (["The user likes tea.", "The user likes rain."], [])
    again = await edits.undo(KEEPER, KEY)
    assert (again.blocks, await put_away(store)) == (changed.blocks, [tea.text])


async def test_the_first_version_and_unknown_ones_cannot_be_taken_back(edits: Edits) -> None:
    with pytest.raises(BadRequest):
        await edits.undo(KEEPER, KEY, number=1)
    with pytest.raises(UnknownMind):
        await edits.undo(KEEPER, KEY, number=9)
    with pytest.raises(UnknownMind):
        await edits.restore(KEEPER, KEY, 9)
    with pytest.raises(UnknownMind):
        await edits.edit(KEEPER, MindKey("acme", "keeper", "nobody"), [Edit("add", "memory", text="One.")])


async def test_an_import_refuses_blocks_that_reflection_does_not_write(store: SqlStore, edits: Edits) -> None:
    with pytest.raises(BadRequest):
        await edits.replace(KEEPER, KEY, Document(blocks={"role": (Entry("x", "You are a pirate."),)}))
    assert (await newest(store)).number == 1


async def test_an_entry_of_a_file_that_was_changed_by_hand_is_another_entry(store: SqlStore, edits: Edits) -> None:
    (tea, rain) = (await newest(store)).blocks["memory"]
    text = markdown(KEEPER, await newest(store), ()).replace("likes tea", "loves tea")
    version = await edits.replace(KEEPER, KEY, parsed(text))
    assert texts(version) == ["The user loves tea.", "The user likes rain."]
    assert [entry.id == old.id for entry, old in zip(version.blocks["memory"], (tea, rain), strict=True)] == [
        False,
        True,
    ]
    assert (await edits.undo(KEEPER, KEY)).blocks["memory"] == (tea, rain)


async def test_what_a_version_says_of_the_archive_twice_is_decided_for_keeping(store: SqlStore, edits: Edits) -> None:
    entry = Entry("one", "The user likes maps.", (Evidence("talk", 1, "I like maps"),))
    blocks = (await newest(store)).blocks
    await store.write_version(KEY, NewVersion(1, "person", blocks, archive={"memory": (entry,)}))
    await store.write_version(KEY, NewVersion(2, "person", blocks, archive={"memory": (entry,)}, unarchive=("one",)))
    assert await put_away(store) == [entry.text]
    live = {**blocks, "memory": (*blocks["memory"], entry)}
    await store.write_version(KEY, NewVersion(3, "person", live, archive={"memory": (entry,)}))
    assert await put_away(store) == []
    assert await store.find_archived(KEY, ["maps"]) == ()
