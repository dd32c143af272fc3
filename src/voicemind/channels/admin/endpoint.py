"""`/api/voice-sessions`, `/api/elevenlabs/end`, `/api/agents`, `/api/login`, `/healthz` and `/readyz`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voicemind import __version__
from voicemind.channels import told
from voicemind.channels.http import error_response, json_response, read_json
from voicemind.channels.rest.rooms import Rooms
from voicemind.conversation.exchange import Exchanges
from voicemind.conversation.live import Live
from voicemind.conversation.opening import Opened, Opening, external_id, still_open
from voicemind.errors import BadRequest, ProviderUnavailable, StorageUnavailable, Unauthenticated
from voicemind.mind.prompt import render_block
from voicemind.ops.auth import COOKIE, COOKIE_LIFE_S, Guests
from voicemind.store.values import MindVersion, Reflection


class NewSession(msgspec.Struct):
    """`POST /api/voice-sessions`."""

    agent: str = "counsellor"
    user_id: str | None = None
    conversation_id: str | None = None
    channel: Literal["voice", "text"] = "voice"
    greet: bool = True
    record_consent: bool | None = None
    """Whether the person agrees to be recorded; None leaves it as it is, and False withdraws it."""


class EndRequest(msgspec.Struct):
    """`POST /api/elevenlabs/end`."""

    conversation_id: str


class Login(msgspec.Struct):
    """`POST /api/login`."""

    key: str


class Admin:
    """The endpoints around the talking. `problem` says why the server is not ready, if it is not."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        opening: Opening,
        exchanges: Exchanges,
        live: Live,
        guests: Guests,
        problem: Callable[[], Awaitable[str]],
    ) -> None:
        self._store, self._endings, self._roster = rooms.store, rooms.endings, rooms.roster
        self._recordings, self._opening, self._live = rooms.recordings, opening, live
        self._guests, self._problem = guests, problem
        self._exchanges = exchanges

    def routes(self) -> Sequence[Route]:
        """Where they are found."""
        return [
            Route("/healthz", self.health, methods=["GET"]),
            Route("/readyz", self.ready, methods=["GET"]),
            Route("/api/login", self.login, methods=["POST"]),
            Route("/api/agents", self.agents, methods=["GET"]),
            Route("/api/voice-sessions", self.open, methods=["POST"]),
            Route("/api/elevenlabs/end", self.end, methods=["POST"]),
        ]

    async def health(self, _: Request) -> Response:
        """The process answers."""
        return json_response({"status": "ok", "service": "voicemind", "version": __version__})

    async def ready(self, _: Request) -> Response:
        """The database answers and the models are loaded."""
        problem = await self._problem()
        return (
            json_response({"status": "ready"})
            if not problem
            else json_response({"status": problem}, status=503, headers={"Retry-After": "2"})
        )

    async def login(self, request: Request) -> Response:
        """Exchange a key for a cookie that scripts cannot read."""
        body = await read_json(request, Login)
        guest = self._guests.keys.guest_of(body.key) if self._guests.keys else None
        if guest is None:
            raise Unauthenticated("This key is not known here.")
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE,
            self._guests.cookie(guest),
            max_age=COOKIE_LIFE_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    async def agents(self, request: Request) -> Response:
        """Who can be talked with."""
        listed = [
            {
                "slug": agent.slug,
                "name": agent.name,
                "description": agent.description,
                "language": agent.language,
                "voice": agent.voice,
                "first_message": agent.first_message,
            }
            for agent in await self._roster.all(request.state.tenant)
        ]
        return json_response({"agents": listed})

    async def open(self, request: Request) -> Response:
        """Make a conversation and say where its socket is."""
        body = await read_json(request, NewSession)
        agent = await self._opening.agent(request.state.tenant, body.agent)
        if problem := await self._problem():
            raise ProviderUnavailable(
                f"Nobody can talk yet: {problem}. Please try again in a moment.", provider="voicemind"
            )
        conversation_id = external_id(body.conversation_id, param="conversation_id")
        self._live.refuse_when_full(request.state.tenant, conversation_id)
        opened = still_open(
            await self._opening.open(
                agent,
                tenant=request.state.tenant,
                user_id=external_id(body.user_id, param="user_id"),
                conversation_id=conversation_id,
                channel=body.channel,
            )
        )
        if body.channel == "voice":
            self._live.roll_out.refuse(request.state.tenant, opened.conversation.user_id)
        recorded = await self._recordings.let(opened, body.channel, agrees=body.record_consent)
        return json_response({**self._session(request, body, opened), "recording": recorded})

    def _session(self, request: Request, body: NewSession, opened: Opened) -> dict[str, str]:
        identity = opened.conversation.id
        query = {"conversationDetailId": identity}
        if body.channel != "voice":
            query["channel"] = body.channel
        if not body.greet:
            query["greet"] = "0"
        if self._guests.keys:
            query["ticket"] = self._guests.ticket(request.state.guest)
        scheme = "wss" if request.url.scheme == "https" else "ws"
        return {
            "conversationDetailId": identity,
            "conversationId": identity,
            "agentId": opened.agent.slug,
            "userId": opened.conversation.user_id,
            "wsUrl": f"{scheme}://{request.url.netloc}/voice-conversation?{urlencode(query)}",
        }

    async def end(self, request: Request) -> Response:
        """End the conversation and answer with what was remembered; repeated, with the same."""
        body = await read_json(request, EndRequest)
        identity = external_id(body.conversation_id, param="conversation_id")
        if identity is None:
            raise BadRequest("conversation_id is empty.", param="conversation_id")
        opened = await self._opening.found(request.state.tenant, identity)
        await self._live.end(request.state.tenant, identity)
        async with self._exchanges.alone(opened):
            await self._endings.end(opened)
        reflection = await self._endings.reflection(opened, wait_s=self._endings.patience.end_s)
        if reflection is None:
            detail = "The reflection is still running; ask again."
            return json_response(
                {"status": "pending", "conversation_id": identity, "detail": detail},
                status=202,
                headers={"Retry-After": "10"},
            )
        if reflection.status == "failed":
            return error_response(
                request.url.path,
                status=503,
                code="reflection_failed",
                message="The reflection could not be done; the transcript is kept.",
            )
        return json_response(await self._outcome(opened, reflection))

    async def _outcome(self, opened: Opened, reflection: Reflection) -> dict[str, object]:
        turns = await self._store.turns(opened.conversation.tenant, opened.conversation.id)
        waits = reflection.status == "review"
        return {
            "status": "success",
            "before": await self._rendered(opened, reflection.before),
            "after": await self._rendered(opened, reflection.before if waits else reflection.after),
            "reflection_notes": reflection.notes,
            "transcript_length": len(turns),
            "conversation_id": opened.conversation.id,
            "version": reflection.before if waits else reflection.after,
            "reflection_status": reflection.status,
            "operations": await self._operations(opened, reflection),
        }

    async def _operations(self, opened: Opened, reflection: Reflection) -> tuple[told.Told, ...]:
        """What the reflection changed; of one that waits for a person's word, what it would change."""
        if reflection.status == "review":
            return await told.proposed(self._store, reflection)
        if reflection.after is None or reflection.after == reflection.before:
            return ()
        return await told.changes(self._store, await self._version(opened, reflection.after))

    async def _rendered(self, opened: Opened, number: int | None) -> dict[str, str]:
        version = await self._version(opened, number)
        return {
            block.label: render_block(version.blocks.get(block.label, ())) if block.reflects else block.text
            for block in opened.agent.blocks
        }

    async def _version(self, opened: Opened, number: int | None) -> MindVersion:
        version = await self._store.mind_version(opened.key, number) if number else None
        if version is None:
            raise StorageUnavailable("A version of this mind is missing.")
        return version
