"""A mind that will be needed soon is looked at while somebody speaks, and not again when they wait."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from voicemind.errors import StorageUnavailable
from voicemind.mind.context import AHEAD_S, CHECKED_S, Minds
from voicemind.store import contract
from voicemind.store.values import MindKey, MindVersion

KEY = MindKey("tenant", "user", "agent")


class Counted:
    """A store with one mind, of which `number` is the newest version; counts what it is asked."""

    def __init__(self) -> None:
        self.number, self.reads, self.checks = 1, 0, 0
        self.is_down = False

    async def mind(self, key: MindKey) -> MindVersion:
        self.reads += 1
        return self._newest(key)

    async def mind_versions(self, key: MindKey, *, limit: int) -> Sequence[MindVersion]:
        self.checks += 1
        if self.is_down:
            raise StorageUnavailable("the store is down")
        return [self._newest(key)]

    def _newest(self, key: MindKey) -> MindVersion:
        return MindVersion(key, self.number, "reflection", datetime(2026, 1, 1, tzinfo=UTC), {})


@pytest.mark.anyio
async def test_a_mind_that_was_looked_at_while_somebody_spoke_is_not_asked_for_when_they_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("voicemind.mind.context.monotonic_s", lambda: clock.now)
    store = Counted()
    minds = Minds(cast("contract.Minds", store))
    await minds.newest(KEY)
    clock.now += AHEAD_S - 1
    await minds.expect(KEY)
    assert store.checks == 0, "it was read a moment ago"
    clock.now += 2
    await minds.expect(KEY)
    assert store.checks == 1
    clock.now += CHECKED_S - 1
    assert await minds.newest(KEY)
    assert (store.reads, store.checks) == (1, 1)


@pytest.mark.anyio
async def test_a_version_that_another_process_wrote_is_read_while_somebody_speaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("voicemind.mind.context.monotonic_s", lambda: clock.now)
    store = Counted()
    minds = Minds(cast("contract.Minds", store))
    await minds.newest(KEY)
    store.number = 2
    clock.now += CHECKED_S - 1
    await minds.expect(KEY)
    newest = await minds.newest(KEY)
    assert newest is not None
    assert newest.number == 2
    assert store.reads == 2


@pytest.mark.anyio
async def test_a_look_that_failed_does_not_count_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("voicemind.mind.context.monotonic_s", lambda: clock.now)
    store = Counted()
    minds = Minds(cast("contract.Minds", store))
    await minds.newest(KEY)
    store.number, store.is_down = 2, True
    clock.now += CHECKED_S - 1
    with pytest.raises(StorageUnavailable):
        await minds.expect(KEY)
    store.is_down = False
    clock.now += 2
    newest = await minds.newest(KEY)
    assert newest is not None
    assert newest.number == 2
