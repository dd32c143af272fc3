"""One live conversation: it gives the engine its scene, keeps the transcript, and knows how to end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

import anyio
import structlog

from voicemind.clock import monotonic_s
from voicemind.conversation.ending import Endings, Patience
from voicemind.conversation.opening import Opened
from voicemind.engines.contract import (
    NOW,
    AgentTurn,
    Engine,
    Event,
    Occasion,
    Over,
    Said,
    Scene,
    StateChanged,
    UserTurn,
)
from voicemind.errors import VoicemindError
from voicemind.llm.contract import Piece
from voicemind.mind.context import CHECKED_S
from voicemind.mind.history import messages_of
from voicemind.mind.prompt import Channel
from voicemind.mind.reply import Replies, Situation
from voicemind.store.contract import Store
from voicemind.store.values import Modality, NewTurn, Turn

log = structlog.get_logger(__name__)

Show = Callable[[Event], Awaitable[None]]
BuildEngine = Callable[[Scene], Engine]


class Session:
    """A Scene for one engine. `run` serves until the conversation ends or the client leaves."""

    def __init__(
        self,
        opened: Opened,
        *,
        channel: Channel,
        store: Store,
        replies: Replies,
        endings: Endings,
        build_engine: BuildEngine,
        show: Show,
        patience: Patience,
    ) -> None:
        self.opened = opened
        self.over = anyio.Event()
        """Set when everything is stored and nothing more will be shown."""
        self._channel: Channel = channel
        self._store, self._replies, self._endings, self._show = store, replies, endings, show
        self._patience = patience
        self._turns: list[Turn] = []
        self._unreflected: tuple[str, ...] = ()
        self._doubts = self._settled_doubts = 0
        self._looked_s = 0.0
        self._leaving = anyio.Event()
        self.reason = ""
        self._active_at = monotonic_s()
        self._waking = True
        self._state = StateChanged("listening")
        self.engine = build_engine(self)

    def leave(self, reason: str) -> None:
        """Finish: `end` and `idle` end the conversation for good, `gone`, `replaced` and `shutdown` leave it open for a while."""
        if not self.reason or (self.reason == "gone" and reason == "replaced"):
            self.reason = reason
            self._leaving.set()

    def touch(self) -> None:
        """The person did something."""
        self._active_at = monotonic_s()

    def doubt(self) -> None:
        """Something was erased: what was read before may be of it."""
        self._doubts += 1

    async def run(self, *, greet: bool) -> None:
        """Serve. Raises StorageUnavailable where a turn could not be stored."""
        closed = False
        try:
            await self._prepare()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.engine.run)
                tasks.start_soon(self._begin, greet)
                tasks.start_soon(self._watch)
                await self._leaving.wait()
                await self.engine.finish()
                tasks.cancel_scope.cancel()
            await self._close()
            closed = True
        finally:
            if not closed:
                self._endings.left(self.opened)
            self.engine.close()
            self.over.set()

    async def _prepare(self) -> None:
        """What was said before counts: in this conversation, and in others that have not become memory yet."""
        opened = self.opened
        self._endings.back(opened)
        self._turns = list(await self._store.turns(opened.conversation.tenant, opened.conversation.id))
        doubts = self._doubts
        self._unreflected = await self._endings.unreflected(opened, wait_s=self._patience.reflection_s)
        self._settled_doubts, self._looked_s = doubts, monotonic_s()

    async def user_said(self, text: str, *, modality: Modality, message_id: str = "") -> None:
        """Store the person's turn, then show it."""
        self.touch()
        turn = await self._keep(NewTurn("user", text, heard=text, modality=modality))
        await self._show(UserTurn(turn, message_id))

    async def agent_said(self, said: Said) -> None:
        """Store the agent's turn, then show it."""
        self.touch()
        turn = await self._keep(
            NewTurn("agent", said.generated, heard=said.heard, interrupted=said.interrupted, timings_ms=said.timings_ms)
        )
        log.info(
            "turn",
            conversation_id=self.opened.conversation.id,
            turn=turn.seq,
            interrupted=said.interrupted,
            **said.timings_ms,
        )
        await self._show(AgentTurn(said.generation, turn))

    async def answer(self, occasion: Occasion = NOW) -> AsyncGenerator[Piece, None]:
        """The mind's reply to the conversation as it stands, and to this occasion."""
        await self._look_again()
        async with aclosing(self._replies.reply(self._situation(occasion))) as pieces:
            async for piece in pieces:
                yield piece

    async def show(self, event: Event) -> None:
        """Let the client know. An agent whose mind is still being read is not yet listening but waking."""
        if isinstance(event, StateChanged):
            self._state = event
            if self._waking and event.state == "listening":
                event = StateChanged("waking")
        await self._show(event)

    async def _look_again(self) -> None:
        """Read anew what may have been erased since it was read: by us, or more than CHECKED_S ago by another process."""
        if monotonic_s() - self._looked_s > CHECKED_S:
            self.doubt()
        while self._doubts != self._settled_doubts:
            doubts, began_s = self._doubts, monotonic_s()
            talk = await self._store.conversation(self.opened.conversation.tenant, self.opened.conversation.id)
            unreflected = await self._endings.unreflected(self.opened)
            self.opened, self._unreflected = replace(self.opened, conversation=talk), unreflected
            self._settled_doubts, self._looked_s = doubts, began_s

    def _situation(self, occasion: Occasion = NOW) -> Situation:
        return Situation(
            agent=self.opened.agent,
            key=self.opened.key,
            channel=self._channel,
            history=messages_of(self._turns, supposing=occasion.supposing, silence_s=occasion.silence_s),
            unreflected=self._unreflected,
            person=self.opened.person,
            intent_notes=self.opened.intent_notes,
        )

    async def _keep(self, turn: NewTurn) -> Turn:
        stored = await self._store.append_turn(self.opened.conversation.tenant, self.opened.conversation.id, turn)
        self._turns.append(stored)
        return stored

    async def _begin(self, greet: bool) -> None:
        """Read the mind into the model's cache while the greeting is said: the first answer then comes sooner."""
        if greet and self.opened.agent.first_message and not self._turns:
            await self.engine.greet(self.opened.agent.first_message)
        try:
            await self._look_again()
            await self._replies.warm(self._situation())
        except VoicemindError as error:
            log.warning("the mind could not be read ahead", code=error.code)
        self._waking = False
        await self.show(self._state)

    async def _watch(self) -> None:
        """End what has been silent for too long."""
        while (left_s := self._active_at + self._patience.idle_s - monotonic_s()) > 0:  # noqa: ASYNC110 - every touch moves the moment
            await anyio.sleep(left_s)
        self.leave("idle")

    async def _close(self) -> None:
        if self.reason in ("end", "idle"):
            await self._endings.end(self.opened)
        elif self.reason != "replaced":
            self._endings.left(self.opened)
        await self._show(Over(self.opened.conversation.id, self.reason, len(self._turns)))
