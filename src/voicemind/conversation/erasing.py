"""A person's wish to be forgotten, and a conversation's: what is live ends first, and nothing that was read before is used again."""

from __future__ import annotations

from voicemind.conversation.live import Live
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.store.contract import Store
from voicemind.store.values import Conversation, Erasure, MindKey

_AT_ONCE = 100


class Erasing:
    """Erases. What it returns is the receipt, in numbers alone."""

    def __init__(self, store: Store, live: Live, minds: Minds, archives: Archives) -> None:
        self._store, self._live, self._minds, self._archives = store, live, minds, archives

    async def conversation(self, tenant: str, conversation_id: str) -> Erasure:
        """Erase one conversation and what was remembered of it. Raises UnknownConversation."""
        conversation = await self._store.conversation(tenant, conversation_id)
        await self._live.end(tenant, conversation_id)
        try:
            return await self._store.erase_conversation(tenant, conversation_id)
        finally:
            self._forget(conversation)

    async def user(self, tenant: str, user_id: str) -> Erasure:
        """Erase a person, all their conversations, and what was remembered of them. Raises UnknownUser."""
        await self._store.user(tenant, user_id)
        conversations = await self._of(tenant, user_id)
        for conversation in conversations:
            await self._live.end(tenant, conversation.id)
        try:
            return await self._store.erase_user(tenant, user_id)
        finally:
            for conversation in conversations:
                self._forget(conversation)

    async def _of(self, tenant: str, user_id: str) -> list[Conversation]:
        found: list[Conversation] = []
        while True:
            before = (found[-1].created_at, found[-1].id) if found else None
            some = await self._store.conversations(tenant, user_id=user_id, before=before, limit=_AT_ONCE)
            found += some
            if len(some) < _AT_ONCE:
                return found

    def _forget(self, conversation: Conversation) -> None:
        """The mind may be the person's or the agent's: both are cheap to read again."""
        for user_id in (conversation.user_id, ""):
            key = MindKey(conversation.tenant, conversation.agent, user_id)
            self._minds.forget(key)
            self._archives.forget(key)
