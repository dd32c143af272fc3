"""`/v1/chat/completions` and `/v1/models`, at every address that clients and voice platforms make of them."""

from __future__ import annotations

from collections.abc import Sequence

import uuid_utils
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from voicemind.channels.answering import Answering
from voicemind.channels.chat_completions import wire
from voicemind.channels.chat_completions.answer import Chunks, Collected, Head, completion
from voicemind.channels.chat_completions.asked import chat
from voicemind.channels.http import json_response, read_json
from voicemind.channels.sse import EventStream, whole
from voicemind.clock import epoch_ms
from voicemind.mind.agent import Agent
from voicemind.mind.roster import Roster

ROOTS = ("/v1", "", "/agents/{slug}/v1", "/agents/{slug}", "/v1/v1", "/agents/{slug}/v1/v1")
"""What stands before an endpoint: clients are given an address with or without /v1, and some add another."""
COMPLETIONS = "/chat/completions"


class ChatCompletions:
    """The endpoints, for these agents."""

    def __init__(self, answering: Answering, roster: Roster) -> None:
        self._answering, self._roster = answering, roster
        self._started_s = epoch_ms() // 1000

    def routes(self) -> Sequence[Route]:
        """Where they are found. Some platforms put the endpoint behind an address that ends with it already."""
        lists = [root for root in ROOTS if root]
        return [
            *(Route(root + COMPLETIONS, self.complete, methods=["POST"]) for root in ROOTS),
            *(Route(root + COMPLETIONS * 2, self.complete, methods=["POST"]) for root in ROOTS),
            *(Route(root + "/models", self.models, methods=["GET"]) for root in lists),
            *(Route(root + "/models/{model}", self.model, methods=["GET"]) for root in lists),
        ]

    async def models(self, http: HttpRequest) -> Response:
        """Every agent is a model; under an agent's address it alone."""
        slug = http.path_params.get("slug")
        tenant = http.state.tenant
        agents = [await self._roster.find(tenant, slug)] if slug else await self._roster.all(tenant)
        return json_response({"object": "list", "data": [self._listed(agent) for agent in agents]})

    async def model(self, http: HttpRequest) -> Response:
        """One agent."""
        return json_response(self._listed(await self._roster.find(http.state.tenant, http.path_params["model"])))

    async def complete(self, http: HttpRequest) -> Response:
        """Answer as the agent of the address, or the one that `model` names."""
        request = await read_json(http, wire.Request)
        tenant, asked = http.state.tenant, chat(request, headers=http.headers, query=http.query_params)
        agent = await self._answering.agent(
            tenant, http.path_params.get("slug"), request.model, role=asked.caller.agent
        )
        streams = bool(request.stream)
        pieces = await self._answering.pieces(tenant, agent, asked, channel="chat_completions", streams=streams)
        head = Head(f"chatcmpl-{uuid_utils.uuid7().hex}", epoch_ms() // 1000, agent.slug)
        speaks = asked.caller.channel == "voice"
        if not streams:
            answer = Collected(speaks)
            await whole(http, pieces, answer.take)
            return json_response(completion(head, answer))
        wants_usage = bool(request.stream_options and request.stream_options.include_usage)
        return EventStream(pieces, Chunks(head, speaks=speaks, wants_usage=wants_usage), at_once=speaks)

    def _listed(self, agent: Agent) -> dict[str, object]:
        return {"id": agent.slug, "object": "model", "created": self._started_s, "owned_by": "voicemind"}
