"""Who talks with whom: finds the agent, names the person, and opens the conversation in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import uuid_utils

from voicemind.errors import BadRequest, ConversationOver
from voicemind.mind.agent import Agent
from voicemind.mind.names import called
from voicemind.mind.roster import Roster
from voicemind.store.contract import Store
from voicemind.store.values import Begun, Conversation, Intent, MindKey, NewTurn

MAX_ID_CHARS = 200
MAX_SAID_CHARS = 32_000
"""The longest thing that a person can say at once, whichever way it comes in."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A conversation that can go on, with its agent and the mind that it reads and will change."""

    conversation: Conversation
    agent: Agent
    key: MindKey
    begun: Begun | None = None
    """What was found in the moment in which it began, or went on: of use for what follows at once."""

    @property
    def person(self) -> str:
        """What to call the person in a mind that many people share; empty where the mind is theirs alone or they are anonymous."""
        return "" if self.key.user_id or self.conversation.anonymous else called(self.conversation.user_id)

    @property
    def intent_notes(self) -> str:
        """What the agent wants of this conversation, for itself alone."""
        return self.conversation.intent_notes


class Opening:
    """Opens conversations with the agents there are."""

    def __init__(self, store: Store, roster: Roster) -> None:
        self._store = store
        self._roster = roster

    async def agent(self, tenant: str, name: str) -> Agent:
        """The agent of that slug or alias. Raises UnknownAgent."""
        return await self._roster.find(tenant, name)

    async def open(
        self,
        agent: Agent,
        *,
        tenant: str,
        user_id: str | None,
        conversation_id: str | None,
        channel: str,
        anonymous: bool = False,
        meeting_id: str | None = None,
        intent: Intent | None = None,
    ) -> Opened:
        """Open the conversation or go on with it. Without a person it gets a private anonymous one; without an id it gets a new one.

        `anonymous`: the person was made up for an earlier conversation, which this one continues. Raises BadRequest where the conversation belongs to another agent or person; UnknownMeeting; InMeeting where this mind is in another meeting;
        StaleVersion where something was erased since the notes of `intent` were begun; ConversationOver where the conversation was erased.
        """
        identity = conversation_id or str(uuid_utils.uuid7())
        person = user_id or f"anonymous-{uuid_utils.uuid7()}"
        conversation = await self._store.open_conversation(
            agent.mind_key(tenant, person),
            identity,
            user_id=person,
            channel=channel,
            anonymous=anonymous or user_id is None,
            seed=agent.seed(),
            meeting_id=meeting_id,
            intent=intent,
        )
        _agree(conversation, agent, user_id)
        return self._opened(conversation, agent)

    async def begin(
        self,
        agent: Agent,
        *,
        tenant: str,
        user_id: str | None,
        conversation_id: str,
        channel: str,
        meeting_id: str | None,
        turns: Sequence[NewTurn],
    ) -> Opened:
        """The same, in one transaction with the first `turns` of a conversation that is new. Raises what `open` does."""
        person = user_id or f"anonymous-{uuid_utils.uuid7()}"
        begun = await self._store.begin_conversation(
            agent.mind_key(tenant, person),
            conversation_id,
            user_id=person,
            channel=channel,
            turns=turns,
            anonymous=user_id is None,
            seed=agent.seed(),
            meeting_id=meeting_id,
        )
        _agree(begun.conversation, agent, user_id)
        opened = self._opened(begun.conversation, agent)
        return replace(opened, begun=begun)

    async def found(self, tenant: str, conversation_id: str) -> Opened:
        """An existing conversation, ended or not. Raises UnknownConversation; UnknownAgent where its agent is gone."""
        conversation = await self._store.conversation(tenant, conversation_id)
        return self._opened(conversation, await self.agent(tenant, conversation.agent))

    async def still_open(self, tenant: str, conversation_id: str) -> Opened:
        """An existing conversation that can go on. Raises UnknownConversation, UnknownAgent, ConversationOver."""
        return still_open(await self.found(tenant, conversation_id))

    def _opened(self, conversation: Conversation, agent: Agent) -> Opened:
        return Opened(conversation, agent, agent.mind_key(conversation.tenant, conversation.user_id))


def external_id(value: str | None, *, param: str) -> str | None:
    """An id that comes from outside: None where it is missing or empty. Raises BadRequest for one that is too long or holds control characters."""
    if value is None or not value.strip():
        return None
    if len(value) > MAX_ID_CHARS:
        raise BadRequest(f"{param} is longer than {MAX_ID_CHARS} characters.", param=param)
    if not value.isprintable():
        raise BadRequest(f"{param} holds characters that cannot be printed.", param=param)
    return value


def still_open(opened: Opened) -> Opened:
    """The same, if it can go on. Raises ConversationOver."""
    if opened.conversation.status not in ("active", "detached"):
        raise ConversationOver("This conversation has ended; start another one.", param="conversation_id")
    return opened


def _agree(conversation: Conversation, agent: Agent, user_id: str | None) -> None:
    if conversation.agent != agent.slug:
        raise BadRequest("This conversation belongs to another agent.", param="conversation_id")
    if user_id is not None and conversation.user_id != user_id:
        raise BadRequest("This conversation belongs to another person.", param="conversation_id")
