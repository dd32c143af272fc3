"""One request, one reply, in writing: the way of chat completions and of every other channel without a lasting connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import anyio
import structlog

from voicemind.conversation.ending import Endings
from voicemind.conversation.opening import Opened
from voicemind.conversation.transcript import place
from voicemind.errors import VoicemindError
from voicemind.llm.contract import Finished, Piece, TextDelta
from voicemind.mind.reply import Replies, Situation
from voicemind.store.contract import Store
from voicemind.store.values import NewTurn

log = structlog.get_logger(__name__)

SAVE_LIMIT_S = 5.0


class Exchanges:
    """Answers requests and keeps the transcript. Requests on one conversation are answered one after the other."""

    def __init__(self, store: Store, replies: Replies, endings: Endings) -> None:
        self._store = store
        self._replies = replies
        self._endings = endings
        self._running: dict[tuple[str, str], tuple[anyio.Lock, int]] = {}

    async def answer(self, situation: Situation, opened: Opened | None) -> AsyncGenerator[Piece, None]:
        """The reply, piece by piece; the Finished comes after the turn is stored. Iterate under `aclosing`.

        Without a conversation nothing is stored. Closing early stores what was taken, as interrupted.
        Raises ProviderError, StorageUnavailable, ConversationOver.
        """
        if opened is None:
            async with aclosing(self._replies.reply(situation)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        async with self.alone(opened), aclosing(self._kept(situation, opened)) as pieces:
            async for piece in pieces:
                yield piece

    async def _kept(self, situation: Situation, opened: Opened) -> AsyncGenerator[Piece, None]:
        tenant, identity = opened.conversation.tenant, opened.conversation.id
        stored = await self._store.turns(tenant, identity)
        placement = place(stored, situation.history)
        if placement.kind == "replay":
            yield TextDelta(placement.text)
            yield Finished()
            return
        if placement.kind == "new":
            await self._store.append_turn(tenant, identity, NewTurn("user", placement.text, heard=placement.text))
        wait_s = 0.0 if stored else self._endings.patience.reflection_s
        unreflected = await self._endings.unreflected(opened, wait_s=wait_s)
        said, finished = "", Finished()
        try:
            async with aclosing(
                self._replies.reply(
                    replace(
                        situation,
                        history=placement.history,
                        unreflected=unreflected,
                        person=opened.person,
                        intent_notes=opened.intent_notes,
                    )
                )
            ) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Finished):
                        finished = piece
                    else:
                        said += piece.text if isinstance(piece, TextDelta) else ""
                        yield piece
        except BaseException:
            with anyio.CancelScope(shield=True), anyio.move_on_after(SAVE_LIMIT_S):
                await self._save_what_was_taken(opened, said)
            raise
        await self._save(opened, said, interrupted=False)
        yield finished

    async def _save_what_was_taken(self, opened: Opened, said: str) -> None:
        """As `_save`, on the way out of a cancelled answer: nobody is left to be told of a failure."""
        try:
            await self._save(opened, said, interrupted=True)
        except VoicemindError as error:
            log.warning("a broken-off answer was not kept", conversation_id=opened.conversation.id, code=error.code)

    async def _save(self, opened: Opened, said: str, *, interrupted: bool) -> None:
        if said:
            turn = NewTurn("agent", said, heard=said, interrupted=interrupted)
            await self._store.append_turn(opened.conversation.tenant, opened.conversation.id, turn)

    @asynccontextmanager
    async def alone(self, opened: Opened) -> AsyncGenerator[None]:
        """Wait until nothing is being answered in this conversation, and let nothing be meanwhile.

        A request that is sent twice must find the first one's reply, and an ending must find the last one.
        """
        name = (opened.conversation.tenant, opened.conversation.id)
        lock, users = self._running.get(name, (anyio.Lock(), 0))
        self._running[name] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._running[name]
            if users == 1:
                del self._running[name]
            else:
                self._running[name] = (lock, users - 1)
