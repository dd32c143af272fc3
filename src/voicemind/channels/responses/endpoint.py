"""`POST /v1/responses`: one answer at a time, going on from an earlier one where it is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import uuid_utils
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from voicemind.channels.answering import Answering
from voicemind.channels.chat_completions.asked import Chat
from voicemind.channels.chat_completions.endpoint import ROOTS
from voicemind.channels.http import json_response, read_json
from voicemind.channels.responses import wire
from voicemind.channels.responses.answer import Response
from voicemind.channels.responses.asked import asked
from voicemind.channels.responses.naming import as_messages, place_after, place_of, response_id, until
from voicemind.channels.sse import EventStream, whole
from voicemind.clock import epoch_ms
from voicemind.conversation.opening import Opened, external_id
from voicemind.errors import BadRequest, ClientMistake, UnknownConversation
from voicemind.ops.marks import Marks
from voicemind.store.contract import Conversations
from voicemind.store.values import Turn


class UnknownResponse(ClientMistake):
    """There is no response of that id for this tenant, or none that can be gone on from."""

    code = "previous_response_not_found"
    status = 404


class Responses:
    """The endpoint, for these conversations."""

    def __init__(self, answering: Answering, conversations: Conversations, *, marks: Marks) -> None:
        self._answering, self._conversations, self._marks = answering, conversations, marks

    def routes(self) -> Sequence[Route]:
        """Where it is found."""
        return [Route(root + "/responses", self.respond, methods=["POST"]) for root in ROOTS]

    async def respond(self, http: HttpRequest) -> HttpResponse:
        """Answer as the agent of the address, the one that `model` names, or the one of the conversation that goes on."""
        request = await read_json(http, wire.Request)
        tenant = http.state.tenant
        opened, turns = await self._before(tenant, request)
        chat = asked(request, as_messages(turns), headers=http.headers, query=http.query_params)
        model = request.model or (opened.agent.slug if opened else None)
        agent = await self._answering.agent(tenant, http.path_params.get("slug"), model)
        chat = _in_conversation(request, chat, opened)
        identity = chat.caller.conversation_id
        streams = bool(request.stream)
        pieces = await self._answering.pieces(
            tenant, agent, chat, channel="responses", streams=streams, keeps=request.store is not False
        )
        place = place_after(identity, chat.history) if identity else None
        speaks = chat.caller.channel == "voice"
        response = Response(
            _settled(request, response_id(place, mark=partial(self._marks.of, tenant)), agent.slug, identity),
            speaks=speaks,
        )
        if streams:
            return EventStream(pieces, response, at_once=speaks)
        await whole(http, pieces, response.tell)
        return json_response(response.whole())

    async def _before(self, tenant: str, request: wire.Request) -> tuple[Opened | None, Sequence[Turn]]:
        """The conversation that goes on, where there is one, and what was said in it until here."""
        identity, previous = _conversation(request), request.previous_response_id
        if previous is not None:
            if identity is not None:
                raise BadRequest("Name a conversation or a previous response, not both.", param="conversation")
            place = place_of(previous, is_ours=partial(self._marks.is_ours, tenant))
            try:
                opened = await self._answering.found(tenant, place.conversation_id) if place else None
            except UnknownConversation:
                opened = None
            if place is None or opened is None:
                raise UnknownResponse("There is no such response.", param="previous_response_id")
            return opened, until(await self._conversations.turns(tenant, place.conversation_id), place)
        if identity is None:
            return None, ()
        try:
            opened = await self._answering.found(tenant, identity)
        except UnknownConversation:
            return None, ()  # it begins with this request
        return opened, await self._conversations.turns(tenant, identity)


def _conversation(request: wire.Request) -> str | None:
    named = request.conversation
    return external_id(named.id if isinstance(named, wire.Conversation) else named, param="conversation")


def _in_conversation(request: wire.Request, chat: Chat, opened: Opened | None) -> Chat:
    """The same, where it belongs. A response is kept unless the client does not want that; one that is kept can be gone on from."""
    identity = opened.conversation.id if opened else _conversation(request) or chat.caller.conversation_id
    if identity is None and request.store is not False:
        identity = str(uuid_utils.uuid7())
    return replace(chat, caller=replace(chat.caller, conversation_id=identity))


def _settled(request: wire.Request, identity: str, model: str, conversation_id: str | None) -> dict[str, Any]:
    """What the object says from the beginning; the wishes are repeated as they came."""
    form = request.text.format if request.text and request.text.format else wire.Format("text")
    shown = {"type": "text"} if form.type != "json_schema" else msgspec.to_builtins(form)
    return {
        "id": identity,
        "object": "response",
        "created_at": epoch_ms() // 1000,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "metadata": request.metadata or {},
        "model": model,
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "conversation": {"id": conversation_id} if conversation_id else None,
        "store": conversation_id is not None,
        "temperature": request.temperature,
        "text": {"format": {"type": form.type} if form.type == "json_object" else shown},
        "tool_choice": request.tool_choice or "auto",
        "tools": [{**msgspec.to_builtins(tool), "strict": bool(tool.strict)} for tool in request.tools or ()],
        "top_p": request.top_p,
        "truncation": "disabled",
        "usage": None,
    }
