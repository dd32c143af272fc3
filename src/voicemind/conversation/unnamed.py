"""Which conversation a request belongs to that does not say so: told by what was said in it before.

Two people may begin with the same words, and get the same answer. So a request goes on with a conversation only if it tells all of it, from
the person's first words on, with a reply that was given there; everything else is a conversation of its own. What it tells that was never
said there is another talk, however alike. A voice platform may send a request again or with a better understood ending while it is being
answered; nobody else's may change what is stored.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence

import uuid_utils

from voicemind.clock import monotonic_s
from voicemind.conversation.fillers import without_fillers
from voicemind.conversation.wording import is_silence, sounded, spelled
from voicemind.errors import UnknownConversation
from voicemind.llm.contract import Message
from voicemind.store.contract import Conversations
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
        known = self._known.get(_state(head, past), ()) if past else self._lately(head, system, messages)
        looked_at = [identity for identity, _ in known] if known or not past else await self._alike(tenant, agent, head)
        found = await self._going_on(tenant, looked_at, messages, may_repeat=may_repeat) if past or may_repeat else None
        identity = found or f"{PREFIX}{head}-{uuid_utils.uuid7()}"
        self._remember(_state(head, messages), identity)
        if not past:
            self._remember(_state(head + system, messages), identity)
        return identity

    async def _going_on(
        self, tenant: str, identities: Sequence[str], messages: Sequence[Message], *, may_repeat: bool
    ) -> str | None:
        """The conversation that fits best; one that has ended or was erased is none."""
        fits: dict[str, int] = {}
        for identity in identities:
            try:
                talk = await self._store.conversation(tenant, identity)
                turns = await self._store.turns(tenant, identity)
            except UnknownConversation:
                if not _answered(messages):  # named a moment ago, and not stored yet
                    fits[identity] = 1
                continue
            if talk.status in ("active", "detached"):
                fits[identity] = fit(turns, messages, may_repeat=may_repeat)
        best = max(fits, key=lambda identity: fits[identity], default=None)
        return best if best is not None and fits[best] else None

    async def _alike(self, tenant: str, agent: str, head: str) -> list[str]:
        """Open conversations that began alike: for what this process does not know."""
        listed = await self._store.conversations(
            tenant, agent=agent, status="active", id_prefix=f"{PREFIX}{head}-", limit=LOOKED_AT
        )
        return [talk.id for talk in listed]

    def _lately(self, head: str, system: str, messages: Sequence[Message]) -> list[tuple[str, float]]:
        """The same first request, word by word, of a moment ago."""
        since = monotonic_s() - AGAIN_S
        return [known for known in self._known.get(_state(head + system, messages), ()) if known[1] > since]

    def _remember(self, state: bytes, identity: str) -> None:
        others = [known for known in self._known.pop(state, ()) if known[0] != identity]
        self._known[state] = [(identity, monotonic_s()), *others][:LOOKED_AT]
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)


def fit(stored: Sequence[Turn], messages: Sequence[Message], *, may_repeat: bool) -> int:
    """How well the messages go on from these turns: 2 with new words or the same again, 1 with the last words understood better, 0 not at all.

    All that the person said is told, and nothing else, up to the last words; so is a reply that was given here, and no other. Only where it
    `may_repeat` do the same words come again, or better understood ones, and the latter only as long as they are not answered.
    """
    said = [spelled(turn.generated) for turn in stored if turn.role == "user"]
    asked = [
        spelled(message.content) for message in messages if message.role == "user" and not is_silence(message.content)
    ]
    told, given = _replies(messages), _given(stored)
    if not all(given.get(after, "").startswith(words) for after, words in told.items()):
        return 0
    if not said:  # it was opened a moment ago
        return int(may_repeat and len(asked) <= 1)
    if len(asked) > len(said):
        return 2 if told and asked[: len(said)] == said else 0
    if asked != said:
        is_better = may_repeat and len(asked) == len(said) and asked[:-1] == said[:-1]
        return int(is_better and not _is_answered(stored) and asked[-1].startswith(said[-1]))
    results = {message.tool_call_id for message in messages if message.role == "tool"}
    if results and results <= {call.id for turn in stored for call in turn.calls}:
        return 2
    return 2 if may_repeat and (told or not _is_answered(stored)) else 0


def _given(stored: Sequence[Turn]) -> dict[int, str]:
    """The agent's words by how often the person had spoken before."""
    given: dict[int, str] = {}
    count = 0
    for turn in stored:
        count += turn.role == "user"
        if turn.role == "agent":
            given[count] = given.get(count, "") + sounded(turn.generated)
    return given


def _replies(messages: Sequence[Message]) -> dict[int, str]:
    """The replies that are told, in the same way; without what the platform said before the person did."""
    told: dict[int, str] = {}
    count = 0
    for message in messages:
        count += message.role == "user" and not is_silence(message.content)
        words = without_fillers(message.content) if message.role == "assistant" else ""
        if count and words and not is_silence(words):
            told[count] = told.get(count, "") + sounded(words)
    return told


def _is_answered(stored: Sequence[Turn]) -> bool:
    return stored[-1].role == "agent" and not _is_partial(stored[-1])


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
