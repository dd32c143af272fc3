"""One live conversation: it gives its engine a scene, outlives its client's connection, and knows how to end.

    attached ⇄ detached ──► left ──► over

It is left by the client (`end`), by time (`idle`, `length`, and `gone` where nobody came back), or by us (`replaced`, `shutdown`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import anyio
import structlog
import uuid_utils
from anyio.abc import TaskGroup

from voicemind.clock import monotonic_s
from voicemind.conversation.audience import Audience
from voicemind.conversation.backdrop import Backdrop
from voicemind.conversation.deadlines import Deadlines
from voicemind.conversation.ending import Endings
from voicemind.conversation.opening import Opened
from voicemind.conversation.relay import BuildEngine, Relay
from voicemind.conversation.unanswered import Unanswered
from voicemind.conversation.watching import Unwatched, Watch
from voicemind.engines import contract as happening
from voicemind.engines.contract import NOW, Occasion, Said, StateChanged
from voicemind.errors import VoicemindError
from voicemind.llm.contract import Piece
from voicemind.mind.prompt import Channel
from voicemind.mind.reply import Replies
from voicemind.store.contract import Store
from voicemind.store.values import Modality, NewTurn

log = structlog.get_logger(__name__)

ENDS = ("end", "idle", "length")
"""Ways of leaving after which nobody goes on with the conversation."""
CHANGED = "I have to go on in another way, because something failed here. Please say your last sentence again if it stays unanswered."


class Session:
    """A Scene for its engines. `run` serves until the conversation ends or nobody comes back.

    It begins attached. Raises what the first of `engines` raises where it cannot serve this conversation.
    """

    def __init__(
        self,
        opened: Opened,
        *,
        channel: Channel,
        store: Store,
        replies: Replies,
        endings: Endings,
        engines: Sequence[BuildEngine],
        audience: Audience,
        watch: Watch | None = None,
    ) -> None:
        self.id = str(uuid_utils.uuid7())
        self.audience = audience
        self.over = anyio.Event()
        """Set when everything is stored and nothing more will be shown."""
        self.entered = anyio.Event()
        """Set once the session before it is over, and what was typed there is known here."""
        self.reason = ""
        """Why it is being left; empty while it goes on."""
        self.patience = endings.patience
        self.unanswered = Unanswered()
        self._replies, self._endings = replies, endings
        self._watch = watch or Unwatched()
        self._backdrop = Backdrop(opened, channel, store=store, endings=endings)
        self._leaving, self._turned, self._speaking = anyio.Event(), anyio.Event(), anyio.Event()
        now = monotonic_s()
        self._deadlines = Deadlines(
            self.patience.idle_s, self.patience.length_s, self.patience.detached_s, began_at=now, active_at=now
        )
        self._waking, self._draining = True, False
        self._state = StateChanged("listening")
        self._engines = Relay(self, engines)

    @property
    def opened(self) -> Opened:
        """The conversation as it was last read."""
        return self._backdrop.opened

    @property
    def channel(self) -> Channel:
        """How the person talks."""
        return self._backdrop.channel

    @property
    def state(self) -> StateChanged:
        """What the client was last told that the agent does."""
        return StateChanged("waking") if self._waking and self._state.state == "listening" else self._state

    def leave(self, reason: str) -> None:
        """Finish: `end`, `idle` and `length` end the conversation for good, as `gone` does for who did not come back in time; others leave it open for a while."""
        if not self.reason or (self.reason == "gone" and reason == "replaced"):
            self.reason = reason
            self._leaving.set()

    def step_aside(self) -> None:
        """A newer session has come before this one has entered: it is over, and never runs."""
        self.reason = "replaced"
        self._engines.current.close()
        self.over.set()

    def detach(self) -> None:
        """The client is gone: wait for it."""
        if self._deadlines.gone_at is None:
            self._deadlines.gone_at = monotonic_s()
            self._engines.away()
            self._watch.detached(self.id)
            self._look_at_the_clock()
            if self._draining:
                self.leave("shutdown")

    def attach(self) -> None:
        """A client is back."""
        self._deadlines.gone_at = None
        self.touch()
        self._engines.back()
        self._look_at_the_clock()

    def touch(self) -> None:
        """The person did something."""
        self._deadlines.active_at = monotonic_s()

    def drain(self, within_s: float) -> None:
        """Leave as soon as nothing is being said: who is in the middle of a sentence is heard and answered."""
        self._draining = True
        self.audience.draining(within_s)
        self._leave_if_quiet()

    def doubt(self) -> None:
        """Something was erased: what was read before may be of it."""
        self._backdrop.doubt()

    def hear(self, samples: bytes) -> None:
        """What the microphone hears: 16-bit mono at 16 kHz. Never waits."""
        self._watch.heard(self.id, samples)
        self._engines.current.hear(samples)

    async def read(self, text: str, *, message_id: str = "") -> bool:
        """The person typed this; False where a message of this id had arrived before, which counts once."""
        await self.entered.wait()
        if not self.unanswered.is_new(message_id, text):
            return False
        await self._engines.current.read(text, message_id=message_id)
        return True

    async def interrupt(self) -> None:
        """Stop talking; answered with Hushed, each time."""
        await self._engines.current.interrupt()

    def played(self, generation: int, ms: float) -> None:
        """How much of a reply has left the client's loudspeaker, in milliseconds."""
        self._engines.played(generation, ms)

    async def run(self, *, greet: bool) -> None:
        """Serve. Raises StorageUnavailable where a turn could not be stored, ProviderError where no engine can go on."""
        closed = False
        try:
            self._endings.back(self.opened)
            await self._backdrop.prepare(wait_s=self.patience.reflection_s)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._perform, tasks)
                tasks.start_soon(self._begin, greet)
                for watching in (self._watch_the_clock, self._note_presence, self._look_ahead):
                    tasks.start_soon(watching)
                await self._leaving.wait()
                await self._engines.current.finish()
                tasks.cancel_scope.cancel()
            await self._close()
            closed = True
        finally:
            if not closed:
                self._endings.left(self.opened)
            self._engines.current.close()
            self.over.set()

    async def user_said(self, text: str, *, modality: Modality, message_id: str = "") -> None:
        """Store the person's turn, then show it; what an engine that takes over was given once more is a turn already."""
        self.touch()
        if modality == "text" and self.unanswered.is_turn(message_id):
            return
        turn = await self._backdrop.keep(NewTurn("user", text, heard=text, modality=modality))
        if modality == "text":
            self.unanswered.stored(message_id)
        else:
            self.unanswered.spoken(text)
        self._watch.turn(self.id, turn)
        self._tell(happening.UserTurn(turn, message_id))

    async def agent_said(self, said: Said) -> None:
        """Store the agent's turn, then show it."""
        self.touch()
        turn = await self._backdrop.keep(
            NewTurn("agent", said.generated, heard=said.heard, interrupted=said.interrupted, timings_ms=said.timings_ms)
        )
        self.unanswered.answered()
        self._watch.turn(self.id, turn)
        self._tell(happening.AgentTurn(said.generation, turn))

    async def answer(self, occasion: Occasion = NOW) -> AsyncGenerator[Piece, None]:
        """The mind's reply to the conversation as it stands, and to this occasion."""
        await self._backdrop.look_again()
        async with aclosing(self._replies.reply(self._backdrop.situation(occasion))) as pieces:
            async for piece in pieces:
                yield piece

    async def show(self, event: happening.Event) -> None:
        """Let the client know. An agent whose mind is still being read is not yet listening but waking."""
        self._tell(event)

    def _tell(self, event: happening.Event) -> None:
        if isinstance(event, StateChanged):
            self._state = event
            if event.state == "listening":
                self.unanswered.answered()
            event = self.state
            self._leave_if_quiet()
        elif isinstance(event, happening.PartialWords):
            self._speaking.set()
        event = self._engines.numbered(event)
        if isinstance(event, happening.Hushed):
            self._watch.interrupted(self.id)
        self._watch.happened(self.id, event)
        self.audience.show(event)

    async def _begin(self, greet: bool) -> None:
        """Read the mind into the model's cache while the greeting is said: the first answer then comes sooner."""
        if greet and self.opened.agent.first_message and not self._backdrop.turns:
            await self._engines.current.greet(self.opened.agent.first_message)
        try:
            await self._backdrop.look_again()
            await self._replies.warm(self._backdrop.situation())
        except VoicemindError as error:
            log.warning("the mind could not be read ahead", code=error.code)
        self._waking = False
        if self._state.state == "listening":  # until now that was called waking
            self._tell(self._state)

    async def _look_ahead(self) -> None:
        """While somebody speaks, read anew what may have changed: their answer then need not wait for that."""
        while True:
            await self._speaking.wait()
            self._speaking = anyio.Event()
            try:
                await self._backdrop.look_ahead()
                await self._replies.expect(self.opened.key)
            except VoicemindError as error:
                log.warning("nothing was read ahead", code=error.code)

    async def _perform(self, tasks: TaskGroup) -> None:
        """Let the engines serve. Raises the last one's error."""
        await self._engines.serve(self.unanswered, tasks, changed=self._changed, is_left=lambda: bool(self.reason))

    def _changed(self, code: str) -> None:
        """One engine has failed, and the next one takes over."""
        log.warning("engine changed", conversation_id=self.opened.conversation.id, code=code)
        self._watch.engine_changed(self.id, code)
        self._tell(happening.Trouble("engine_changed", CHANGED))

    def _look_at_the_clock(self) -> None:
        self._turned.set()
        self._turned = anyio.Event()

    async def _note_presence(self) -> None:
        while True:
            turned = self._turned
            await self._backdrop.note("active" if self._deadlines.gone_at is None else "detached")
            await turned.wait()

    async def _watch_the_clock(self) -> None:
        """End what has been silent or alone for too long."""
        while True:
            at, reason = self._deadlines.next()
            left_s = at - monotonic_s()
            if left_s <= 0:
                self.leave(reason)
                return
            with anyio.move_on_after(left_s):
                await self._turned.wait()

    def _leave_if_quiet(self) -> None:
        if not self._draining:
            return
        is_quiet = self._state.state == "listening" and not self.unanswered and self._engines.current.quiet
        if is_quiet or self._deadlines.gone_at is not None:
            self.leave("shutdown")

    async def _close(self) -> None:
        if self.reason in ENDS or (self.reason == "gone" and self._deadlines.gone_at is not None):
            await self._endings.end(self.opened)
        else:
            self._endings.left(self.opened)
        self._tell(happening.Over(self.opened.conversation.id, self.reason, len(self._backdrop.turns)))
