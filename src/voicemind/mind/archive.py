"""The archives of the minds at work: what a turn calls up of all that no longer fits into the prompt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from voicemind.embedding.contract import Embedder
from voicemind.errors import ProviderError
from voicemind.mind.recall import CANDIDATES, VectorIndex, fused, query, share, statement
from voicemind.store.contract import Minds
from voicemind.store.values import Entry, MindKey, MindVersion

log = structlog.get_logger(__name__)

ENTRIES_KEPT = 200_000
"""Of all archives together: a vector takes 1.5 kB, so many of them 300 MB."""
EMBEDDED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Index:
    """The vectors of an archive as it was in version `number`."""

    number: int
    vectors: VectorIndex


class Archives:
    """Finds archived entries by words and by meaning. It neither starts nor closes `embedder`."""

    def __init__(self, store: Minds, embedder: Embedder, *, kept: int = ENTRIES_KEPT) -> None:
        self._store, self._embedder, self._kept = store, embedder, kept
        self._indexes: OrderedDict[MindKey, _Index] = OrderedDict()

    async def recall(
        self, version: MindVersion, said: Sequence[str], *, person: str = "", names: Sequence[str] = ()
    ) -> tuple[Entry, ...]:
        """The few archived entries that the newest of `said` calls up, the most relevant first; none where nothing is near enough.

        `said` are the last things that either side said, oldest first; `person` is who speaks, `names` are others that are everywhere.
        Raises StorageUnavailable.
        """
        asked = query(said, person=person, names=names)
        if asked is None:
            return ()
        index = await self._index(version)
        if not len(index.vectors):
            return ()
        found = await self._store.find_archived(version.key, asked.words, limit=CANDIDATES)
        by_id = {one.entry.id: one.entry for one in found}
        try:
            (vector,) = await self._embedder.embed([asked.text])
        except ProviderError as error:
            log.warning("nothing can be recalled", code=error.code)
            return ()
        shares = {one.id: share(asked.words, one.text, cue=one.cue) for one in by_id.values()}
        chosen = fused(shares, index.vectors.alike(vector, also=by_id))
        missing = [entry_id for entry_id in chosen if entry_id not in by_id]
        by_id |= await self._store.entries(version.key, missing) if missing else {}
        return tuple(by_id[entry_id] for entry_id in chosen if entry_id in by_id)

    async def refresh(self, key: MindKey) -> None:
        """Make the vectors of entries that have come into the archive. Raises ProviderUnavailable, StorageUnavailable."""
        while texts := await self._store.without_vector(key, self._embedder.name, limit=EMBEDDED_AT_ONCE):
            vectors = await self._embedder.embed([statement(text) for text in texts.values()])
            rows = {entry_id: row.astype("<f4").tobytes() for entry_id, row in zip(texts, vectors, strict=True)}
            await self._store.put_vectors(key, self._embedder.name, rows)
            self.forget(key)

    def forget(self, key: MindKey) -> None:
        """The archive of this mind is another one now."""
        self._indexes.pop(key, None)

    def forget_all(self) -> None:
        """Something was erased: nothing of it may stay here."""
        self._indexes.clear()

    async def _index(self, version: MindVersion) -> _Index:
        known = self._indexes.get(version.key)
        if known is not None and known.number == version.number:
            self._indexes.move_to_end(version.key)
            return known
        index = _Index(version.number, VectorIndex(self._embedder.dimensions))
        for entry_id, row in (await self._store.vectors(version.key, self._embedder.name)).items():
            index.vectors.add(entry_id, np.frombuffer(row, dtype="<f4"))
        self._indexes[version.key] = index
        while len(self._indexes) > 1 and sum(len(one.vectors) + 1 for one in self._indexes.values()) > self._kept:
            self._indexes.popitem(last=False)
        return index
