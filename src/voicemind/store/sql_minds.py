"""Minds, their versions and their archives in SQL: each method is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from voicemind.store import mind_pages, minds, tombstones
from voicemind.store.connected import Connected
from voicemind.store.found import Found, Match
from voicemind.store.values import ArchivedEntry, Entry, MindKey, MindSummary, MindVersion, NewVersion


class SqlMinds(Connected):
    """Implements `Minds`."""

    async def mind(self, key: MindKey) -> MindVersion | None:
        return await self._read(partial(minds.newest, key=key))

    async def mind_version(self, key: MindKey, number: int) -> MindVersion | None:
        return await self._read(partial(minds.numbered, key=key, number=number))

    async def mind_versions(
        self, key: MindKey, *, before: int | None = None, limit: int = 50
    ) -> tuple[MindVersion, ...]:
        return await self._read(partial(mind_pages.listed, key=key, before=before, limit=limit))

    async def minds(
        self,
        tenant: str,
        *,
        agent: str | None = None,
        user_id: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int = 50,
    ) -> tuple[MindSummary, ...]:
        query = partial(mind_pages.summaries, tenant=tenant, agent=agent, user_id=user_id, after=after, limit=limit)
        return await self._read(query)

    async def ensure_mind(self, key: MindKey, *, seed: Mapping[str, Sequence[str]]) -> MindVersion:
        return await self._write(partial(minds.ensured, key=key, seed=seed))

    async def write_version(self, key: MindKey, version: NewVersion) -> MindVersion:
        return await self._write(partial(minds.written, key=key, version=version))

    async def entries(self, key: MindKey, ids: Sequence[str]) -> Mapping[str, Entry]:
        return await self._read(partial(minds.these, key=key, ids=ids))

    async def erased(self, key: MindKey, *, entries: Collection[str], talks: Collection[str]) -> frozenset[str]:
        return await self._read(partial(tombstones.among, key=key, entries=entries, talks=talks))

    async def archived(
        self,
        key: MindKey,
        *,
        number: int | None = None,
        ids: Sequence[str] | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> tuple[ArchivedEntry, ...]:
        page = partial(mind_pages.archived, key=key, number=number, ids=ids, after=after, limit=limit)
        return await self._read(page)

    async def find_archived(self, key: MindKey, words: Sequence[str], *, limit: int = 50) -> tuple[Found, ...]:
        return await self._read(partial(mind_pages.found, key=key, words=words, limit=limit))

    async def match_archived(self, key: MindKey, words: Sequence[str], *, limit: int = 50) -> tuple[Match, ...]:
        return await self._read(partial(mind_pages.matches, key=key, words=words, limit=limit))

    async def vectors(self, key: MindKey, model: str) -> Mapping[str, bytes]:
        return await self._read(partial(mind_pages.vectors, key=key, model=model))

    async def without_vector(self, key: MindKey, model: str, *, limit: int = 50) -> Mapping[str, str]:
        return await self._read(partial(mind_pages.without_vector, key=key, model=model, limit=limit))

    async def put_vectors(self, key: MindKey, model: str, vectors: Mapping[str, bytes]) -> None:
        await self._write(partial(mind_pages.keep_vectors, key=key, model=model, given=vectors))
