"""What leaves an archive is not found there any more, however much leaves at once."""

import time

import pytest

from voicemind.store.contract import Store
from voicemind.store.values import Entry, MindKey, NewVersion

pytest_plugins = ["tests.databases"]
pytestmark = [pytest.mark.anyio, pytest.mark.alone]

KEY = MindKey("acme", "sage")
OTHER = MindKey("acme", "king")


def lines(count: int) -> tuple[Entry, ...]:
    return tuple(Entry(f"e{number:05}", f"The user saw star{number} in may.") for number in range(count))


async def test_a_large_archive_is_put_away_and_brought_back_without_keeping_other_writers_waiting(store: Store) -> None:
    for key in (KEY, OTHER):
        await store.ensure_mind(key, seed={"memory": []})
        await store.write_version(key, NewVersion(1, "import", {"memory": ()}, archive={"memory": lines(2000)}))
    began = time.monotonic()
    await store.write_version(KEY, NewVersion(2, "undo", {"memory": ()}, archive_of=1))
    assert time.monotonic() - began < 6
    assert await store.find_archived(KEY, ["may"]) == ()
    await store.write_version(KEY, NewVersion(3, "undo", {"memory": ()}, archive_of=2))
    kept = lines(2000)[7]
    await store.write_version(KEY, NewVersion(4, "person", {"memory": (kept,)}))
    assert await store.find_archived(KEY, ["star7"]) == ()
    (found,) = await store.find_archived(KEY, ["star8"])
    assert found.entry.id == "e00008"
    (others,) = await store.find_archived(OTHER, ["star7"])
    assert others.entry.id == "e00007"
