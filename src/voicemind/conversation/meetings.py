"""Meetings and hand-overs: who meets whom with which intent, and how an agent passes a person on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import uuid_utils

from voicemind.conversation.ending import Endings
from voicemind.conversation.live import Live
from voicemind.conversation.opening import Opened, Opening
from voicemind.errors import BadRequest, ConversationOver, InMeeting, UnknownConversation, VoicemindError
from voicemind.mind.afresh import afresh
from voicemind.mind.agent import Agent
from voicemind.mind.intent import Intents, Occasion
from voicemind.store.contract import Store
from voicemind.store.values import Intent, Meeting, MeetingKind, Reflection

MOST_AGENTS = 50
"""Agents in one meeting."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An agent that is ready: its conversation is open and its prompt holds the notes. `meeting` is None after a hand-over outside of one."""

    meeting: Meeting | None
    opened: Opened
    intent_notes: str


def conversation_in(meeting_id: str, agent: Agent) -> str:
    """The id of an agent's conversation in a meeting."""
    return f"meeting_{meeting_id}_role_{agent.slug}"


class Meetings:
    """Prepares and ends meetings. An agent (with one person, where its mind is theirs) is in one live meeting at a time."""

    def __init__(self, store: Store, opening: Opening, endings: Endings, live: Live, intents: Intents) -> None:
        self._store, self._opening, self._endings, self._live, self._intents = store, opening, endings, live, intents

    async def prepare(
        self,
        tenant: str,
        agent: Agent,
        *,
        participants: Sequence[str],
        topic: str = "",
        kind: MeetingKind = "meeting",
        meeting_id: str | None = None,
        user_id: str | None = None,
    ) -> Prepared:
        """Write the agent's intent notes and open its conversation; with `meeting_id`, in a meeting that others may be in already.

        Repeated for an agent that is in this meeting, it returns what there is. Raises InMeeting, ConversationOver where its part in the
        meeting has ended, BadRequest (also for another person than the one it meets there, and in a full meeting), ProviderUnavailable.
        """
        meeting_id = meeting_id or str(uuid_utils.uuid7())
        identity = conversation_in(meeting_id, agent)
        if agent.is_private and user_id is None:
            raise BadRequest(f"{agent.slug} has a mind for each person: say whom it meets.", param="patient_id")
        key = agent.mind_key(tenant, user_id or "")
        there = await self._found(tenant, identity)
        if there is not None:
            return await self._again(there, meeting_id=meeting_id, user_id=user_id)
        present = await self._store.meeting_of(key)
        if present is not None:
            raise InMeeting(f"{agent.slug} is in the meeting {present}; end that one first.", meeting_id=present)
        await self.admit(tenant, meeting_id, agent)
        occasion = Occasion(kind, tuple(participants), topic)

        async def once() -> Prepared:
            seen = await self._store.erasures_made(tenant)
            await self._store.ensure_mind(key, seed=agent.seed())
            notes = await self._intents.before(agent, key, occasion)
            meeting = await self._store.make_meeting(
                tenant, meeting_id, kind=kind, topic=topic, participants=occasion.participants
            )
            try:
                opened = await self._opening.open(
                    agent,
                    tenant=tenant,
                    user_id=user_id,
                    conversation_id=identity,
                    channel="meeting",
                    meeting_id=meeting_id,
                    intent=Intent(notes, seen),
                )
            except VoicemindError:  # it went to another meeting meanwhile
                await self._store.drop_meeting(tenant, meeting_id)
                raise
            return Prepared(meeting, opened, opened.conversation.intent_notes)

        return await afresh(once)

    async def admit(self, tenant: str, meeting_id: str, agent: Agent) -> None:
        """Raises BadRequest where the meeting has no room for another agent; one that is in it already may stay."""
        talks = await self._store.conversations(tenant, meeting_id=meeting_id, limit=MOST_AGENTS)
        if len(talks) >= MOST_AGENTS and conversation_in(meeting_id, agent) not in {talk.id for talk in talks}:
            raise BadRequest(f"A meeting has at most {MOST_AGENTS} agents.", param="meeting_id")

    async def end(self, tenant: str, meeting_id: str) -> tuple[Reflection, ...]:
        """End the conversations of all agents in the meeting; each reflects on its own. Raises UnknownMeeting."""
        await self._store.meeting(tenant, meeting_id)
        conversations = await self._store.conversations(tenant, meeting_id=meeting_id, limit=MOST_AGENTS)
        ended: list[Reflection] = []
        for conversation in conversations:
            await self._live.end(tenant, conversation.id)
            ended.append(await self._endings.end_anyhow(tenant, conversation.id))
        return tuple(ended)

    async def hand_over(self, tenant: str, conversation_id: str, to: Agent) -> Prepared:
        """Pass the person of this conversation on: the next agent gets a conversation of its own and the notes of the first, whose conversation ends.

        Raises UnknownConversation, ConversationOver, InMeeting, BadRequest, ProviderUnavailable.
        """
        opened = await self._opening.still_open(tenant, conversation_id)
        if to.slug == opened.agent.slug:
            raise BadRequest("The conversation is with this agent already.", param="role_id")
        talk = opened.conversation
        if talk.meeting_id:
            if await self._found(tenant, conversation_in(talk.meeting_id, to)):
                raise BadRequest(f"{to.slug} has a conversation of its own in this meeting.", param="role_id")
            await self.admit(tenant, talk.meeting_id, to)
        following = await afresh(lambda: self._passed_on(opened, to))
        await self._live.end(tenant, conversation_id)
        await self._endings.end(opened)
        meeting = await self._store.meeting(tenant, talk.meeting_id) if talk.meeting_id else None
        return Prepared(meeting, following, following.conversation.intent_notes)

    async def _passed_on(self, opened: Opened, to: Agent) -> Opened:
        """The conversation with the next agent, with notes of the first that rest on nothing that is erased meanwhile."""
        talk = opened.conversation
        seen = await self._store.erasures_made(talk.tenant)
        turns = await self._store.turns(talk.tenant, talk.id)
        notes = await self._intents.handing_over(opened.agent, opened.key, turns, to=to)
        return await self._opening.open(
            to,
            tenant=talk.tenant,
            user_id=talk.user_id,
            anonymous=talk.anonymous,
            conversation_id=conversation_in(talk.meeting_id, to) if talk.meeting_id else None,
            channel=talk.channel,
            meeting_id=talk.meeting_id,
            intent=Intent(notes, seen),
        )

    async def _again(self, opened: Opened, *, meeting_id: str, user_id: str | None) -> Prepared:
        """What was prepared before. An agent has one conversation in a meeting, and so it meets one person there."""
        talk, agent = opened.conversation, opened.agent
        if user_id not in (None, talk.user_id):
            raise BadRequest(f"{agent.slug} meets another person in this meeting.", param="patient_id")
        if talk.meeting_id != meeting_id or talk.status not in ("active", "detached"):
            raise ConversationOver(f"{agent.slug} has left this meeting.", param="meeting_id")
        return Prepared(await self._store.meeting(talk.tenant, meeting_id), opened, talk.intent_notes)

    async def _found(self, tenant: str, conversation_id: str) -> Opened | None:
        try:
            return await self._opening.found(tenant, conversation_id)
        except UnknownConversation:
            return None
