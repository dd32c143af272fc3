"""One reflection: what was said in an ended conversation becomes a new version of the mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import structlog
from anyio import to_thread

from voicemind.clock import monotonic_s
from voicemind.config import Settings
from voicemind.conversation.opening import Opening
from voicemind.errors import StorageUnavailable, UnknownAgent, UnknownConversation, VoicemindError
from voicemind.jobs.backoff import Backoff
from voicemind.jobs.contract import Handler
from voicemind.jobs.reflections import Reflections
from voicemind.jobs.worker import Pace, Worker
from voicemind.mind.afresh import afresh
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.mind.reflection.apply import apply
from voicemind.mind.reflection.contract import Reflector
from voicemind.mind.reflection.grounding import grounded
from voicemind.mind.reflection.likeness import same_text
from voicemind.mind.reflection.proposal import encoded
from voicemind.mind.reflection.words import STOP_WORDS
from voicemind.mind.reply import Replies, Situation
from voicemind.ops import metrics
from voicemind.store.contract import Store
from voicemind.store.values import ArchivedEntry, Reflection, Turn

log = structlog.get_logger(__name__)

TURNS_LOOKED_UP = 60
"""Of a longer conversation, so many turns of each side, the last ones, are looked up in the archive."""
FOUND_FOR_A_TURN = 4
FOUND_FOR_A_REPLY = 1
LONGEST_TURN = 16_000
"""Characters of a turn that are reflected on: nobody says more at once, but a client may write more."""


class Reflecting:
    """Implements `Handler` for reflections."""

    def __init__(
        self,
        store: Store,
        opening: Opening,
        minds: Minds,
        archives: Archives,
        replies: Replies,
        reflector: Reflector,
    ) -> None:
        self._store, self._opening, self._minds = store, opening, minds
        self._archives, self._replies, self._reflector = archives, replies, reflector

    async def do(self, job: Reflection) -> Reflection:
        """Reflect on the newest version, again where another conversation with the same mind was faster."""
        began = monotonic_s()
        done = await afresh(lambda: self._once(job))
        metrics.REFLECTIONS.labels(done.status if done.before != done.after else "unchanged").inc()
        log.info(
            "reflected",
            conversation_id=job.conversation_id,
            before=done.before,
            after=done.after,
            ms=round((monotonic_s() - began) * 1000),
        )
        return done

    async def settled(self, job: Reflection) -> None:
        """Have the models read the changed mind before the person comes back."""
        if job.status != "done" or job.after == job.before:
            return
        try:
            await self._archives.refresh(job.key)
            opened = await self._opening.found(job.key.tenant, job.conversation_id)
            await self._replies.warm(Situation(opened.agent, job.key, "voice", person=opened.person))
        except VoicemindError as error:
            log.warning("the mind could not be read ahead", code=error.code)

    async def _once(self, job: Reflection) -> Reflection:
        tenant, identity = job.key.tenant, job.conversation_id
        opened = await self._opening.found(tenant, identity)
        turns = tuple(map(_clipped, await self._store.turns(tenant, identity)))
        version = await self._store.mind(job.key)
        if version is None:
            raise StorageUnavailable("The mind of this conversation is missing.")
        archived = await self._touched(job, turns)
        proposal = await self._reflector.reflect(
            opened.agent, version, turns, conversation_id=identity, person=opened.person, archived=archived
        )
        held = [entry for block in version.blocks.values() for entry in block]
        check = partial(
            grounded,
            proposal.operations,
            opened.agent,
            turns=turns,
            conversation_id=identity,
            entries=[*held, *(found.entry for found in archived)],
            person=opened.person,
        )
        sound = await to_thread.run_sync(check)
        notes = " ".join(filter(None, (proposal.notes, sound.notes)))
        if opened.agent.reflection == "review" and sound.operations:
            return await self._store.propose_reflection(
                job, parent=version.number, proposal=encoded(sound.operations), notes=notes
            )
        change = partial(apply, version, sound.operations, opened.agent, turns=turns, archived=archived)
        outcome = await to_thread.run_sync(change)
        notes = " ".join(filter(None, (notes, outcome.notes)))
        made = outcome.version and replace(outcome.version, notes=notes, conversation_id=identity)
        try:
            return await self._store.finish_reflection(job, parent=version.number, version=made, notes=notes)
        finally:  # written here, or by whoever was faster
            self._minds.forget(job.key)

    async def _touched(self, job: Reflection, turns: Sequence[Turn]) -> tuple[ArchivedEntry, ...]:
        """The entries of the archive that the person's turns may repeat or contradict, and that the agent's may have recited."""
        touched: dict[str, ArchivedEntry] = {}
        newest = turns[-2 * TURNS_LOOKED_UP :]
        for turn, words in zip(newest, await to_thread.run_sync(_words_of, newest), strict=True):
            limit = FOUND_FOR_A_TURN if turn.role == "user" else FOUND_FOR_A_REPLY
            for found in await self._store.find_archived(job.key, words, limit=limit):
                touched[found.entry.id] = ArchivedEntry(found.entry, found.block)
        return tuple(touched.values())


def _clipped(turn: Turn) -> Turn:
    if len(turn.generated) <= LONGEST_TURN:
        return turn
    heard = None if turn.heard is None else turn.heard[:LONGEST_TURN]
    return replace(turn, generated=turn.generated[:LONGEST_TURN], heard=heard)


def _words_of(turns: Sequence[Turn]) -> list[list[str]]:
    """The words of each turn that tell it from another one, as they were said: the search knows their forms."""
    said = (same_text(turn.generated).split() for turn in turns)
    return [[word for word in dict.fromkeys(words) if word not in STOP_WORDS] for words in said]


def reflection_worker(
    store: Store, reflecting: Handler[Reflection], *, name: str, settings: Settings
) -> Worker[Reflection]:
    """The worker of a process, as its settings want it. What can never be reflected on is given up at once: the agent is gone, or the conversation."""
    return Worker(
        Reflections(store),
        reflecting,
        name=name,
        pace=Pace(
            lease_s=settings.reflection_lease_s,
            limit_s=settings.reflection_limit_s,
            at_once=settings.reflection_workers,
            backoff=Backoff(attempts=settings.reflection_attempts, first_s=settings.reflection_retry_s),
        ),
        hopeless=(UnknownAgent, UnknownConversation),
    )
