"""`/minds`: what an agent remembers, of whom, since when and why: reading. A mind that belongs to the agent alone has `-` for a user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Response

from voicemind.channels import told
from voicemind.channels.http import json_response
from voicemind.channels.rest.described import ANSWERS, files
from voicemind.channels.rest.etags import etag
from voicemind.channels.rest.mind_shapes import (
    ArchivedShape,
    BlockDiffShape,
    ChangedShape,
    EvidenceShape,
    MindShape,
    MindSummaryShape,
    ToldShape,
    VersionShape,
    archived_shape,
    entry_shape,
    mind_shape,
    turns_of,
    version_shape,
    written_by,
)
from voicemind.channels.rest.pages import DEFAULT_LIMIT, Cursor, Limit, Page, page, place
from voicemind.channels.rest.strict import StrictRoute
from voicemind.channels.rest.visit import Here, Number, PathId, QueryId, Visit
from voicemind.errors import UnknownMind
from voicemind.mind.agent import Agent
from voicemind.mind.document import markdown
from voicemind.mind.versions import diff
from voicemind.store.values import ArchivedEntry, MindKey, MindSummary, MindVersion

router = APIRouter(route_class=StrictRoute, tags=["minds"], responses=ANSWERS)

NOBODY = "-"
"""Stands for the user in the address of a mind that belongs to the agent alone."""
MARKDOWN = "text/markdown"
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Addressed:
    """The mind that an address names, which may not exist."""

    agent: Agent
    key: MindKey


async def addressed(here: Visit, agent: str, user: str) -> Addressed:
    """Whose mind is meant. Raises UnknownAgent; UnknownMind for a user of an agent whose mind has none."""
    found = await here.rooms.roster.find(here.tenant, agent)
    if not found.is_private and user != NOBODY:
        raise UnknownMind(f"{found.slug} has one mind for everybody: its user is {NOBODY}.")
    return Addressed(found, found.mind_key(here.tenant, user))


async def newest(here: Visit, mind: Addressed) -> MindVersion:
    """Raises UnknownMind."""
    version = await here.rooms.store.mind(mind.key)
    if version is None:
        raise UnknownMind("There is no such mind.")
    return version


async def numbered(here: Visit, mind: Addressed, number: int) -> MindVersion:
    """Raises UnknownMind."""
    version = await here.rooms.store.mind_version(mind.key, number)
    if version is None:
        raise UnknownMind("There is no such version of this mind.")
    return version


async def shaped(here: Visit, mind: Addressed, version: MindVersion, response: Response) -> MindShape:
    """The newest version with its ETag, and with every entry who wrote it and where it comes from."""
    entries = [entry for block in version.blocks.values() for entry in block]
    turns = await turns_of(here.rooms.store, here.tenant, entries)
    written = await written_by(here.rooms.store, mind.key, entries)
    response.headers["ETag"] = etag(version)
    return mind_shape(mind.agent, version, turns, written=written)


def told_shape(change: told.Told) -> ToldShape:
    """One change in words."""
    return ToldShape(
        kind=change.kind,
        block=change.block,
        before=list(change.before),
        after=change.after,
        reason=change.reason,
        evidence=[EvidenceShape.model_validate(evidence) for evidence in change.evidence],
        entry_id=change.entry_id,
    )


@router.get("/minds")
async def list_minds(
    here: Here, agent: QueryId = None, user_id: QueryId = None, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[MindSummaryShape]:
    """Minds by agent and user."""
    rows = await here.rooms.store.minds(
        here.tenant, agent=agent, user_id=user_id, after=place(cursor, tuple[str, str]), limit=limit + 1
    )
    return page(rows, limit, shape=_summary, place=lambda row: (row.key.agent, row.key.user_id))


@router.get("/minds/{agent}", name="read_shared_mind")
async def read_shared_mind(here: Here, agent: PathId, response: Response) -> MindShape:
    """The mind of an agent that has one for everybody, as it is."""
    return await read_mind(here, agent, NOBODY, response)


@router.get("/minds/{agent}/{user_id}")
async def read_mind(here: Here, agent: PathId, user_id: PathId, response: Response) -> MindShape:
    """The mind as it is: blocks, entries, and what each entry rests on."""
    mind = await addressed(here, agent, user_id)
    return await shaped(here, mind, await newest(here, mind), response)


@router.get("/minds/{agent}/{user_id}/archive")
async def list_archive(
    here: Here, agent: PathId, user_id: PathId, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[ArchivedShape]:
    """What no longer fitted into the blocks, by entry id, which is by age."""
    mind = await addressed(here, agent, user_id)
    await newest(here, mind)
    after = place(cursor, tuple[str])
    rows = await here.rooms.store.archived(mind.key, after=after[0] if after else None, limit=limit + 1)
    turns = await turns_of(here.rooms.store, here.tenant, [row.entry for row in rows])
    return page(rows, limit, shape=lambda row: archived_shape(row, turns), place=lambda row: (row.entry.id,))


@router.get("/minds/{agent}/{user_id}/versions")
async def list_versions(
    here: Here, agent: PathId, user_id: PathId, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[VersionShape]:
    """The versions, the newest first."""
    mind = await addressed(here, agent, user_id)
    await newest(here, mind)
    before = place(cursor, tuple[int])
    rows = await here.rooms.store.mind_versions(mind.key, before=before[0] if before else None, limit=limit + 1)
    return page(rows, limit, shape=version_shape, place=lambda row: (row.number,))


@router.get("/minds/{agent}/{user_id}/versions/{number}")
async def read_version(here: Here, agent: PathId, user_id: PathId, number: Number) -> MindShape:
    """One version as it was, and what it changed."""
    mind = await addressed(here, agent, user_id)
    version = await numbered(here, mind, number)
    turns = await turns_of(
        here.rooms.store, here.tenant, [entry for block in version.blocks.values() for entry in block]
    )
    changes = [told_shape(change) for change in await told.changes(here.rooms.store, version)]
    return mind_shape(mind.agent, version, turns, changes=changes)


@router.get("/minds/{agent}/{user_id}/diff")
async def compare_versions(
    here: Here,
    agent: PathId,
    user_id: PathId,
    before: Annotated[Number, Query(alias="from")],
    after: Annotated[Number, Query(alias="to")],
) -> list[BlockDiffShape]:
    """What differs between two versions, by block: entries, and a unified diff of their lines."""
    mind = await addressed(here, agent, user_id)
    one, other = await numbered(here, mind, before), await numbered(here, mind, after)
    both = [entry for version in (one, other) for block in version.blocks.values() for entry in block]
    turns = await turns_of(here.rooms.store, here.tenant, both)
    return [
        BlockDiffShape(
            block=block.block,
            added=[entry_shape(entry, turns) for entry in block.added],
            removed=[entry_shape(entry, turns) for entry in block.removed],
            changed=[
                ChangedShape(before=entry_shape(old, turns), after=entry_shape(new, turns))
                for old, new in block.changed
            ],
            text=block.text,
        )
        for block in await to_thread.run_sync(diff, one, other)
    ]


@router.get(
    "/minds/{agent}/{user_id}/export",
    response_class=Response,
    responses=files("The mind as one file.", MARKDOWN, "application/json"),
)
async def export_mind(here: Here, agent: PathId, user_id: PathId, accept: Annotated[str, Header()] = "") -> Response:
    """The mind as one readable file that can be imported again; as JSON for programs where `Accept` asks for that."""
    mind = await addressed(here, agent, user_id)
    version = await newest(here, mind)
    archived = await all_archived(here, mind.key)
    headers = {"ETag": etag(version)}
    if "application/json" not in accept:
        return Response(markdown(mind.agent, version, archived), media_type=MARKDOWN, headers=headers)
    entries = [*(entry for block in version.blocks.values() for entry in block), *(row.entry for row in archived)]
    turns = await turns_of(here.rooms.store, here.tenant, entries)
    plain = mind_shape(mind.agent, version, turns).model_dump(mode="json")
    archive = [archived_shape(row, turns).model_dump(mode="json") for row in archived]
    return json_response({**plain, "archive": archive}, headers=headers)


async def all_archived(here: Visit, key: MindKey) -> list[ArchivedEntry]:
    """The whole archive, by entry id."""
    found: list[ArchivedEntry] = []
    while True:
        rows = await here.rooms.store.archived(key, after=found[-1].entry.id if found else None, limit=_AT_ONCE)
        found += rows
        if len(rows) < _AT_ONCE:
            return found


def _summary(summary: MindSummary) -> MindSummaryShape:
    return MindSummaryShape(
        agent=summary.key.agent,
        user_id=summary.key.user_id,
        version=summary.version,
        entries=summary.entries,
        archived=summary.archived,
        changed_at=summary.changed_at,
    )
