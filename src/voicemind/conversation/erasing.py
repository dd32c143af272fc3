"""The right to be forgotten, as far as this process goes: whoever is talking leaves, the store erases, and nothing stays in memory or in the files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from voicemind.conversation.exchange import Exchanges
from voicemind.conversation.live import Live
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.store.contract import Store
from voicemind.store.people_values import Erasure

PAGE = 100


class Erasing:
    """Erases conversations and people. Bytes that another process keeps us from rewriting now are rewritten by the next sweep."""

    def __init__(
        self,
        store: Store,
        live: Live,
        exchanges: Exchanges,
        minds: Minds,
        archives: Archives,
        *,
        tidy: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """`tidy` takes away files of what is erased; whether nothing is left to take away."""
        self._store, self._live, self._exchanges = store, live, exchanges
        self._minds, self._archives, self._tidy = minds, archives, tidy

    async def conversation(self, tenant: str, conversation_id: str) -> Erasure:
        """Erase one conversation and what rests on it alone. Raises UnknownConversation."""
        await self._store.conversation(tenant, conversation_id)
        await self._live.end(tenant, conversation_id)
        return await self._forgotten(await self._store.erase_conversation(tenant, conversation_id))

    async def user(self, tenant: str, user_id: str) -> Erasure:
        """Erase everything about a person. Raises UnknownUser."""
        await self._store.user(tenant, user_id)
        before = None
        while page := await self._store.conversations(tenant, user_id=user_id, before=before, limit=PAGE):
            for conversation in page:
                await self._live.end(tenant, conversation.id)
            before = (page[-1].created_at, page[-1].id)
        return await self._forgotten(await self._store.erase_user(tenant, user_id))

    async def _forgotten(self, erasure: Erasure) -> Erasure:
        self._minds.forget_all()
        self._archives.forget_all()
        self._live.doubt()
        await self._exchanges.doubt(erasure.tenant)
        is_tidy = self._tidy is None or await self._tidy()
        return replace(erasure, scrubbed=await self._store.scrub() and is_tidy)
