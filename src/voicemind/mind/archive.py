"""The archives of the minds at work: what a turn calls up of all that no longer fits into the prompt."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import numpy as np
import structlog

from voicemind.clock import monotonic_s
from voicemind.embedding.contract import Embedder
from voicemind.errors import ProviderError, StorageUnavailable, VoicemindError
from voicemind.mind.recall import CANDIDATES, Query, Vector, VectorIndex, fused, query, shares, statement
from voicemind.store.contract import Minds
from voicemind.store.values import Entry, MindKey, MindVersion

log = structlog.get_logger(__name__)

ENTRIES_KEPT = 200_000
"""Of all archives together: a vector takes 1.5 kB, so many of them 300 MB."""
EMBEDDED_AT_ONCE = 64
MOST_CAUGHT_UP = 8
"""So many times that; who waits for a change by hand does not wait for the vectors of a whole library."""
CHECKED_S = 10.0
"""How long an archive counts as it is while vectors are missing: another process may be making them."""


@dataclass(frozen=True, slots=True)
class _Index:
    """The vectors of an archive as it was in version `number`, good until `until_s`."""

    number: int
    vectors: VectorIndex
    until_s: float

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to find: no vector, and no entry that lacks one."""
        return not len(self.vectors) and self.until_s == math.inf


class Archives:
    """Finds archived entries by words and by meaning. It neither starts nor closes `embedder`."""

    def __init__(self, store: Minds, embedder: Embedder, *, kept: int = ENTRIES_KEPT) -> None:
        self._store, self._embedder, self._kept = store, embedder, kept
        self._indexes: OrderedDict[MindKey, _Index] = OrderedDict()
        self._forgotten = 0

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
        if index.is_empty:
            return ()
        by_words, meaning = await self._looked_up(version.key, asked, index.vectors)
        alike = {} if meaning is None else index.vectors.alike(meaning, also=by_words)
        chosen = fused(by_words, alike)
        if not chosen:
            return ()
        by_id = await self._store.entries(version.key, chosen)
        return tuple(by_id[entry_id] for entry_id in chosen if entry_id in by_id)

    async def refresh(self, key: MindKey, *, most: float = math.inf) -> None:
        """Make the vectors of entries that have come into the archive, `most` times a batch. Raises ProviderUnavailable, StorageUnavailable."""
        batches = 0
        while batches < most and (
            texts := await self._store.without_vector(key, self._embedder.name, limit=EMBEDDED_AT_ONCE)
        ):
            vectors = await self._embedder.embed([statement(text) for text in texts.values()])
            rows = {entry_id: row.astype("<f4").tobytes() for entry_id, row in zip(texts, vectors, strict=True)}
            await self._store.put_vectors(key, self._embedder.name, rows)
            self.forget(key)
            batches += 1

    async def catch_up(self, key: MindKey) -> None:
        """The same after a change by hand, which is written already and so cannot fail any more; what is left over the next reflection does."""
        try:
            await self.refresh(key, most=MOST_CAUGHT_UP)
        except VoicemindError as error:
            log.warning("entries of an archive have no vectors yet", code=error.code)

    def forget(self, key: MindKey) -> None:
        """The archive of this mind is another one now."""
        self._forgotten += 1
        self._indexes.pop(key, None)

    def forget_all(self) -> None:
        """Something was erased: nothing of it may stay here."""
        self._forgotten += 1
        self._indexes.clear()

    async def _looked_up(
        self, key: MindKey, asked: Query, vectors: VectorIndex
    ) -> tuple[dict[str, float], Vector | None]:
        """The `shares` of what holds the words, while the question's own vector is being made: neither waits for the other."""
        meanings: list[Vector] = []
        found: dict[str, float] = {}
        failed: StorageUnavailable | None = None
        async with anyio.create_task_group() as tasks:
            if len(vectors):
                tasks.start_soon(self._embed, asked.text, meanings)
            try:
                found = shares(asked.words, await self._store.match_archived(key, asked.words, limit=CANDIDATES))
            except StorageUnavailable as error:  # by itself, not as a group of one
                failed = error
                tasks.cancel_scope.cancel()
        if failed is not None:
            raise failed
        return found, meanings[0] if meanings else None

    async def _embed(self, text: str, meanings: list[Vector]) -> None:
        """Add the vector; none where it cannot be made, and then the words decide alone."""
        try:
            meanings.append((await self._embedder.embed([text]))[0])
        except ProviderError as error:
            log.warning("what is remembered is found by its words alone", code=error.code)

    async def _index(self, version: MindVersion) -> _Index:
        known = self._indexes.get(version.key)
        if known is not None and known.number == version.number and monotonic_s() < known.until_s:
            self._indexes.move_to_end(version.key)
            return known
        forgotten = self._forgotten
        rows = await self._store.vectors(version.key, self._embedder.name)
        lacking = await self._store.without_vector(version.key, self._embedder.name, limit=1)
        until_s = monotonic_s() + CHECKED_S if lacking else math.inf
        index = _Index(version.number, VectorIndex(self._embedder.dimensions), until_s)
        for entry_id, row in rows.items():
            index.vectors.add(entry_id, np.frombuffer(row, dtype="<f4"))
        if forgotten == self._forgotten:  # else there may be other vectors by now, or fewer
            self._keep(version.key, index)
        return index

    def _keep(self, key: MindKey, index: _Index) -> None:
        self._indexes[key] = index
        self._indexes.move_to_end(key)
        while len(self._indexes) > 1 and sum(len(one.vectors) + 1 for one in self._indexes.values()) > self._kept:
            self._indexes.popitem(last=False)
