"""Which conversation a request belongs to that does not say so: told by what was said in it before.

Two people may begin with the same words. So a request goes on with a conversation only if it knows a reply that was given there and nobody
went on from that reply differently; everything else is a conversation of its own. Only a voice platform's first request, which may be
sent again at any moment, counts as the same one for a while.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence

import uuid_utils

from voicemind.clock import monotonic_s
from voicemind.conversation.fillers import without_fillers
from voicemind.conversation.transcript import reconcile
from voicemind.llm.contract import Message
from voicemind.store.contract import Conversations
from voicemind.store.turn_edits import DroppedTurns, RewordedTurn
from voicemind.store.values import Turn

PREFIX = "unnamed-"
AGAIN_S = 30.0
"""How long the first request of a voice platform may be a repetition of itself."""
KNOWN = 10_000
LOOKED_AT = 8
"""Conversations that began alike and are compared."""


class Unnamed:
    """Finds and makes ids for conversations without one. What it knows it learns again from the store after a restart."""

    def __init__(self, store: Conversations) -> None:
        self._store = store
        self._known: OrderedDict[bytes, list[tuple[str, float]]] = OrderedDict()

    async def conversation_id(
        self, tenant: str, agent: str, *, person: str, system: str, messages: Sequence[Message], may_repeat: bool
    ) -> str:
        """The id of the conversation that these messages go on with, or a new one.

        `system` is what the caller's own system messages say. `may_repeat` says whether a first request may be the last one once more.
        Raises StorageUnavailable.
        """
        head = _head(tenant, agent, person, system, messages)
        past = _answered(messages)
        found = (
            await self._continued(tenant, agent, head, past, messages)
            if past
            else self._repeated(head, messages, may_repeat=may_repeat)
        )
        identity = found or f"{PREFIX}{head}-{uuid_utils.uuid7()}"
        self._remember(_state(head, messages), identity)
        return identity

    async def _continued(
        self, tenant: str, agent: str, head: str, past: Sequence[Message], messages: Sequence[Message]
    ) -> str | None:
        known = [identity for identity, _ in self._known.get(_state(head, past), ())]
        for identity in known or await self._alike(tenant, agent, head):
            if goes_on(await self._store.turns(tenant, identity), messages):
                return identity
        return None

    async def _alike(self, tenant: str, agent: str, head: str) -> list[str]:
        """Open conversations that began alike: for what this process does not know."""
        listed = await self._store.conversations(tenant, agent=agent, status="active")
        return [talk.id for talk in listed if talk.id.startswith(f"{PREFIX}{head}-")][:LOOKED_AT]

    def _repeated(self, head: str, messages: Sequence[Message], *, may_repeat: bool) -> str | None:
        known = self._known.get(_state(head, messages), ())
        since = monotonic_s() - AGAIN_S
        return next((identity for identity, at in known if may_repeat and at > since), None)

    def _remember(self, state: bytes, identity: str) -> None:
        others = [known for known in self._known.pop(state, ()) if known[0] != identity]
        self._known[state] = [(identity, monotonic_s()), *others][:LOOKED_AT]
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)


def goes_on(stored: Sequence[Turn], messages: Sequence[Message]) -> bool:
    """Whether the messages go on from these turns, without taking back anything that was finished."""
    if not any(turn.role == "agent" and not _is_partial(turn) for turn in stored):
        return False
    for edit in reconcile(stored, messages, spoken=without_fillers).edits:
        if isinstance(edit, RewordedTurn) and not _is_partial(stored[-1]) and stored[-1].role == "agent":
            return False
        if isinstance(edit, DroppedTurns) and not all(_is_partial(turn) for turn in stored[edit.seq - 1 :]):
            return False
    return True


def _is_partial(turn: Turn) -> bool:
    return turn.role == "agent" and turn.interrupted and turn.heard is None


def _answered(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages up to the last reply to the person; none where nothing was replied."""
    ends = [at for at, message in enumerate(messages) if message.role == "assistant"]
    until = messages[: ends[-1] + 1] if ends else ()
    return until if any(message.role == "user" for message in until) else ()


def _head(tenant: str, agent: str, person: str, system: str, messages: Sequence[Message]) -> str:
    """How the conversation began, before the person said anything. Digits are left out: many system messages tell the time."""
    first = next((at for at, message in enumerate(messages) if message.role == "user"), len(messages))
    greeting = "\n".join(message.content for message in messages[:first])
    return _hash(tenant, agent, person, re.sub(r"\d+", "", system), greeting).hex()[:24]


def _state(head: str, messages: Sequence[Message]) -> bytes:
    """How far it has come. What the person said counts; the agent's words change when they are interrupted."""
    return _hash(head, *(" ".join(message.content.split()) for message in messages if message.role == "user"))


def _hash(*parts: str) -> bytes:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
