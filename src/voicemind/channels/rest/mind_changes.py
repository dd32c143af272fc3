"""`/minds`: changing one by hand, going back, and bringing one from elsewhere. Every change is a new version."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Response
from pydantic import Field
from starlette.requests import Request

from voicemind.channels.http import WrongContentType, content_type, read_body
from voicemind.channels.rest.described import ANSWERS, sent_file
from voicemind.channels.rest.etags import IfMatch, Stale, expected
from voicemind.channels.rest.mind_shapes import MindShape
from voicemind.channels.rest.minds import MARKDOWN, Addressed, addressed, shaped
from voicemind.channels.rest.strict import Body, StrictRoute
from voicemind.channels.rest.visit import Here, Number, PathId, Visit
from voicemind.errors import BadRequest, StaleVersion, UnknownMind
from voicemind.mind import document, letta
from voicemind.mind.agent import Agent
from voicemind.mind.document import Document
from voicemind.mind.edits import Edit
from voicemind.store.values import MindVersion

router = APIRouter(route_class=StrictRoute, tags=["minds"], responses=ANSWERS)

MOST_EDITS = 100
IMPORT_LIMIT_BYTES = 25 * 1024 * 1024
"""A mind with ten thousand archived entries is a file of some megabytes."""


class EditBody(Body):
    """`add` takes a block and a text, `update` an entry and a text, the others an entry."""

    op: Literal["add", "update", "remove", "archive", "recall"]
    block: str = ""
    entry_id: str = ""
    text: str = ""


class EditsBody(Body):
    """All of these are done, or none."""

    edits: Annotated[list[EditBody], Field(min_length=1, max_length=MOST_EDITS)]


class UndoBody(Body):
    """Which version to take back; without a number, the newest."""

    number: Number | None = None


class RestoreBody(Body):
    """Which version to go back to."""

    number: Number


@router.patch("/minds/{agent}/{user_id}")
async def edit_mind(
    here: Here, agent: PathId, user_id: PathId, body: EditsBody, response: Response, if_match: IfMatch = None
) -> MindShape:
    """Change entries by hand."""
    mind = await addressed(here, agent, user_id)
    edits = [Edit(edit.op, edit.block, edit.entry_id, edit.text) for edit in body.edits]
    return await _written(
        here,
        mind,
        if_match,
        lambda parent: here.rooms.edits.edit(mind.agent, mind.key, edits, parent=parent),
        response=response,
    )


@router.post("/minds/{agent}/{user_id}/undo")
async def undo_version(
    here: Here,
    agent: PathId,
    user_id: PathId,
    response: Response,
    *,
    body: UndoBody | None = None,
    if_match: IfMatch = None,
) -> MindShape:
    """Take back what one version did, and nothing that came after it."""
    mind = await addressed(here, agent, user_id)
    number = body.number if body else None
    return await _written(
        here,
        mind,
        if_match,
        lambda parent: here.rooms.edits.undo(mind.agent, mind.key, number=number, parent=parent),
        response=response,
    )


@router.post("/minds/{agent}/{user_id}/restore")
async def restore_version(
    here: Here, agent: PathId, user_id: PathId, body: RestoreBody, response: Response, if_match: IfMatch = None
) -> MindShape:
    """Make the mind what it was in that version."""
    mind = await addressed(here, agent, user_id)
    return await _written(
        here,
        mind,
        if_match,
        lambda parent: here.rooms.edits.restore(mind.agent, mind.key, body.number, parent=parent),
        response=response,
    )


@router.post("/minds/{agent}/{user_id}/import", openapi_extra=sent_file(MARKDOWN, "application/json"))
async def import_mind(
    here: Here, agent: PathId, user_id: PathId, request: Request, response: Response, if_match: IfMatch = None
) -> MindShape:
    """Put a file in the place of what the mind holds: one that was exported here, or a Letta agent file (JSON). A mind that does not exist is made."""
    mind = await addressed(here, agent, user_id)
    given = await _document(request, mind.agent)

    async def write(parent: int | None) -> MindVersion:
        return await here.rooms.edits.replace(mind.agent, mind.key, given, parent=parent)

    if await here.rooms.store.mind(mind.key) is None:
        expected(if_match, None)
        return await shaped(here, mind, await write(None), response)
    return await _written(here, mind, if_match, write, response=response)


async def _document(request: Request, agent: Agent) -> Document:
    kind = content_type(request)
    if kind not in (MARKDOWN, "application/json"):
        raise WrongContentType(f"Send {MARKDOWN}, or a Letta agent file as application/json.")
    body = await read_body(request, limit=IMPORT_LIMIT_BYTES)
    if kind == "application/json":
        return await to_thread.run_sync(letta.parsed, body, agent)
    try:
        return await to_thread.run_sync(document.parsed, body.decode())
    except UnicodeDecodeError:
        raise BadRequest("The file is not UTF-8.") from None


async def _written(
    here: Visit,
    mind: Addressed,
    if_match: str | None,
    write: Callable[[int | None], Awaitable[MindVersion]],
    *,
    response: Response,
) -> MindShape:
    """Write from the version that `If-Match` names, or from the newest one. Raises Stale where the former is not the latter."""
    now = await here.rooms.store.mind(mind.key)
    parent = expected(if_match, now)
    if now is None:
        raise UnknownMind("There is no such mind.")
    try:
        version = await write(parent)
    except StaleVersion:
        if parent is None:
            raise  # the edits have tried again already
        raise Stale(await here.rooms.store.mind(mind.key)) from None
    return await shaped(here, mind, version, response)
