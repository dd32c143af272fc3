"""`POST /v1/chat/completions` and `GET /v1/models`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import anyio
import uuid_utils
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from voicemind.channels.chat_completions import wire
from voicemind.channels.http import json_response, read_json
from voicemind.clock import epoch_ms
from voicemind.conversation.exchange import Exchanges
from voicemind.conversation.opening import Opened, Opening, external_id, still_open
from voicemind.errors import BadRequest, VoicemindError
from voicemind.llm.contract import Finished, Piece, TextDelta
from voicemind.mind.agent import Agent
from voicemind.mind.reply import Situation, Wishes
from voicemind.mind.roster import Roster

Pieces = AsyncGenerator[Piece, None]


class EventStream(Response):
    """Server-sent events from a generator, which is closed when the client goes away."""

    def __init__(self, frames: AsyncGenerator[bytes, None]) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        del self.headers["content-length"]
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
            async with aclosing(self._frames) as frames:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                async for frame in frames:
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            tasks.cancel_scope.cancel()


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


class ChatCompletions:
    """The endpoints, for these agents."""

    def __init__(self, opening: Opening, exchanges: Exchanges, roster: Roster) -> None:
        self._opening, self._exchanges, self._roster = opening, exchanges, roster
        self._started_s = epoch_ms() // 1000

    def routes(self) -> Sequence[Route]:
        """Where they are found."""
        return [
            Route("/v1/chat/completions", self.complete, methods=["POST"]),
            Route("/v1/models", self.models, methods=["GET"]),
        ]

    async def models(self, http: HttpRequest) -> Response:
        """Every agent is a model."""
        listed = [
            {"id": agent.slug, "object": "model", "created": self._started_s, "owned_by": "voicemind"}
            for agent in await self._roster.all(http.state.tenant)
        ]
        return json_response({"object": "list", "data": listed})

    async def complete(self, http: HttpRequest) -> Response:
        """Answer as the agent that `model` names."""
        request = await read_json(http, wire.Request)
        asked = wire.chat(request)
        agent = await self._opening.agent(http.state.tenant, request.model)
        extra = request.elevenlabs_extra_body or wire.ExtraBody()
        if extra.role_id and (await self._opening.agent(http.state.tenant, extra.role_id)).slug != agent.slug:
            raise BadRequest("role_id names another agent than model.", param="elevenlabs_extra_body.role_id")
        opened, situation = await self._situation(http.state.tenant, agent, request, extra, asked)
        pieces = self._exchanges.answer(situation, opened)
        identity, created = f"chatcmpl-{uuid_utils.uuid7().hex}", epoch_ms() // 1000
        if not request.stream:
            text, finished = await _whole(pieces)
            return json_response(wire.completion(identity, created, agent.slug, text, finished))
        try:
            first = await anext(pieces)
        except BaseException:
            await pieces.aclose()
            raise
        wants_usage = bool(request.stream_options and request.stream_options.include_usage)
        return EventStream(_frames(first, pieces, wire.Chunks(identity, created, agent.slug), wants_usage=wants_usage))

    async def _situation(
        self, tenant: str, agent: Agent, request: wire.Request, extra: wire.ExtraBody, asked: wire.Chat
    ) -> tuple[Opened | None, Situation]:
        """Without a conversation id the answer comes from the mind as it is, and nothing is kept."""
        prefix = "elevenlabs_extra_body."
        person = external_id(extra.patient_id, param=prefix + "patient_id") or external_id(
            extra.user_id or request.user_id, param=prefix + "user_id"
        )
        conversation_id = external_id(extra.conversation_id, param=prefix + "conversation_id")
        opened = None
        if conversation_id:
            opened = still_open(
                await self._opening.open(
                    agent, tenant=tenant, user_id=person, conversation_id=conversation_id, channel="chat_completions"
                )
            )
        key = opened.key if opened else agent.mind_key(tenant, person or f"anonymous-{uuid_utils.uuid7()}")
        return opened, Situation(
            agent=agent,
            key=key,
            channel="voice" if request.elevenlabs_extra_body else "text",
            history=asked.history,
            guidance=asked.guidance,
            wishes=Wishes(max_tokens=asked.max_tokens, temperature=asked.temperature, stop=asked.stop),
        )


async def _whole(pieces: Pieces) -> tuple[str, Finished]:
    text, finished = "", Finished()
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Finished):
                finished = piece
            elif isinstance(piece, TextDelta):
                text += piece.text
    return text, finished


async def _frames(
    first: Piece, pieces: Pieces, chunks: wire.Chunks, *, wants_usage: bool
) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        yield chunks.delta({"role": "assistant", "content": ""})
        piece: Piece | None = first
        try:
            while piece is not None:
                if isinstance(piece, Finished):
                    yield chunks.delta({}, finish_reason=piece.reason)
                    if wants_usage:
                        yield chunks.usage(piece.usage)
                    break
                if isinstance(piece, TextDelta):
                    yield chunks.delta({"content": piece.text})
                piece = await anext(pieces, None)
        except VoicemindError as error:
            yield wire.error_frame(error.code, "The answer broke off.")
            return
        yield wire.DONE
