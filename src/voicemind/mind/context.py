"""The newest version of each mind, kept in memory until a newer one is written."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from voicemind.clock import monotonic_s
from voicemind.store import contract
from voicemind.store.values import MindKey, MindVersion

MINDS_KEPT = 1_000
"""More than talk at once; a mind is 2 to 10 kB, and is read again in a fraction of a millisecond."""

CHECKED_S = 10.0
"""How long a version counts as the newest without asking: another process may have written one, or erased something."""
AHEAD_S = CHECKED_S / 2
"""The same where somebody has begun to speak who will want an answer."""


@dataclass(slots=True)
class _Known:
    version: MindVersion
    checked_s: float


class Minds:
    """Reads a mind once. Whoever writes a version calls `forget` for its key; what other processes wrote is noticed after CHECKED_S."""

    def __init__(self, store: contract.Minds, *, kept: int = MINDS_KEPT, checked_s: float = CHECKED_S) -> None:
        self._store = store
        self._kept, self._checked_s = kept, checked_s
        self._versions: OrderedDict[MindKey, _Known] = OrderedDict()
        self._forgotten = 0

    async def newest(self, key: MindKey) -> MindVersion | None:
        """The newest version; None where the mind does not exist yet (then it is not remembered). Raises StorageUnavailable."""
        return await self._known(key, self._checked_s) or await self._read(key)

    async def expect(self, key: MindKey) -> None:
        """Somebody has begun to speak who will want an answer: ask now whether the version is the newest, and not when they wait. Raises StorageUnavailable."""
        if await self._known(key, min(AHEAD_S, self._checked_s)) is None:
            await self._read(key)

    async def _known(self, key: MindKey, checked_s: float) -> MindVersion | None:
        known = self._versions.get(key)
        if known is None or not await self._is_newest(known, checked_s):
            return None
        self._versions.move_to_end(key)
        return known.version

    async def _read(self, key: MindKey) -> MindVersion | None:
        forgotten = self._forgotten
        version = await self._store.mind(key)
        if (
            version is not None and forgotten == self._forgotten
        ):  # else a newer one may have been written while this was read
            self._versions[key] = _Known(version, monotonic_s())
            if len(self._versions) > self._kept:
                self._versions.popitem(last=False)
        return version

    def forget(self, key: MindKey) -> None:
        """A newer version was written."""
        self._forgotten += 1
        self._versions.pop(key, None)

    def forget_all(self) -> None:
        """Something was erased: nothing of it may stay here."""
        self._forgotten += 1
        self._versions.clear()

    async def _is_newest(self, known: _Known, checked_s: float) -> bool:
        now = monotonic_s()
        if now - known.checked_s < checked_s:
            return True
        bare = await self._store.mind_versions(known.version.key, limit=1)
        is_newest = bool(bare) and bare[0].number == known.version.number
        if is_newest:  # a look that failed is none
            known.checked_s = now
        return is_newest
