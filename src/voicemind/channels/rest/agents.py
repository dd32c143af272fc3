"""`/agents`: who can be talked with, and making one's own. A definition has the fields of an agent file."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from voicemind.channels.http import json_response, read_json
from voicemind.channels.rest.described import ANSWERS, answered, sent
from voicemind.channels.rest.pages import DEFAULT_LIMIT, Cursor, Limit, page, place
from voicemind.channels.rest.strict import StrictRoute
from voicemind.channels.rest.visit import Here, PathId, Visit
from voicemind.errors import BadRequest, ClientMistake
from voicemind.mind.agent import Agent

router = APIRouter(route_class=StrictRoute, tags=["agents"], responses=ANSWERS)

PRESETS = "presets"
"""The address of the presets, and so no slug."""


class AlreadyThere(ClientMistake):
    """An agent of this slug exists."""

    code = "already_exists"
    status = 409


@router.get("/agents", responses=answered("A page of agents, by slug.", "Agent", paged=True))
async def list_agents(here: Here, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """Everybody that can be talked with: the presets, the maker's files, and those made here."""
    return _page(await here.rooms.roster.all(here.tenant), limit, cursor)


@router.get("/agents/presets", responses=answered("A page of agents, by slug.", "Agent", paged=True))
async def list_presets(here: Here, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """The agents that every tenant has, as they were before anybody replaced them: models for one's own."""
    presets = here.rooms.roster.presets
    return _page([presets[slug] for slug in sorted(presets)], limit, cursor)


@router.get("/agents/{agent}", responses=answered("The definition.", "Agent"))
async def read_agent(here: Here, agent: PathId) -> Response:
    """One agent, by slug or alias."""
    return json_response(_plain(await here.rooms.roster.find(here.tenant, agent)))


@router.post("/agents", status_code=201, openapi_extra=sent("Agent"), responses=answered("It is made.", "Agent", 201))
async def create_agent(here: Here, request: Request) -> Response:
    """Make an agent. 409 where there is one of this slug already."""
    definition = await read_json(request, dict[str, Any])
    slug = definition.get("slug")
    if any(agent.slug == slug for agent in await here.rooms.roster.all(here.tenant)):
        raise AlreadyThere("There is an agent of this slug; PUT replaces it.", param="slug")
    agent = await _put(here, definition)
    return json_response(_plain(agent), status=201, headers={"Location": f"{request.url.path}/{agent.slug}"})


@router.put("/agents/{agent}", openapi_extra=sent("Agent"), responses=answered("As it is now.", "Agent"))
async def replace_agent(here: Here, agent: PathId, request: Request) -> Response:
    """Make the agent of this slug, or put the definition in the place of what there is."""
    definition = await read_json(request, dict[str, Any])
    if definition.setdefault("slug", agent) != agent:
        raise BadRequest("The address names another slug.", param="slug")
    return json_response(_plain(await _put(here, definition)))


async def _put(here: Visit, definition: dict[str, Any]) -> Agent:
    if definition.get("slug") == PRESETS:
        raise BadRequest("This slug is an address of its own.", param="slug")
    return await here.rooms.roster.put(here.tenant, definition)


def _page(agents: tuple[Agent, ...] | list[Agent], limit: int, cursor: str | None) -> Response:
    after = place(cursor, tuple[str])
    rest = [agent for agent in agents if after is None or agent.slug > after[0]]
    found = page(rest, limit, shape=_plain, place=lambda agent: (agent.slug,))
    return json_response({"items": found.items, "next_cursor": found.next_cursor})


def _plain(agent: Agent) -> Any:
    return msgspec.to_builtins(agent)
