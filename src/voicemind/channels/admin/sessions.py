"""`/api/voice/create-agent-session` and `/api/ai/meeting/prepare`: everything that a voice platform needs to begin a call with one of our agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voicemind.channels.http import json_response, read_json
from voicemind.conversation.briefing import Briefing
from voicemind.conversation.meetings import Meetings, conversation_in
from voicemind.conversation.opening import Opened, Opening, external_id, still_open
from voicemind.conversation.settling import SESSION
from voicemind.errors import BadRequest
from voicemind.store.values import MeetingKind

COUNSELLOR = "counsellor"
"""Whom a person talks with where nobody is named."""

Named = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class NewAgentSession(msgspec.Struct):
    """`POST /api/voice/create-agent-session`: the person, the agent, or both."""

    patient_id: str | None = None
    role_id: str | None = None
    meeting_id: str | None = None


class NewMeeting(msgspec.Struct):
    """`POST /api/ai/meeting/prepare`; once for every agent of the meeting."""

    role_id: str
    participants: Annotated[list[Named], msgspec.Meta(min_length=1, max_length=50)] | Named
    topic: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    kind: MeetingKind = "meeting"
    meeting_id: str | None = None
    patient_id: str | None = None


class AgentSessions:
    """Both endpoints."""

    def __init__(self, opening: Opening, *, meetings: Meetings, briefing: Briefing) -> None:
        self._opening, self._meetings, self._briefing = opening, meetings, briefing

    def routes(self) -> Sequence[Route]:
        """Where they are found."""
        return [
            Route("/api/voice/create-agent-session", self.create, methods=["POST"]),
            Route("/api/ai/meeting/prepare", self.prepare, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        """Open a conversation, in a meeting where one is named, and answer with the whole prompt."""
        body = await read_json(request, NewAgentSession)
        person = external_id(body.patient_id, param="patient_id")
        role = external_id(body.role_id, param="role_id")
        meeting_id = external_id(body.meeting_id, param="meeting_id")
        if person is None and role is None:
            raise BadRequest("Say who talks: patient_id, role_id or both.", param="patient_id")
        agent = await self._opening.agent(request.state.tenant, role or COUNSELLOR)
        if meeting_id:
            await self._meetings.admit(request.state.tenant, meeting_id, agent)
        opened = still_open(
            await self._opening.open(
                agent,
                tenant=request.state.tenant,
                user_id=person,
                conversation_id=conversation_in(meeting_id, agent) if meeting_id else None,
                channel=SESSION,
                meeting_id=meeting_id,
            )
        )
        return json_response({"success": True, "data": await self._session(opened, person=person, role=role)})

    async def prepare(self, request: Request) -> Response:
        """Have the agent write down what it intends, and open its conversation."""
        body = await read_json(request, NewMeeting)
        role = external_id(body.role_id, param="role_id")
        if role is None:
            raise BadRequest("role_id is empty.", param="role_id")
        person = external_id(body.patient_id, param="patient_id")
        participants = [body.participants] if isinstance(body.participants, str) else body.participants
        prepared = await self._meetings.prepare(
            request.state.tenant,
            await self._opening.agent(request.state.tenant, role),
            participants=participants,
            topic=body.topic,
            kind=body.kind,
            meeting_id=external_id(body.meeting_id, param="meeting_id"),
            user_id=person,
        )
        return json_response(
            {
                "intent_notes": prepared.intent_notes,
                "meeting_id": prepared.opened.conversation.meeting_id,
                "agent_session": await self._session(prepared.opened, person=person, role=role),
            }
        )

    async def _session(self, opened: Opened, *, person: str | None, role: str | None) -> dict[str, Any]:
        talk = opened.conversation
        given = {"patient_id": person, "role_id": role, "meeting_id": talk.meeting_id}
        return {
            "agentId": opened.agent.slug,
            "prompt": await self._briefing.prompt(opened),
            **{name: value for name, value in given.items() if value is not None},
            "session_count": await self._briefing.session_count(opened),
            "conversation_id": talk.id,
        }
