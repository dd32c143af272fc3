"""The newest version of each mind, kept in memory until a newer one is written."""

from __future__ import annotations

from collections import OrderedDict

from voicemind.store.contract import Store
from voicemind.store.values import MindKey, MindVersion

MINDS_KEPT = 10_000
"""A mind is a few kilobytes: this many stay below 100 MB."""


class Minds:
    """Reads a mind once. Whoever writes a version calls `forget` for its key."""

    def __init__(self, store: Store, *, kept: int = MINDS_KEPT) -> None:
        self._store = store
        self._kept = kept
        self._versions: OrderedDict[MindKey, MindVersion] = OrderedDict()
        self._forgotten = 0

    async def newest(self, key: MindKey) -> MindVersion | None:
        """The newest version; None where the mind does not exist yet (then it is not remembered). Raises StorageUnavailable."""
        if (known := self._versions.get(key)) is not None:
            self._versions.move_to_end(key)
            return known
        forgotten = self._forgotten
        version = await self._store.mind(key)
        if (
            version is not None and forgotten == self._forgotten
        ):  # else a newer one may have been written while this was read
            self._versions[key] = version
            if len(self._versions) > self._kept:
                self._versions.popitem(last=False)
        return version

    def forget(self, key: MindKey) -> None:
        """A newer version was written."""
        self._forgotten += 1
        self._versions.pop(key, None)
