"""`/conversations`: who talked with whom, what was said and what was heard of it, as lists and as files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from voicemind.channels.http import json_response
from voicemind.channels.rest import transcripts
from voicemind.channels.rest.described import ANSWERS, files
from voicemind.channels.rest.pages import DEFAULT_LIMIT, Cursor, Limit, Page, moment, page, place
from voicemind.channels.rest.strict import Shape, StrictRoute
from voicemind.channels.rest.visit import Here, PathId, QueryId
from voicemind.store.values import Conversation, ConversationStatus, Modality, Role

router = APIRouter(route_class=StrictRoute, tags=["conversations"], responses=ANSWERS)


class ConversationShape(Shape):
    """A talk with an agent. `intent_notes` were written before it for the agent alone; `turns` is how many there are.

    `settled_at` is when the platform that carried it told how it really went: null where none has.
    """

    id: str
    agent: str
    user_id: str
    anonymous: bool
    channel: str
    status: ConversationStatus
    created_at: datetime
    active_at: datetime
    ended_at: datetime | None
    meeting_id: str | None
    intent_notes: str
    turns: int
    settled_at: datetime | None


class CallShape(Shape):
    """A function that the agent asked the platform to call; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class TurnShape(Shape):
    """What one side said. `heard` is how much of it reached the person: null where that is not known. `calls` are what an agent's turn ended with."""

    seq: int
    role: Role
    generated: str
    heard: str | None
    interrupted: bool
    modality: Modality
    created_at: datetime
    timings_ms: Mapping[str, float]
    calls: list[CallShape]


class Receipt(Shape):
    """What an erasure took away, in numbers. Until it is `scrubbed`, single bytes may still be in the files."""

    id: str
    created_at: datetime
    counts: Mapping[str, int]
    scrubbed: bool


@router.get("/conversations")
async def list_conversations(
    here: Here,
    *,
    agent: QueryId = None,
    user_id: QueryId = None,
    status: ConversationStatus | None = None,
    meeting_id: QueryId = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[ConversationShape]:
    """Conversations, the newest first."""
    rows = await here.rooms.store.conversations(
        here.tenant,
        agent=agent,
        user_id=user_id,
        status=status,
        meeting_id=meeting_id,
        before=place(cursor, tuple[datetime, str]),
        limit=limit + 1,
    )
    return page(rows, limit, shape=ConversationShape.model_validate, place=where)


@router.get("/conversations/{conversation_id}")
async def read_conversation(here: Here, conversation_id: PathId) -> ConversationShape:
    """One conversation."""
    return ConversationShape.model_validate(await here.rooms.store.conversation(here.tenant, conversation_id))


@router.get("/conversations/{conversation_id}/turns")
async def list_turns(
    here: Here, conversation_id: PathId, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[TurnShape]:
    """What was said, in order."""
    after = place(cursor, tuple[int]) or (0,)
    turns = await here.rooms.store.turns(here.tenant, conversation_id, after=after[0], limit=limit + 1)
    return page(turns, limit, shape=TurnShape.model_validate, place=lambda turn: (turn.seq,))


@router.get(
    "/conversations/{conversation_id}/export",
    response_class=Response,
    responses=files("The whole conversation.", "application/json", "text/markdown"),
)
async def export_conversation(
    here: Here,
    conversation_id: PathId,
    form: Annotated[Literal["json", "markdown", "elevenlabs"], Query(alias="format")] = "json",
) -> Response:
    """The whole conversation as JSON, as Markdown, or in the shape of ElevenLabs' conversation object."""
    conversation = await here.rooms.store.conversation(here.tenant, conversation_id)
    turns = await here.rooms.store.turns(here.tenant, conversation_id)
    if form == "markdown":
        return Response(transcripts.markdown(conversation, turns), media_type="text/markdown")
    if form == "elevenlabs":
        return json_response(transcripts.elevenlabs(conversation, turns))
    told = ConversationShape.model_validate(conversation).model_dump(mode="json")
    said = [TurnShape.model_validate(turn).model_dump(mode="json") for turn in turns]
    return json_response({"conversation": told, "turns": said})


@router.delete("/conversations/{conversation_id}")
async def erase_conversation(here: Here, conversation_id: PathId) -> Receipt:
    """Erase the conversation for good, with everything that was remembered of it alone."""
    return Receipt.model_validate(await here.rooms.erasing.conversation(here.tenant, conversation_id))


def where(conversation: Conversation) -> tuple[object, ...]:
    """Its place in a list."""
    return moment(conversation.created_at), conversation.id
