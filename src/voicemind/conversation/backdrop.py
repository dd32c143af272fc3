"""What one live conversation knows of itself: its turns, what others have not become memory of yet, and whether any of it was erased since."""

from __future__ import annotations

from dataclasses import replace

import anyio
import structlog

from voicemind.clock import monotonic_s
from voicemind.conversation.ending import Endings
from voicemind.conversation.opening import Opened
from voicemind.engines.contract import NOW, Occasion
from voicemind.errors import StorageUnavailable
from voicemind.mind.context import AHEAD_S, CHECKED_S
from voicemind.mind.history import messages_of
from voicemind.mind.prompt import Channel
from voicemind.mind.reply import Situation
from voicemind.store.contract import Store
from voicemind.store.values import NewTurn, Presence, Turn

log = structlog.get_logger(__name__)

KEEP_LIMIT_S = 15.0
"""A turn that takes longer is not stored. A store itself gives up on a lock sooner (`LOCK_WAIT_S`), so that its own word on it comes first."""


class Backdrop:
    """Of one session. `prepare` comes first; every method that waits may raise StorageUnavailable."""

    def __init__(self, opened: Opened, channel: Channel, *, store: Store, endings: Endings) -> None:
        self.opened = opened
        self.channel: Channel = channel
        self.turns: list[Turn] = []
        self._store, self._endings = store, endings
        self._unreflected: tuple[str, ...] = ()
        self._presence: str = opened.conversation.status
        self._doubts = self._settled_doubts = 0
        self._looked_s = 0.0

    async def prepare(self, *, wait_s: float) -> None:
        """Read what was said before, in this conversation and in others; a running reflection is waited for, `wait_s` at most."""
        opened = self.opened
        self.turns = list(await self._store.turns(opened.conversation.tenant, opened.conversation.id))
        doubts = self._doubts
        self._unreflected = await self._endings.unreflected(opened, wait_s=wait_s)
        self._settled_doubts, self._looked_s = doubts, monotonic_s()

    async def keep(self, turn: NewTurn) -> Turn:
        """Store a turn; cancelling waits for the outcome, since the store goes on with what it was given. Raises ConversationOver too."""
        talk = self.opened.conversation
        with anyio.CancelScope(shield=True), anyio.move_on_after(KEEP_LIMIT_S):
            stored = await self._store.append_turn(talk.tenant, talk.id, turn)
            self.turns.append(stored)
            return stored
        raise StorageUnavailable("The database does not answer. What was said last is not stored.")

    async def note(self, presence: Presence) -> None:
        """Let others see whether the client is there. A store that does not answer is no reason to break off."""
        if presence != self._presence:
            talk = self.opened.conversation
            try:
                await self._store.note_presence(talk.tenant, talk.id, presence)
                self._presence = presence
            except StorageUnavailable as error:
                log.warning("presence not stored", conversation_id=talk.id, code=error.code)

    def doubt(self) -> None:
        """Something was erased: what was read before may be of it."""
        self._doubts += 1

    async def look_ahead(self) -> None:
        """Somebody has begun to speak: what may have been erased is read anew now, and not when they wait for the answer."""
        await self._look(AHEAD_S)

    async def look_again(self) -> None:
        """Read anew what may have been erased since it was read: by us, or more than CHECKED_S ago by another process."""
        await self._look(CHECKED_S)

    async def _look(self, checked_s: float) -> None:
        if monotonic_s() - self._looked_s > checked_s:
            self.doubt()
        while self._doubts != self._settled_doubts:
            doubts, began_s = self._doubts, monotonic_s()
            talk = await self._store.conversation(self.opened.conversation.tenant, self.opened.conversation.id)
            unreflected = await self._endings.unreflected(self.opened)
            self.opened, self._unreflected = replace(self.opened, conversation=talk), unreflected
            self._settled_doubts, self._looked_s = doubts, began_s

    def situation(self, occasion: Occasion = NOW) -> Situation:
        """What the mind is given for a reply."""
        return Situation(
            agent=self.opened.agent,
            key=self.opened.key,
            channel=self.channel,
            history=messages_of(
                self.turns,
                supposing=occasion.supposing,
                silence_s=occasion.silence_s,
                resays_cut=self._endings.patience.resays_cut,
            ),
            unreflected=self._unreflected,
            person=self.opened.person,
            intent_notes=self.opened.intent_notes,
        )
