"""How a call really went, told afterwards by the platform that carried it: its transcript takes the place of ours, and the conversation ends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from voicemind.conversation.ending import Endings
from voicemind.conversation.exchange import Exchanges
from voicemind.conversation.live import Live
from voicemind.conversation.opening import Opened, Opening
from voicemind.errors import BadRequest, ConversationOver, UnknownAgent, UnknownConversation
from voicemind.store.contract import Store
from voicemind.store.values import Conversation, NewTurn, Turn

CHANNEL = "call"
"""The channel of a conversation that we hear of only when it is over."""

PHONE = "phone"
"""The channel of a conversation that was opened when the platform said that somebody calls."""

SESSION = "agent_session"
"""The channel of a conversation that was opened for a call that is about to begin."""

NAMED_HERE = frozenset({PHONE, SESSION})
"""Channels whose conversations, but for those of a meeting, have ids by chance that are told to the platform alone, or that it made up itself."""

Status = Literal["settled", "unchanged", "ended", "ignored"]


@dataclass(frozen=True, slots=True)
class Told:
    """What the platform says of a call.

    `conversations` are the ids it may have here, `agents` the names of whom it was with and `people` of who called, the likeliest first.
    `platform_id` is the one of the ids that the platform gave it; the others were chosen by whoever began the call.
    """

    platform_id: str = ""
    conversations: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    turns: tuple[NewTurn, ...] = ()

    def is_by(self, conversation: Conversation) -> bool:
        """Whether it says that this conversation's person called."""
        return conversation.user_id in self.people

    def repeats(self, turns: Iterable[Turn]) -> bool:
        """Whether it knows most of what the person said here: only who was there does."""
        heard = {_words(turn.generated) for turn in self.turns if turn.role == "user"}
        said = [_words(turn.generated) for turn in turns if turn.role == "user"]
        return bool(said) and 2 * sum(words in heard for words in said) > len(said)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it; `why` is a sentence without anything that was said."""

    status: Status
    why: str
    conversation_id: str | None = None


class Settling:
    """Settles calls."""

    def __init__(self, store: Store, opening: Opening, endings: Endings, *, exchanges: Exchanges, live: Live) -> None:
        self._store, self._opening, self._endings = store, opening, endings
        self._exchanges, self._live = exchanges, live

    async def over(self, tenant: str, told: Told) -> Outcome:
        """The call is over and went like this. Repeated, it changes nothing more. Raises StorageUnavailable."""
        known = await self._known(tenant, told)
        try:
            opened = await self._opening.found(tenant, known[0].id) if known else await self._taken_over(tenant, told)
        except (UnknownAgent, UnknownConversation):
            return Outcome("ignored", "The agent of this conversation is gone.")
        if opened is None:
            return Outcome(
                "ignored", "This call is not known here (any more), or does not say with whom and by whom it was."
            )
        for other in known[1:]:
            if not other.turns:  # it was opened for this call under an id that nobody used
                await self._endings.end_anyhow(tenant, other.id)
        return await self._settle(opened, told.turns)

    async def failed(self, tenant: str, told: Told) -> Outcome:
        """The call never came about: a conversation that was opened for it ends. Raises StorageUnavailable."""
        known = await self._known(tenant, told)
        for conversation in known:
            await self._endings.end_anyhow(tenant, conversation.id)
        if not known:
            return Outcome("ignored", "This call is not known here.")
        return Outcome("ended", "The call did not come about.", known[0].id)

    async def _known(self, tenant: str, told: Told) -> list[Conversation]:
        """Our conversations of these ids, the one that the call was really held in first."""
        known: list[Conversation] = []
        for identity in told.conversations:
            try:
                conversation = await self._store.conversation(tenant, identity)
            except UnknownConversation:
                continue
            if await self._was(conversation, told):
                known.append(conversation)
        return sorted(known, key=lambda conversation: not conversation.turns)

    async def _was(self, conversation: Conversation, told: Told) -> bool:
        """Whether the call was this conversation: whoever began the call may have named somebody else's, which must not be rewritten."""
        if conversation.id == told.platform_id:
            return True
        if not await self._is_with(conversation, told):
            return False
        if told.is_by(conversation):
            return True
        if not conversation.anonymous:
            return False
        if (
            conversation.channel in NAMED_HERE and conversation.meeting_id is None
        ):  # so nobody can guess what it is called
            return True
        return told.repeats(await self._store.turns(conversation.tenant, conversation.id))

    async def _is_with(self, conversation: Conversation, told: Told) -> bool:
        """Whether the call was with this agent; so it counts where none of the names that were told means one here."""
        found: set[str] = set()
        for name in told.agents:
            with suppress(UnknownAgent):
                found.add((await self._opening.agent(conversation.tenant, name)).slug)
        return not found or conversation.agent in found

    async def _taken_over(self, tenant: str, told: Told) -> Opened | None:
        """A new conversation for a call that went past us; None where agent or person cannot be told, or where it was erased here."""
        if not told.people or not told.conversations or not told.turns:
            return None
        for name in told.agents:
            try:
                agent = await self._opening.agent(tenant, name)
            except UnknownAgent:
                continue
            try:
                return await self._opening.open(
                    agent,
                    tenant=tenant,
                    user_id=told.people[0],
                    conversation_id=told.platform_id or told.conversations[0],
                    channel=CHANNEL,
                )
            except (BadRequest, ConversationOver):  # it belongs to another, or was erased
                return None
        return None

    async def _settle(self, opened: Opened, turns: tuple[NewTurn, ...]) -> Outcome:
        tenant, identity = opened.conversation.tenant, opened.conversation.id
        await self._live.end(tenant, identity)
        async with self._exchanges.alone(opened):
            settled = bool(turns) and await self._store.settle_turns(tenant, identity, turns)
            await self._endings.end(opened)
        if settled:
            return Outcome("settled", "The transcript is that of the platform; it is being reflected on.", identity)
        why = (
            "Its transcript was settled before, or is being reflected on, or is memory already."
            if turns
            else "There was nothing in the transcript."
        )
        return Outcome("unchanged", why, identity)


def _words(text: str) -> tuple[str, ...]:
    """What was said, however it is written."""
    return tuple(re.findall(r"\w+", text.casefold()))
