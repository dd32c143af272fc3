"""Several processes on one database: each of them has a writer of its own, and still nothing is doubled or lost."""

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import anyio
import pytest
from tests.reflecting import finish

from voicemind.errors import StaleVersion
from voicemind.store.sql import SqlStore
from voicemind.store.values import Entry, MindKey, NewTurn

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

KEY = MindKey("acme", "counsellor", "anna")
SEED = {"memory": ["One."]}
Stores = tuple[SqlStore, ...]


@pytest.fixture
async def stores(database_url: str, anyio_backend: str) -> AsyncGenerator[Stores]:
    """Three stores on one database, each with its own connections and its own writer."""
    made = tuple(SqlStore(database_url) for _ in range(3))
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for store in made:
                tasks.start_soon(store.start)
    yield made
    with anyio.fail_after(60):
        for store in made:
            await store.aclose()


async def open_talk(store: SqlStore, name: str) -> None:
    await store.open_conversation(KEY, name, user_id="anna", channel="browser", seed=SEED)


async def test_many_that_start_on_one_new_database_all_come_up(tmp_path: Path) -> None:
    with anyio.fail_after(60):
        for number in range(20):
            made = [SqlStore(f"sqlite:///{tmp_path / str(number)}.db") for _ in range(6)]
            async with anyio.create_task_group() as tasks:
                for store in made:
                    tasks.start_soon(store.start)
            for store in made:
                await store.check()
                await store.aclose()


async def test_a_conversation_opened_by_all_at_once_is_made_once(stores: Stores) -> None:
    with anyio.fail_after(60):
        for number in range(10):
            async with anyio.create_task_group() as tasks:
                for store in stores:
                    tasks.start_soon(open_talk, store, f"talk-{number}")
    mind = await stores[0].mind(KEY)
    assert mind is not None
    assert (mind.number, len(mind.blocks["memory"])) == (1, 1)


async def test_turns_appended_by_all_at_once_are_numbered_without_gaps(stores: Stores) -> None:
    names = ["talk-a", "talk-b", "talk-c"]
    for name in names:
        await open_talk(stores[0], name)
    seqs: dict[str, list[int]] = {name: [] for name in names}

    async def speak(store: SqlStore, order: list[str]) -> None:
        for name in order:
            seqs[name].append((await store.append_turn("acme", name, NewTurn("user", "hello"))).seq)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for number in range(60):
                order = names if number % 2 else names[::-1]
                tasks.start_soon(speak, stores[number % 3], order)
    for name in names:
        assert sorted(seqs[name]) == list(range(1, 61))
        assert [turn.seq for turn in await stores[1].turns("acme", name)] == list(range(1, 61))


async def test_a_conversation_ended_by_all_at_once_has_one_reflection(stores: Stores) -> None:
    await open_talk(stores[0], "talk")
    found: list[str] = []

    async def end(store: SqlStore) -> None:
        found.append((await store.end_conversation(KEY, "talk")).id)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for store in stores * 5:
                tasks.start_soon(end, store)
    assert len(found) == 15
    assert len(set(found)) == 1


async def test_no_two_processes_claim_the_same_reflection(stores: Stores) -> None:
    for number in range(30):
        await open_talk(stores[0], f"talk-{number}")
        await stores[0].end_conversation(KEY, f"talk-{number}")
    claimed: list[str] = []

    async def work(store: SqlStore) -> None:
        while (one := await store.claim_reflection("worker", lease_s=600)) is not None:
            claimed.append(one.conversation_id)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for store in stores * 4:
                tasks.start_soon(work, store)
    assert sorted(claimed) == sorted(f"talk-{number}" for number in range(30))


async def test_reflections_finished_by_all_at_once_all_end_up_in_the_mind(stores: Stores) -> None:
    for number in range(9):
        await open_talk(stores[0], f"talk-{number}")
        await stores[0].end_conversation(KEY, f"talk-{number}")

    async def reflect(store: SqlStore) -> None:
        claimed = await store.claim_reflection("worker", lease_s=600)
        assert claimed is not None
        learned = Entry(f"entry of {claimed.conversation_id}", "Fact.")
        while True:
            mind = await store.mind(KEY)
            assert mind is not None
            blocks = {**mind.blocks, "memory": (*mind.blocks["memory"], learned)}
            try:
                await finish(store, claimed, parent=mind.number, blocks=blocks, notes="")
            except StaleVersion:
                continue
            return

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for number in range(9):
                tasks.start_soon(partial(reflect, stores[number % 3]))
    mind = await stores[0].mind(KEY)
    assert mind is not None
    assert mind.number == 10
    assert {entry.id for entry in mind.blocks["memory"][1:]} == {f"entry of talk-{number}" for number in range(9)}
