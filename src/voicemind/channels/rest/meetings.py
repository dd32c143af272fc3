"""`/meetings`: planned encounters, what each agent intends there, and passing a person on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from voicemind.channels.rest.conversations import ConversationShape
from voicemind.channels.rest.described import ANSWERS
from voicemind.channels.rest.pages import DEFAULT_LIMIT, Cursor, Limit, Page, moment, page, place
from voicemind.channels.rest.reflections import ReflectionShape, reflection_shape
from voicemind.channels.rest.strict import Body, Shape, StrictRoute
from voicemind.channels.rest.visit import BodyId, Here, PathId
from voicemind.conversation.meetings import MOST_AGENTS, Prepared
from voicemind.store.values import MeetingKind

router = APIRouter(route_class=StrictRoute, tags=["meetings"], responses=ANSWERS)

Named = Annotated[str, Field(min_length=1, max_length=200)]


class MeetingShape(Shape):
    """An encounter of one or more agents with participants."""

    id: str
    kind: MeetingKind
    topic: str
    participants: list[str]
    created_at: datetime


class WholeMeetingShape(MeetingShape):
    """A meeting with the conversation of each agent in it."""

    conversations: list[ConversationShape]


class PreparedShape(Shape):
    """An agent that is ready. `intent_notes` are in its prompt and are never spoken. `meeting` is null after a hand-over outside of one."""

    intent_notes: str
    meeting: MeetingShape | None
    conversation: ConversationShape


class PrepareBody(Body):
    """Who meets whom, and about what. `user_id` says which person it is where the agent has a mind for each."""

    agent: BodyId
    participants: Annotated[list[Named], Field(min_length=1, max_length=50)]
    topic: Annotated[str, Field(max_length=2000)] = ""
    kind: MeetingKind = "meeting"
    meeting_id: BodyId | None = None
    user_id: BodyId | None = None


class HandOverBody(Body):
    """To which agent."""

    agent: BodyId


@router.get("/meetings")
async def list_meetings(here: Here, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Page[MeetingShape]:
    """Meetings, the newest first."""
    rows = await here.rooms.store.meetings(here.tenant, before=place(cursor, tuple[datetime, str]), limit=limit + 1)
    return page(rows, limit, shape=_meeting, place=lambda row: (moment(row.created_at), row.id))


@router.get("/meetings/{meeting_id}")
async def read_meeting(here: Here, meeting_id: PathId) -> WholeMeetingShape:
    """One meeting with its conversations."""
    meeting = await here.rooms.store.meeting(here.tenant, meeting_id)
    conversations = await here.rooms.store.conversations(here.tenant, meeting_id=meeting_id, limit=MOST_AGENTS)
    return WholeMeetingShape(
        **_meeting(meeting).model_dump(),
        conversations=[ConversationShape.model_validate(conversation) for conversation in conversations],
    )


@router.post("/meetings/prepare")
async def prepare_meeting(here: Here, body: PrepareBody) -> PreparedShape:
    """Have an agent make up its mind, and open its conversation; once for each agent of the meeting. 409 names the meeting that it is in already."""
    agent = await here.rooms.roster.find(here.tenant, body.agent)
    prepared = await here.rooms.meetings.prepare(
        here.tenant,
        agent,
        participants=body.participants,
        topic=body.topic,
        kind=body.kind,
        meeting_id=body.meeting_id,
        user_id=body.user_id,
    )
    return _prepared(prepared)


@router.post("/meetings/{meeting_id}/end")
async def end_meeting(here: Here, meeting_id: PathId) -> list[ReflectionShape]:
    """End the conversations of all its agents. Each reflects on what it heard: these are the reflections, which go on."""
    ended = await here.rooms.meetings.end(here.tenant, meeting_id)
    return [await reflection_shape(here, reflection) for reflection in ended]


@router.post("/conversations/{conversation_id}/hand-over")
async def hand_over(here: Here, conversation_id: PathId, body: HandOverBody) -> PreparedShape:
    """Pass the person on to another agent, which gets a conversation of its own and the notes of this one."""
    agent = await here.rooms.roster.find(here.tenant, body.agent)
    return _prepared(await here.rooms.meetings.hand_over(here.tenant, conversation_id, agent))


def _meeting(meeting: object) -> MeetingShape:
    return MeetingShape.model_validate(meeting)


def _prepared(prepared: Prepared) -> PreparedShape:
    return PreparedShape(
        intent_notes=prepared.intent_notes,
        meeting=_meeting(prepared.meeting) if prepared.meeting else None,
        conversation=ConversationShape.model_validate(prepared.opened.conversation),
    )
