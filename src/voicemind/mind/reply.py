"""The one way from a conversation to a reply, for every channel and engine: compose the prompt, ask the model, stream its answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from voicemind.errors import ProviderRefused
from voicemind.llm.contract import Ask, Finished, Llm, Message, TextDelta
from voicemind.mind import prompt
from voicemind.mind.agent import Agent
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.mind.discretion import Discreet
from voicemind.mind.history import fitting
from voicemind.store.values import MindKey, MindVersion

CHARS_A_TOKEN = 3
"""Fewer than English text has on average, so that a history measured in characters surely fits."""

SAID_LATELY = 3
"""Messages that a search of the archive looks at: the newest alone is often "and then?"."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a reply depends on besides the mind.

    `history` is the conversation so far, oldest first; its last message is the person's. `unreflected` are things the person said in earlier
    conversations that have not become memory yet. `person` is who talks, where the mind is not theirs alone. `guidance` is what the platform that carries the conversation wants to add.
    `intent_notes` are the agent's own for this conversation: it acts on them and never says them.
    """

    agent: Agent
    key: MindKey
    channel: prompt.Channel
    history: Sequence[Message] = ()
    unreflected: Sequence[str] = ()
    person: str = ""
    guidance: str = ""
    intent_notes: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()


class Replies:
    """Answers for every agent, with one model and the minds as they are now."""

    def __init__(self, llm: Llm, minds: Minds, archives: Archives | None = None) -> None:
        self._llm = llm
        self._minds = minds
        self._archives = archives

    async def reply(self, situation: Situation) -> AsyncGenerator[TextDelta | Finished, None]:
        """The answer, piece by piece; exactly one Finished comes last. Iterate under `aclosing`. Raises ProviderError, StorageUnavailable."""
        agent = situation.agent
        if agent.model not in (None, self._llm.name):
            raise ProviderRefused(
                f"{agent.name} is to think with {agent.model}, and this server thinks with {self._llm.name}.",
                provider=self._llm.name,
            )
        ask = Ask(
            messages=await self._messages(situation),
            max_tokens=self._answer_tokens(situation),
            temperature=agent.temperature if situation.temperature is None else situation.temperature,
            stop=situation.stop,
        )
        async with aclosing(_discreet(self._llm.stream(ask), situation.intent_notes)) as pieces:
            async for piece in pieces:
                yield piece

    async def warm(self, situation: Situation) -> None:
        """Have the model read what every reply of this mind begins with."""
        await self._llm.warm((Message("system", await self.system(situation)),))

    async def system(self, situation: Situation) -> str:
        """The system message that every reply in this situation begins with. Raises StorageUnavailable."""
        return self._system(situation, await self._minds.newest(situation.key))

    async def _messages(self, situation: Situation) -> tuple[Message, ...]:
        version = await self._minds.newest(situation.key)
        system = self._system(situation, version)
        history = tuple(situation.history)
        if history and history[-1].role == "user":
            history = (*history[:-1], Message("user", await self._beside(situation, version)))
        room = (self._llm.context_tokens - self._answer_tokens(situation)) * CHARS_A_TOKEN - len(system)
        return (Message("system", system), *fitting(history, chars=max(room, 400)))

    async def _beside(self, situation: Situation, version: MindVersion | None) -> str:
        """The person's last words with what they call up."""
        newest = situation.history[-1].content
        if self._archives is None or version is None:
            return newest
        said = [message.content for message in situation.history[-SAID_LATELY:]]
        recalled = await self._archives.recall(version, said, person=situation.person, names=(situation.agent.name,))
        return prompt.beside(newest, recalled)

    def _system(self, situation: Situation, version: MindVersion | None) -> str:
        system = prompt.compose(
            situation.agent,
            version,
            channel=situation.channel,
            unreflected=situation.unreflected,
            person=situation.person,
            intent_notes=situation.intent_notes,
        )
        if situation.guidance:
            system += "\n\n# From the platform that carries this conversation\n" + situation.guidance
        return system

    def _answer_tokens(self, situation: Situation) -> int:
        """How long the answer may be: what is asked for, but never so much that the talk itself has no room."""
        return min(situation.max_tokens or situation.agent.max_tokens, self._llm.context_tokens // 4)


async def _discreet(
    answer: AsyncGenerator[TextDelta | Finished, None], notes: str
) -> AsyncGenerator[TextDelta | Finished, None]:
    """The answer without a recital of the notes, with which it ends."""
    guard = Discreet(notes) if notes else None
    async with aclosing(answer) as pieces:
        async for piece in pieces:
            if guard is None:
                yield piece
                continue
            text = guard.rest() if isinstance(piece, Finished) else guard.feed(piece.text)
            if text:
                yield TextDelta(text)
            if guard.cut or isinstance(piece, Finished):
                yield piece if isinstance(piece, Finished) else Finished()
                return
