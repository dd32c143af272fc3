"""What comes after the last word: the conversation ends, is reflected on once, and is never forgotten on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import anyio
import structlog

from voicemind.clock import monotonic_s, utc_now
from voicemind.conversation.opening import Opened, Opening
from voicemind.errors import StaleVersion, StorageUnavailable, UnknownAgent, VoicemindError
from voicemind.mind.context import Minds
from voicemind.mind.reflection.apply import apply
from voicemind.mind.reflection.contract import Reflector
from voicemind.mind.reflection.grounding import grounded
from voicemind.mind.reply import Replies, Situation
from voicemind.store.contract import Store
from voicemind.store.values import MindKey, Reflection

log = structlog.get_logger(__name__)

ATTEMPTS = 5
FIRST_DELAY_S = 5.0
LOOK_AGAIN_S = 1.0
"""How often the queue is looked at without being told: another process may have put something there."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Times, all in seconds."""

    idle_s: float = 1800.0
    """Silence after which a live session ends."""

    stale_s: float = 3600.0
    """Silence after which an open conversation is ended, live or not."""

    detached_s: float = 120.0
    """How long a conversation whose client is gone can be gone on with."""

    reflection_s: float = 5.0
    """How long a new conversation waits for a reflection of its mind that is still running."""

    end_s: float = 120.0
    """How long the end of a conversation waits for its reflection."""

    sweep_every_s: float = 15.0
    lease_s: float = 60.0
    """After how long a reflection that a dead process had begun is taken over."""


class Endings:
    """Ends conversations and runs their reflections, one at a time. `run` works until it is cancelled."""

    def __init__(
        self,
        store: Store,
        opening: Opening,
        minds: Minds,
        replies: Replies,
        reflector: Reflector,
        *,
        worker: str,
        patience: Patience | None = None,
    ) -> None:
        self._store, self._opening, self._minds, self._reflector = store, opening, minds, reflector
        self._worker = worker
        self.patience = patience or Patience()
        self._replies = replies
        self._queued = anyio.Event()
        self._finished = anyio.Event()
        self._detached: dict[tuple[str, str], float] = {}
        self._attached: set[tuple[str, str]] = set()

    async def end(self, opened: Opened) -> Reflection:
        """End the conversation; its reflection is queued, once. Repeated, it returns the same reflection."""
        name = (opened.conversation.tenant, opened.conversation.id)
        self._attached.discard(name)
        reflection = await self._store.end_conversation(opened.key, opened.conversation.id)
        self._detached.pop(name, None)
        self._queued.set()
        return reflection

    async def reflection(self, opened: Opened, *, wait_s: float) -> Reflection | None:
        """The reflection once it is done or failed; None where that takes longer than `wait_s`."""
        with anyio.move_on_after(wait_s):
            while True:
                finished = self._finished
                reflection = await self._store.reflection(opened.conversation.tenant, opened.conversation.id)
                if reflection and reflection.status in ("done", "failed"):
                    return reflection
                with anyio.move_on_after(LOOK_AGAIN_S):
                    await finished.wait()
        return None

    async def settled(self, key: MindKey, *, wait_s: float) -> bool:
        """Wait until nothing is being reflected on this mind; False where that takes longer than `wait_s`."""
        with anyio.move_on_after(wait_s):
            while True:
                finished = self._finished
                if not await self._store.pending_reflections(key):
                    return True
                with anyio.move_on_after(LOOK_AGAIN_S):
                    await finished.wait()
        return False

    async def unreflected(self, key: MindKey, *, wait_s: float = 0.0) -> tuple[str, ...]:
        """What the person said in ended conversations that is still not memory after `wait_s`."""
        if not await self._store.pending_reflections(key) or (wait_s and await self.settled(key, wait_s=wait_s)):
            return ()
        return tuple(turn.generated for turn in await self._store.unreflected_turns(key))

    def left(self, opened: Opened) -> None:
        """The client of this conversation is gone; it is ended unless somebody comes back in time."""
        name = (opened.conversation.tenant, opened.conversation.id)
        self._attached.discard(name)
        self._detached[name] = monotonic_s() + self.patience.detached_s

    def back(self, opened: Opened) -> None:
        """Somebody is there: the conversation is not swept until they have left."""
        name = (opened.conversation.tenant, opened.conversation.id)
        self._attached.add(name)
        self._detached.pop(name, None)

    async def run(self) -> None:
        """Reflect and sweep until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._sweep)
            await self._work()

    async def _work(self) -> None:
        while True:
            queued, self._queued = self._queued, anyio.Event()
            try:
                reflection = await self._store.claim_reflection(self._worker, lease_s=self.patience.lease_s)
            except StorageUnavailable as error:
                log.warning("reflections cannot be read", code=error.code)
                reflection = None
                await anyio.sleep(LOOK_AGAIN_S)
            if reflection is not None:
                changed = await self._attempt(reflection)
                self._finished.set()
                self._finished = anyio.Event()
                if changed:
                    await self._reread(reflection)
            elif not queued.is_set():
                with anyio.move_on_after(LOOK_AGAIN_S):
                    await self._queued.wait()

    async def _attempt(self, reflection: Reflection) -> bool:
        """One try, and whether the mind is another now. A failure postpones the reflection, the last one gives it up; the transcript stays."""
        began = monotonic_s()
        try:
            done = await self._reflect(reflection)
        except Exception as error:  # noqa: BLE001 - the boundary of a background job: whatever it was, the next one must run
            code = error.code if isinstance(error, VoicemindError) else "internal_error"
            gives_up = reflection.attempts >= ATTEMPTS or isinstance(error, UnknownAgent)
            delay_s = None if gives_up else FIRST_DELAY_S * 4 ** (reflection.attempts - 1)
            log.warning(
                "reflection failed",
                conversation_id=reflection.conversation_id,
                code=code,
                kind=type(error).__name__,
                retry_s=delay_s,
            )
            await self._postpone(reflection, code, delay_s)
            return False
        self._minds.forget(reflection.key)
        log.info(
            "reflected",
            conversation_id=reflection.conversation_id,
            before=done.before,
            after=done.after,
            ms=round((monotonic_s() - began) * 1000),
        )
        return done.after != done.before

    async def _reread(self, reflection: Reflection) -> None:
        """Have the model read the changed mind before the person comes back."""
        try:
            opened = await self._opening.found(reflection.key.tenant, reflection.conversation_id)
            await self._replies.warm(Situation(opened.agent, reflection.key, "voice", person=opened.person))
        except VoicemindError as error:
            log.warning("the mind could not be read ahead", code=error.code)

    async def _postpone(self, reflection: Reflection, code: str, delay_s: float | None) -> None:
        try:
            await self._store.postpone_reflection(reflection, error=code, delay_s=delay_s)
        except StorageUnavailable:
            log.warning("reflection stays leased", conversation_id=reflection.conversation_id)

    async def _reflect(self, reflection: Reflection) -> Reflection:
        tenant, identity = reflection.key.tenant, reflection.conversation_id
        opened = await self._opening.found(tenant, identity)
        turns = await self._store.turns(tenant, identity)
        for _ in range(ATTEMPTS):
            version = await self._store.mind(reflection.key)
            if version is None:
                raise StorageUnavailable("The mind of this conversation is missing.")
            proposal = await self._reflector.reflect(
                opened.agent, version, turns, conversation_id=identity, person=opened.person
            )
            entries = [entry for block in version.blocks.values() for entry in block]
            sound = grounded(
                proposal.operations,
                opened.agent,
                turns=turns,
                conversation_id=identity,
                entries=entries,
                person=opened.person,
            )
            outcome = apply(version, sound.operations, opened.agent, turns=turns)
            notes = " ".join(filter(None, (proposal.notes, sound.notes, outcome.notes)))
            made = outcome.version and replace(outcome.version, notes=notes, conversation_id=identity)
            try:
                return await self._store.finish_reflection(reflection, parent=version.number, version=made, notes=notes)
            except StaleVersion:
                continue  # another conversation with the same mind was faster: think again about what it knows now
        raise StaleVersion("The mind changed faster than it could be reflected on.")

    async def _sweep(self) -> None:
        while True:
            try:
                await self._sweep_once()
            except VoicemindError as error:
                log.warning("sweep failed", code=error.code)
            await anyio.sleep(self.patience.sweep_every_s)

    async def _sweep_once(self) -> None:
        """End what nobody will go on with."""
        now = monotonic_s()
        for name in [name for name, until in self._detached.items() if until <= now]:
            await self._end_left(*name)
        for conversation in await self._store.stale_conversations(utc_now() - timedelta(seconds=self.patience.stale_s)):
            if (conversation.tenant, conversation.id) not in self._attached:
                await self._end_left(conversation.tenant, conversation.id)

    async def _end_left(self, tenant: str, identity: str) -> None:
        """End one conversation; what goes wrong with it must not keep the others waiting."""
        try:
            try:
                await self.end(await self._opening.found(tenant, identity))
            except UnknownAgent:  # nobody can reflect on it any more: its reflection will say so
                conversation = await self._store.conversation(tenant, identity)
                await self._store.end_conversation(MindKey(tenant, conversation.agent, conversation.user_id), identity)
                self._queued.set()
        except VoicemindError as error:
            log.warning("a conversation could not be ended", conversation_id=identity, code=error.code)
