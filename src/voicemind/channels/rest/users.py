"""`/users` and `/erasures`: the persons, everything about one of them, and their right to be forgotten."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from voicemind.channels.rest import dossier
from voicemind.channels.rest.conversations import Receipt
from voicemind.channels.rest.described import ANSWERS, files
from voicemind.channels.rest.pages import DEFAULT_LIMIT, Cursor, Limit, Page, moment, page, place
from voicemind.channels.rest.strict import Shape, StrictRoute
from voicemind.channels.rest.visit import Here, PathId

router = APIRouter(route_class=StrictRoute, tags=["users"], responses=ANSWERS)


class UserShape(Shape):
    """A person, as far as they are known: the id that somebody gave them. An `anonymous` one was made up for one conversation, and those it was passed on to."""

    id: str
    anonymous: bool
    created_at: datetime
    conversations: int


@router.get("/users")
async def list_users(here: Here, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Page[UserShape]:
    """Persons by id."""
    after = place(cursor, tuple[str])
    rows = await here.rooms.store.users(here.tenant, after=after[0] if after else None, limit=limit + 1)
    return page(rows, limit, shape=UserShape.model_validate, place=lambda row: (row.id,))


@router.get("/users/{user_id}")
async def read_user(here: Here, user_id: PathId) -> UserShape:
    """One person."""
    return UserShape.model_validate(await here.rooms.store.user(here.tenant, user_id))


@router.get(
    "/users/{user_id}/export",
    response_class=StreamingResponse,
    responses=files("Everything about this person.", "application/json"),
)
async def export_user(here: Here, user_id: PathId) -> StreamingResponse:
    """Everything about this person: conversations with their turns, reflections, their minds in all versions, and what agents with one mind for everybody remember of them."""
    user = await here.rooms.store.user(here.tenant, user_id)
    head = UserShape.model_validate(user).model_dump(mode="json")
    return StreamingResponse(dossier.everything(here, user_id, head), media_type="application/json")


@router.delete("/users/{user_id}")
async def erase_user(here: Here, user_id: PathId) -> Receipt:
    """Erase this person for good: conversations, minds, every entry that rests on them alone, and the id."""
    return Receipt.model_validate(await here.rooms.erasing.user(here.tenant, user_id))


@router.get("/erasures")
async def list_erasures(here: Here, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Page[Receipt]:
    """The receipts of erasures, the newest first: counts, never contents."""
    before = place(cursor, tuple[datetime, str])
    rows = await here.rooms.store.erasures(here.tenant, before=before, limit=limit + 1)
    return page(rows, limit, shape=Receipt.model_validate, place=lambda row: (moment(row.created_at), row.id))
