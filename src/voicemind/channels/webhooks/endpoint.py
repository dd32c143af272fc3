"""`POST /api/elevenlabs/webhook`, how a call went, and `POST /api/elevenlabs/initiation`, that one is about to begin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio
import structlog
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voicemind.channels.http import decoded, json_response, read_json
from voicemind.channels.webhooks import wire
from voicemind.clock import epoch_ms
from voicemind.conversation.briefing import Briefing
from voicemind.conversation.callers import caller
from voicemind.conversation.opening import Opened, Opening, external_id
from voicemind.conversation.settling import PHONE, Outcome, Settling
from voicemind.errors import BadRequest, ClientMistake, TooLarge, Unauthenticated
from voicemind.mind.agent import Agent
from voicemind.ops.signatures import HEADER, SETTING, Claim, Secrets, Seen, Signature, claim

log = structlog.get_logger(__name__)

BODY_LIMIT_BYTES = 25 * 1024 * 1024
KEPT_BYTES = 8 * 1024 * 1024
"""More of a body is not kept, only checked: no transcript is as long, and recordings are not wanted."""

READ_LIMIT_S = 60.0
SEEN = 10_000
PROMPT_WAIT_S = 1.0
"""How long a telephone rings for a reflection that is still running."""

RINGING_LIMIT_BYTES = 64 * 1024


class WebhooksOff(ClientMistake):
    """There is no secret, so nothing that is told here could be believed."""

    code = "webhooks_off"
    status = 503


class BadSignature(Unauthenticated):
    """What is told here was not signed with a secret of ours, or not lately."""

    code = "invalid_signature"


class Webhooks:
    """Both endpoints. `now_s` is the time by which signatures are judged, in seconds since 1970."""

    def __init__(
        self,
        settling: Settling,
        opening: Opening,
        briefing: Briefing,
        *,
        secrets: Secrets,
        now_s: Callable[[], float] = lambda: epoch_ms() / 1000,
    ) -> None:
        self._settling, self._opening, self._briefing = settling, opening, briefing
        self._secrets, self._now_s = secrets, now_s
        self._seen = Seen(limit=SEEN)
        self._done = Seen(limit=SEEN)

    def routes(self) -> Sequence[Route]:
        """Where they are found."""
        return [
            Route("/api/elevenlabs/webhook", self.told, methods=["POST"]),
            Route("/api/elevenlabs/initiation", self.ringing, methods=["POST"]),
        ]

    async def told(self, request: Request) -> Response:
        """Take an event that is signed. Whatever it says, the answer is 200; its reflection is not waited for."""
        body, signature = await self._signed_body(request)
        if signature in self._seen:
            return _answer("repeated", "This was told before, with the same signature.")
        if len(body) > KEPT_BYTES:
            self._seen.add(signature)
            return _answer("ignored", "Recordings are not kept.")
        content = await to_thread.run_sync(_content, bytes(body))
        event = wire.event(content)
        name = (signature.tenant, event.kind, event.told.platform_id)
        if event.told.platform_id and name in self._done:
            self._seen.add(signature)
            return _answer("repeated", "This was told before.")
        outcome = await self._outcome(signature.tenant, event)
        self._seen.add(signature)
        if outcome.status in ("settled", "ended"):
            self._done.add(name)
        log.info(
            "a platform told of a call",
            event_kind=event.kind,
            status=outcome.status,
            why=outcome.why,
            conversation_id=outcome.conversation_id or event.told.platform_id,
            turns=len(event.told.turns),
        )
        return _answer(outcome.status, outcome.why, conversation_id=outcome.conversation_id)

    async def _outcome(self, tenant: str, event: wire.Event) -> Outcome:
        if event.kind == "over":
            return await self._settling.over(tenant, event.told)
        if event.kind == "failed":
            log.info("a call did not come about", conversation_id=event.told.platform_id, reason=event.reason)
            return await self._settling.failed(tenant, event.told)
        if event.kind == "audio":
            return Outcome("ignored", "Recordings are not kept.")
        if event.kind == "unfinished":
            return Outcome("ignored", "The call is not over yet.")
        return Outcome("ignored", "Events of this type are not used.")

    async def _signed_body(self, request: Request) -> tuple[bytearray, Signature]:
        """The body and who signed it; of a body that is longer than KEPT_BYTES a little more than that. Raises BadSignature, TooLarge, WebhooksOff."""
        if not self._secrets:
            raise WebhooksOff(f"This server takes no webhooks: {SETTING} is not set.")
        said = claim(request.headers.get(HEADER, ""))
        if said is None or not said.is_fresh(self._now_s()):
            raise BadSignature(f"{HEADER} is missing, cannot be read, or is more than 30 minutes away from now.")
        with anyio.move_on_after(READ_LIMIT_S):
            body, signature = await self._checked(request, said)
            if signature is None:
                raise BadSignature(f"{HEADER} was not made for this body with a secret of this server.")
            return body, signature
        raise BadRequest("The body took too long.")

    async def _checked(self, request: Request, said: Claim) -> tuple[bytearray, Signature | None]:
        check = self._secrets.check(said)
        body, size = bytearray(), 0
        async for piece in request.stream():
            size += len(piece)
            if size > BODY_LIMIT_BYTES:
                raise TooLarge(f"The body is larger than {BODY_LIMIT_BYTES} bytes.")
            check.feed(piece)
            if len(body) <= KEPT_BYTES:
                body += piece
        return body, check.made()

    async def ringing(self, request: Request) -> Response:
        """Somebody calls one of our agents: answer with all that the agent knows of them."""
        call = await read_json(request, wire.Ringing, limit=RINGING_LIMIT_BYTES)
        query = request.query_params
        name = external_id(query.get("agent") or call.agent_id, param="agent")
        if name is None:
            raise BadRequest("Say who is called: ?agent=<slug>, or agent_id.", param="agent")
        agent = await self._opening.agent(request.state.tenant, name)
        opened = await self._opened(request.state.tenant, agent, call)
        answer = wire.begin(
            agent,
            conversation_id=opened.conversation.id,
            person=None if opened.conversation.anonymous else opened.conversation.user_id,
            prompt=await self._briefing.prompt(opened, wait_s=PROMPT_WAIT_S),
            blocks=await self._briefing.blocks(opened),
            session_count=await self._briefing.session_count(opened),
            overrides=query.get("overrides") != "0",
        )
        log.info("a call begins", agent=agent.slug, conversation_id=opened.conversation.id)
        return json_response(answer)

    async def _opened(self, tenant: str, agent: Agent, call: wire.Ringing) -> Opened:
        """The call's conversation; a new one where that of this id is over already."""
        person = external_id(caller(call.caller_id), param="caller_id")
        identity = external_id(call.conversation_id, param="conversation_id") or external_id(
            call.call_sid, param="call_sid"
        )
        opened = await self._opening.open(agent, tenant=tenant, user_id=person, conversation_id=identity, channel=PHONE)
        if opened.conversation.status in ("active", "detached"):
            return opened
        return await self._opening.open(agent, tenant=tenant, user_id=person, conversation_id=None, channel=PHONE)


def _content(body: bytes) -> Any:
    return decoded(body, object)


def _answer(status: str, why: str, *, conversation_id: str | None = None) -> Response:
    named = {} if conversation_id is None else {"conversation_id": conversation_id}
    return json_response({"status": status, **named, "detail": why})
