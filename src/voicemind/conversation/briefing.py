"""What somebody else's platform is told of a mind before a talk: the whole prompt, what the mind holds, and how often it has talked."""

from __future__ import annotations

from voicemind.conversation.ending import Endings
from voicemind.conversation.opening import Opened
from voicemind.errors import StorageUnavailable
from voicemind.mind.prompt import render_block
from voicemind.mind.reply import Replies, Situation
from voicemind.store.contract import Store


class Briefing:
    """Looks things up for a conversation that is about to begin. Every method may raise StorageUnavailable."""

    def __init__(self, store: Store, endings: Endings, replies: Replies) -> None:
        self._store, self._endings, self._replies = store, endings, replies

    async def prompt(self, opened: Opened, *, wait_s: float | None = None) -> str:
        """The system message of a spoken conversation. Waits for a running reflection of the mind, `wait_s` at most (None: as every conversation does)."""
        longest_s = self._endings.patience.reflection_s
        unreflected = await self._endings.unreflected(
            opened, wait_s=longest_s if wait_s is None else min(wait_s, longest_s)
        )
        return await self._replies.system(
            Situation(
                agent=opened.agent,
                key=opened.key,
                channel="voice",
                unreflected=unreflected,
                person=opened.person,
                intent_notes=opened.intent_notes,
            )
        )

    async def blocks(self, opened: Opened) -> dict[str, str]:
        """What the mind holds, by the label of its block; a block without anything says so."""
        version = await self._store.mind(opened.key)
        if version is None:
            raise StorageUnavailable("The mind of this conversation is missing.")
        return {block.label: render_block(version.blocks.get(block.label, ())) for block in opened.agent.reflective}

    async def session_count(self, opened: Opened) -> int:
        """How many conversations this mind has behind it."""
        return await self._store.talks_ended(opened.key)
