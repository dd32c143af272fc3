"""`/reflections`: what became of each ended conversation, what waits for a person's word, and what is to be tried again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from voicemind.channels import told
from voicemind.channels.rest.described import ANSWERS
from voicemind.channels.rest.mind_shapes import ToldShape
from voicemind.channels.rest.minds import told_shape
from voicemind.channels.rest.pages import DEFAULT_LIMIT, Cursor, Limit, Page, page, place
from voicemind.channels.rest.strict import Body, Shape, StrictRoute
from voicemind.channels.rest.visit import Here, PathId, QueryId, Visit
from voicemind.errors import UnknownConversation
from voicemind.mind.reflection.proposal import Decision
from voicemind.store.values import Reflection, ReflectionStatus

router = APIRouter(route_class=StrictRoute, tags=["reflections"], responses=ANSWERS)

MOST_DECISIONS = 500


class ReflectionShape(Shape):
    """The reflection on one conversation. `before` and `after` are versions of the mind; `proposal` is what waits for a person's word."""

    id: str
    conversation_id: str
    agent: str
    user_id: str
    status: ReflectionStatus
    attempts: int
    before: int | None
    after: int | None
    notes: str
    error: str
    created_at: datetime | None
    proposal: list[ToldShape]


class DecisionBody(Body):
    """What becomes of one proposed change; `edit` takes the words that you would rather have."""

    verdict: Literal["accept", "edit", "reject"]
    text: str = ""


class DecisionsBody(Body):
    """A decision for every proposed change, in their order."""

    decisions: Annotated[list[DecisionBody], Field(max_length=MOST_DECISIONS)]


@router.get("/reflections")
async def list_reflections(
    here: Here,
    *,
    status: ReflectionStatus | None = None,
    agent: QueryId = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[ReflectionShape]:
    """Reflections, the newest first."""
    before = place(cursor, tuple[str])
    rows = await here.rooms.store.reflections(
        here.tenant, status=status, agent=agent, before=before[0] if before else None, limit=limit + 1
    )
    shown = {row.id: await reflection_shape(here, row) for row in rows[:limit]}
    return page(rows, limit, shape=lambda row: shown[row.id], place=lambda row: (row.id,))


@router.get("/reflections/{conversation_id}")
async def read_reflection(here: Here, conversation_id: PathId) -> ReflectionShape:
    """The reflection on a conversation that has ended."""
    reflection = await here.rooms.store.reflection(here.tenant, conversation_id)
    if reflection is None:
        raise UnknownConversation("No conversation of this id has ended.")
    return await reflection_shape(here, reflection)


@router.post("/reflections/{conversation_id}/retry")
async def retry_reflection(here: Here, conversation_id: PathId) -> ReflectionShape:
    """Have a reflection that was given up tried again."""
    return await reflection_shape(here, await here.rooms.reviews.retry(here.tenant, conversation_id))


@router.post("/reflections/{conversation_id}/decide")
async def decide_reflection(here: Here, conversation_id: PathId, body: DecisionsBody) -> ReflectionShape:
    """Accept, edit or reject each proposed change. What is accepted becomes a new version."""
    decisions = [Decision(decision.verdict, decision.text) for decision in body.decisions]
    return await reflection_shape(here, await here.rooms.reviews.decide(here.tenant, conversation_id, decisions))


async def reflection_shape(here: Visit, reflection: Reflection) -> ReflectionShape:
    """The reflection with its proposal in words."""
    waiting = await told.proposed(here.rooms.store, reflection) if reflection.status == "review" else ()
    return ReflectionShape(
        id=reflection.id,
        conversation_id=reflection.conversation_id,
        agent=reflection.key.agent,
        user_id=reflection.key.user_id,
        status=reflection.status,
        attempts=reflection.attempts,
        before=reflection.before,
        after=reflection.after,
        notes=reflection.notes,
        error=reflection.error,
        created_at=reflection.created_at,
        proposal=[told_shape(change) for change in waiting],
    )
