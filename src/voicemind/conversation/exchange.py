"""One request, one reply, in writing: the way of chat completions and of every other channel without a lasting connection."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

import anyio
import structlog
from anyio.abc import TaskGroup

from voicemind.config import Settings
from voicemind.conversation.ending import Endings
from voicemind.conversation.fillers import apology, filler
from voicemind.conversation.generation import Generation
from voicemind.conversation.opening import Opened
from voicemind.conversation.placing import NOTHING, Asked, compared, reconciled, repeated, turn_of
from voicemind.conversation.told import fingerprint
from voicemind.conversation.transcript import Reconciled
from voicemind.errors import ClientMistake, StaleTranscript, StorageUnavailable, Superseded, VoicemindError
from voicemind.llm.contract import Finished, Message, Piece, TextDelta, ToolCall
from voicemind.mind.prompt import Channel
from voicemind.mind.reply import Replies, Situation
from voicemind.store.contract import Store
from voicemind.store.values import NewTurn

log = structlog.get_logger(__name__)

ROUNDS = 5
"""How often a request is placed anew where another process wrote to the same conversation meanwhile."""
BEGIN_LIMIT_S = 20.0
"""How long a request may take to be stored; a database that is locked is waited for by the store itself."""
STOP_LIMIT_S = 5.0
ALONE_LIMIT_S = 10.0
"""How long an answer may still go on when its conversation is to end."""
KNOWN = 10_000
"""Conversations whose last requests are remembered."""

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Manners:
    """How an answer is given to a platform that speaks it aloud.

    `filler_after_s` is how long its beginning may be late before a few words are said (infinite: never); `apologises` says
    whether words stand in for an answer that failed.
    """

    filler_after_s: float = 0.9
    apologises: bool = True

    @classmethod
    def of(cls, settings: Settings) -> Manners:
        """As the settings want it."""
        return cls(settings.filler_ms / 1000 if settings.filler_ms else math.inf, settings.apologies)


class Exchanges:
    """Answers requests and keeps the transcript. `running` has to be entered first."""

    def __init__(self, store: Store, replies: Replies, endings: Endings, *, manners: Manners = Manners()) -> None:
        self._store, self._replies, self._endings, self._manners = store, replies, endings, manners
        self._tasks: TaskGroup | None = None
        self._locks: dict[Name, tuple[anyio.Lock, int]] = {}
        self._answering: dict[Name, Generation] = {}
        self._asked: OrderedDict[Name, Asked] = OrderedDict()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Answers are made inside this block; those that are not finished at its end are stored as far as they came."""
        async with anyio.create_task_group() as self._tasks:
            yield
            self._tasks.cancel_scope.cancel()

    def first(self, name: Name, messages: Sequence[Message], *, channel: Channel) -> Reconciled | None:
        """What a request means if its conversation is new, with turns for `begin`; None where it is known here, or nothing is said."""
        if name in self._asked:
            return None
        found = compared((), messages, NOTHING, None, channel=channel)
        return found if found.edits else None

    async def answer(
        self,
        situation: Situation,
        opened: Opened | None,
        *,
        first: Reconciled | None = None,
        aloud: bool = False,
        fills: bool = False,
    ) -> AsyncGenerator[Piece, None]:
        """The reply, piece by piece; the Finished comes after the turn is stored. Iterate under `aclosing`.

        The request is placed in the transcript first: asked again, it joins the answer that is on its way or gets the one that was given.
        Where everybody who takes an answer leaves early, the model is stopped and what was said is stored as interrupted. Without a
        conversation nothing is stored. `first` is what the conversation was begun with, where it may have been new. With `aloud` an answer that fails is spoken for; with `fills`, also one that is late. Raises ProviderError, StorageUnavailable,
        ConversationOver, Superseded.
        """
        said = False
        try:
            if opened and first and opened.begun and opened.begun.is_new and self._is_unknown(_name(opened)):
                generation, stored = self._first_begun(situation, opened, first), 0
            else:
                generation, stored = await self._surely_begun(situation, opened)
            words, late_s = "", math.inf
            if aloud and fills:
                words, late_s = filler(situation.agent.language, turn=stored), self._manners.filler_after_s
            async with aclosing(generation.taken(filler=words, after_s=late_s)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Finished) and aloud and not said and self._manners.apologises:
                        yield TextDelta(apology(situation.agent.language))  # a platform hangs up where nothing is said
                    said = said or not isinstance(piece, TextDelta) or piece.text != words
                    yield piece
        except VoicemindError as error:
            is_ours = not isinstance(error, ClientMistake) or isinstance(error, Superseded)
            if not (aloud and self._manners.apologises and is_ours):
                raise
            log.warning("an answer was spoken for", code=error.code)
            if not said:
                yield TextDelta(apology(situation.agent.language))
            yield Finished()

    @asynccontextmanager
    async def alone(self, opened: Opened) -> AsyncGenerator[None]:
        """Let nothing be answered in this conversation: an ending must find the last reply. What takes longer than ALONE_LIMIT_S is stopped."""
        name = _name(opened)
        async with self._locked(name):
            if generation := self._answering.get(name):
                with anyio.move_on_after(ALONE_LIMIT_S):
                    await generation.over.wait()
                await _stopped(generation)
            yield

    async def doubt(self, tenant: str) -> None:
        """Something was erased: no answer that is on its way may have been made from it. Asked again, it is made anew."""
        answering = [generation for name, generation in self._answering.items() if name[0] == tenant]
        for generation in answering:
            generation.discard()
        for generation in answering:
            await _stopped(generation)

    def _is_unknown(self, name: Name) -> bool:
        return not (name in self._asked or name in self._answering or name in self._locks)

    def _first_begun(self, situation: Situation, opened: Opened, first: Reconciled) -> Generation:
        """The answer to what a conversation was made with: nothing was before it, and it is stored."""
        self._remember(_name(opened), NOTHING.then(fingerprint(situation.history), kind=first.kind))
        generation = Generation(situation.history)
        assert opened.begun is not None
        situation = replace(
            situation,
            history=first.history,
            person=opened.person,
            intent_notes=opened.intent_notes,
            made=opened.begun.mind,
        )
        return self._started(generation, situation, opened, turns=opened.conversation.turns)

    async def _surely_begun(self, situation: Situation, opened: Opened | None) -> tuple[Generation, int]:
        """The same whether the client stays or not: what the person said last is not lost with the line."""
        try:
            with anyio.fail_after(BEGIN_LIMIT_S, shield=True):
                return await self._begun(situation, opened)
        except TimeoutError:
            raise StorageUnavailable("The request could not be stored in time.") from None

    async def _begun(self, situation: Situation, opened: Opened | None) -> tuple[Generation, int]:
        """The answer to take, and how many turns there were before."""
        if opened is None:
            return self._started(Generation(), situation, None), 0
        name = _name(opened)
        async with self._locked(name):
            is_new = not opened.conversation.turns and name not in self._asked
            for number in range(ROUNDS):
                try:
                    return await self._placed(situation, opened, name, is_new=is_new and not number)
                except StaleTranscript:
                    continue
        raise Superseded("Others write to this conversation at the same time.")

    async def _placed(
        self, situation: Situation, opened: Opened, name: Name, *, is_new: bool
    ) -> tuple[Generation, int]:
        """Raises StaleTranscript where another process wrote meanwhile; one that `is_new` is taken for empty until that is said."""
        tenant, identity = name
        current = self._answering.get(name)
        if current is not None and current.is_stopped:
            await _stopped(current)
            current = None
        stored = () if is_new else await self._store.turns(tenant, identity)
        asked = self._asked.get(name, NOTHING)
        found = await reconciled(stored, situation, asked, current)
        if is_new and not found.edits:  # nothing would tell that it is not empty any more
            raise StaleTranscript("not read yet")
        if found.does == "join" and current is not None:
            return current, len(stored)
        if found.does == "replay":
            return repeated(found.replay), len(stored)
        if current is not None:  # the newer history wins
            await _stopped(current)
            stored = await self._store.turns(tenant, identity)
            found = await reconciled(stored, situation, asked, None)
            if found.does == "replay":
                return repeated(found.replay), len(stored)
        before = turns = len(stored)
        if found.edits:
            turns = await self._store.revise_turns(tenant, identity, found.edits, turns=before)
        self._remember(name, asked.then(fingerprint(situation.history), kind=found.kind))
        generation = Generation(situation.history)
        situation = replace(situation, history=found.history, person=opened.person, intent_notes=opened.intent_notes)
        return self._started(generation, situation, opened, turns=turns), before

    def _remember(self, name: Name, asked: Asked) -> None:
        self._asked[name] = asked
        self._asked.move_to_end(name)
        if len(self._asked) > KNOWN:
            self._asked.popitem(last=False)

    def _started(
        self, generation: Generation, situation: Situation, opened: Opened | None, *, turns: int = 0
    ) -> Generation:
        """Have the answer made."""
        assert self._tasks is not None, "Exchanges are used outside of `running`"
        if opened is not None:
            self._answering[_name(opened)] = generation
        self._tasks.start_soon(self._make, generation, situation, opened, turns)
        return generation

    async def _make(self, generation: Generation, situation: Situation, opened: Opened | None, turns: int) -> None:
        async def keep(said: str, calls: tuple[ToolCall, ...], broke_off: bool) -> None:
            if opened is not None and (said or (calls and not broke_off)):
                await self._keep(_name(opened), turn_of(said, calls, broke_off=broke_off), turns=turns)

        try:
            await generation.run(self._reply(situation, opened, is_new=turns <= 1), keep)
        finally:
            if opened is not None and self._answering.get(_name(opened)) is generation:
                del self._answering[_name(opened)]

    async def _reply(self, situation: Situation, opened: Opened | None, *, is_new: bool) -> AsyncGenerator[Piece, None]:
        """The mind's answer; one to the first words waits a moment for what is still becoming memory."""
        if opened is not None and (opened.begun is None or opened.begun.pending):
            wait_s = self._endings.patience.reflection_s if is_new else 0.0
            unreflected = await self._endings.unreflected(opened, wait_s=wait_s)
            situation = replace(situation, unreflected=unreflected)
        async with aclosing(self._replies.reply(situation)) as pieces:
            async for piece in pieces:
                yield piece

    async def _keep(self, name: Name, turn: NewTurn, *, turns: int) -> None:
        try:
            await self._store.revise_turns(*name, (turn,), turns=turns)
        except StaleTranscript:
            raise Superseded("Somebody else wrote to this conversation meanwhile.") from None

    @asynccontextmanager
    async def _locked(self, name: Name) -> AsyncGenerator[None]:
        lock, users = self._locks.get(name, (anyio.Lock(fast_acquire=True), 0))
        self._locks[name] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[name]
            if users == 1:
                del self._locks[name]
            else:
                self._locks[name] = (lock, users - 1)


def _name(opened: Opened) -> Name:
    return opened.conversation.tenant, opened.conversation.id


async def _stopped(generation: Generation) -> None:
    """Stop it and wait until what it said is stored."""
    generation.stop()
    with anyio.move_on_after(STOP_LIMIT_S):
        await generation.over.wait()
