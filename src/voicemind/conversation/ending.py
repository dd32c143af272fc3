"""What comes after the last word: the conversation ends, its reflection is queued and waited for, and what nobody ended is swept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import anyio
import structlog
from anyio import to_thread

from voicemind.clock import monotonic_s, utc_now
from voicemind.config import Settings
from voicemind.conversation.opening import Opened, Opening
from voicemind.errors import UnknownAgent, UnknownConversation, VoicemindError
from voicemind.jobs.worker import LOOK_AGAIN_S, Worker
from voicemind.mind.reflection.screen import is_hostile
from voicemind.store.contract import Store
from voicemind.store.values import MindKey, Reflection

log = structlog.get_logger(__name__)

SETTLED = ("done", "failed", "review")
LONGEST_SAID = 1_000
"""Characters of what was said and is not memory yet: the prompt shows fewer."""
LONGEST_SCRUB_WAIT_S = 600.0
"""Between two tries to rewrite files that still hold what was erased, where another process keeps us from it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How a conversation goes on and ends; times are in seconds."""

    idle_s: float = 1800.0
    """Silence after which a live session ends."""

    length_s: float = 7200.0
    """How long a live session may last."""

    stale_s: float = 3600.0
    """Silence after which an open conversation is ended, live or not."""

    detached_s: float = 120.0
    """How long a conversation whose client is gone can be gone on with."""

    reflection_s: float = 5.0
    """How long a new conversation waits for a reflection of its mind that is still running."""

    end_s: float = 120.0
    """How long the end of a conversation waits for its reflection."""

    sweep_every_s: float = 15.0

    resays_cut: bool = False
    """Whether an agent that was interrupted is told what it had still wanted to say."""

    @classmethod
    def of(cls, settings: Settings) -> Patience:
        """As the settings want it."""
        return cls(
            idle_s=settings.session_timeout_minutes * 60,
            length_s=settings.max_session_minutes * 60,
            stale_s=settings.stale_minutes * 60,
            reflection_s=settings.reflection_wait_s,
            end_s=settings.end_wait_s,
            detached_s=settings.detached_s,
            sweep_every_s=settings.sweep_every_s,
            resays_cut=settings.resay_cut,
        )


class Endings:
    """Ends conversations and waits for their reflections, which the worker does. `run` works until it is cancelled."""

    def __init__(
        self,
        store: Store,
        opening: Opening,
        worker: Worker[Reflection],
        *,
        patience: Patience | None = None,
        tidy: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """`tidy` is what else the sweep takes away."""
        self._store, self._opening, self._worker = store, opening, worker
        self.patience = patience or Patience()
        self._tidy = tidy
        self._detached: dict[tuple[str, str], float] = {}
        self._attached: Counter[tuple[str, str]] = Counter()
        """How many sessions each conversation has: an older one may take long to finish."""
        self._scrub_at, self._scrub_wait_s = 0.0, self.patience.sweep_every_s

    async def end(self, opened: Opened) -> Reflection:
        """End the conversation; its reflection is queued, once. Repeated, it returns the same reflection."""
        name = (opened.conversation.tenant, opened.conversation.id)
        self._attached.pop(name, None)
        reflection = await self._store.end_conversation(opened.key, opened.conversation.id)
        self._detached.pop(name, None)
        self._worker.wake()
        return reflection

    async def end_anyhow(self, tenant: str, conversation_id: str) -> Reflection:
        """The same where nobody knows whether its agent still exists. Raises UnknownConversation."""
        try:
            return await self.end(await self._opening.found(tenant, conversation_id))
        except UnknownAgent:  # nobody can reflect on it any more: its reflection will say so
            talk = await self._store.conversation(tenant, conversation_id)
            key = MindKey(tenant, talk.agent, talk.user_id)
            reflection = await self._store.end_conversation(key, conversation_id)
            self._detached.pop((tenant, conversation_id), None)
            self._worker.wake()
            return reflection

    async def reflection(self, opened: Opened, *, wait_s: float) -> Reflection | None:
        """The reflection once it is done, failed, or waits for a person's word; None where that takes longer than `wait_s`."""
        with anyio.move_on_after(wait_s):
            while True:
                settled = self._worker.settled
                reflection = await self._store.reflection(opened.conversation.tenant, opened.conversation.id)
                if reflection and reflection.status in SETTLED:
                    return reflection
                with anyio.move_on_after(LOOK_AGAIN_S):
                    await settled.wait()
        return None

    async def settled(self, key: MindKey, *, wait_s: float) -> bool:
        """Wait until nothing is being reflected on this mind; False where that takes longer than `wait_s`."""
        with anyio.move_on_after(wait_s):
            while True:
                settled = self._worker.settled
                if not await self._store.pending_reflections(key):
                    return True
                with anyio.move_on_after(LOOK_AGAIN_S):
                    await settled.wait()
        return False

    async def unreflected(self, opened: Opened, *, wait_s: float = 0.0) -> tuple[str, ...]:
        """What the person said in ended conversations that is still not memory after `wait_s`; nothing where it first needs a person's word."""
        key = opened.key
        if opened.agent.reflection == "review":
            return ()
        if not await self._store.pending_reflections(key) or (wait_s and await self.settled(key, wait_s=wait_s)):
            return ()
        said = [turn.generated[:LONGEST_SAID] for turn in await self._store.unreflected_turns(key)]
        return await to_thread.run_sync(lambda: tuple(text for text in said if not is_hostile(text)))

    def left(self, opened: Opened) -> None:
        """A session of this conversation is over; after the last one it is ended unless somebody comes back in time."""
        name = (opened.conversation.tenant, opened.conversation.id)
        self._attached[name] -= 1
        if self._attached[name] <= 0:
            del self._attached[name]
            self._detached[name] = monotonic_s() + self.patience.detached_s

    def back(self, opened: Opened) -> None:
        """A session begins: the conversation is not swept until it has left."""
        name = (opened.conversation.tenant, opened.conversation.id)
        self._attached[name] += 1
        self._detached.pop(name, None)

    async def retry(self, tenant: str, conversation_id: str) -> Reflection:
        """Queue a reflection that was given up again, at a person's wish; any other is returned as it is. Raises UnknownConversation."""
        reflection = await self._store.retry_reflection(tenant, conversation_id)
        self._worker.wake()
        return reflection

    async def run(self) -> None:
        """Reflect and sweep until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.sweep)
            await self.reflect()

    async def reflect(self) -> None:
        """Do the reflections that are due, until cancelled."""
        await self._worker.run()

    async def sweep(self) -> None:
        """End what nobody goes on with, and rewrite files that still hold what was erased, until cancelled. It needs no model."""
        while True:
            for part in (self._scrub, self._tidy, self._end_stale):
                if part:
                    await _swept(part)
            await anyio.sleep(self.patience.sweep_every_s)

    async def _end_stale(self) -> None:
        """End what nobody will go on with."""
        now = monotonic_s()
        for name in [name for name, until in self._detached.items() if until <= now]:
            await self._end_left(*name)
        for conversation in await self._store.stale_conversations(utc_now() - timedelta(seconds=self.patience.stale_s)):
            if (conversation.tenant, conversation.id) not in self._attached:
                await self._end_left(conversation.tenant, conversation.id)

    async def _scrub(self) -> None:
        """Rewriting costs as much in vain as with success: whoever is in the way gets longer each time."""
        if monotonic_s() < self._scrub_at:
            return
        self._scrub_wait_s = self.patience.sweep_every_s if await self._store.scrub() else self._scrub_wait_s * 2
        self._scrub_at = monotonic_s() + min(self._scrub_wait_s, LONGEST_SCRUB_WAIT_S)

    async def _end_left(self, tenant: str, identity: str) -> None:
        """End one conversation; what goes wrong with it must not keep the others waiting."""
        try:
            await self.end_anyhow(tenant, identity)
        except UnknownConversation:  # it was erased meanwhile
            self._detached.pop((tenant, identity), None)
        except VoicemindError as error:
            log.warning("a conversation could not be ended", conversation_id=identity, code=error.code)
        except Exception:  # the boundary of a background job: the next conversation must end
            log.exception("a conversation could not be ended", conversation_id=identity)


async def _swept(part: Callable[[], Awaitable[object]]) -> None:
    """One part of a sweep: whatever goes wrong with it, the next one comes, and the server lives."""
    try:
        await part()
    except VoicemindError as error:
        log.warning("sweep failed", code=error.code)
    except Exception:  # the boundary of a background job: the next one must run
        log.exception("sweep failed", code="internal_error")
