"""What the endpoints of other people's formats share: from what was asked to the pieces of the answer."""

from __future__ import annotations

import uuid_utils

from voicemind.channels.chat_completions.asked import Chat
from voicemind.channels.sse import Pieces
from voicemind.conversation.exchange import Exchanges
from voicemind.conversation.opening import Opened, Opening, still_open
from voicemind.conversation.transcript import Reconciled, appended
from voicemind.conversation.unnamed import Unnamed
from voicemind.errors import BadRequest
from voicemind.mind.agent import Agent
from voicemind.mind.reply import Situation


class Answering:
    """Answers as the agents. With `merges_prompt` the model sees the caller's own system messages, else it does not.

    `unnamed` finds the conversation of a request that names none; without it such a request is answered and nothing is kept.
    """

    def __init__(self, opening: Opening, exchanges: Exchanges, *, unnamed: Unnamed | None, merges_prompt: bool) -> None:
        self._opening, self._exchanges, self._unnamed = opening, exchanges, unnamed
        self._merges_prompt = merges_prompt

    async def agent(self, tenant: str, slug: str | None, model: str | None, *, role: str = "") -> Agent:
        """The agent of the address, where there is one, else of `model`; a `role` has to be the same. Raises UnknownAgent, BadRequest."""
        name = slug or model
        if not name:
            raise BadRequest("The model is missing: it names the agent.", param="model")
        agent = await self._opening.agent(tenant, name)
        if role and (await self._opening.agent(tenant, role)).slug != agent.slug:
            raise BadRequest("role_id names another agent than model.", param="elevenlabs_extra_body.role_id")
        return agent

    async def found(self, tenant: str, conversation_id: str) -> Opened:
        """An existing conversation that can go on. Raises UnknownConversation, UnknownAgent, ConversationOver."""
        return await self._opening.still_open(tenant, conversation_id)

    async def pieces(
        self, tenant: str, agent: Agent, chat: Chat, *, channel: str, streams: bool, keeps: bool = True
    ) -> Pieces:
        """The answer, to be iterated under `aclosing`; one that `streams` to a voice is spoken for while it is late.

        Unless it `keeps`, a request without a conversation is answered and forgotten. Raises BadRequest and ConversationOver for a
        conversation that is not the caller's to go on with.
        """
        opened, first = await self._opened(tenant, agent, chat, channel=channel, keeps=keeps)
        caller = chat.caller
        key = opened.key if opened else agent.mind_key(tenant, caller.person or f"anonymous-{uuid_utils.uuid7()}")
        situation = Situation(
            agent=agent,
            key=key,
            channel=caller.channel,
            history=chat.history,
            guidance=chat.guidance if self._merges_prompt else "",
            wishes=chat.wishes,
        )
        return self._exchanges.answer(situation, opened, first=first, aloud=caller.channel == "voice", fills=streams)

    async def _opened(
        self, tenant: str, agent: Agent, chat: Chat, *, channel: str, keeps: bool
    ) -> tuple[Opened | None, Reconciled | None]:
        """The conversation, and what the request means where that is new. None where nothing is kept: the answer then comes from the mind as it is."""
        caller = chat.caller
        identity = caller.conversation_id
        if not identity and keeps and self._unnamed is not None:
            identity = await self._unnamed.conversation_id(
                tenant,
                agent.slug,
                person=caller.person or "",
                system=chat.guidance,
                messages=chat.history,
                may_repeat=caller.channel == "voice",
            )
        if not identity:
            return None, None
        first = self._exchanges.first((tenant, identity), chat.history, channel=caller.channel)
        opened = await self._opening.begin(
            agent,
            tenant=tenant,
            user_id=caller.person,
            conversation_id=identity,
            channel=channel,
            meeting_id=caller.meeting_id,
            turns=appended(first) if first else (),
        )
        return still_open(opened), first
