"""The one way from a conversation to a reply, for every channel and engine: compose the prompt, ask the model, stream its answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from voicemind.errors import ProviderRefused
from voicemind.llm.contract import Ask, Finished, Llm, Message, TextDelta
from voicemind.mind import prompt
from voicemind.mind.agent import Agent
from voicemind.mind.context import Minds
from voicemind.mind.history import fitting
from voicemind.store.values import MindKey

CHARS_A_TOKEN = 3
"""Fewer than English text has on average, so that a history measured in characters surely fits."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a reply depends on besides the mind.

    `history` is the conversation so far, oldest first; its last message is the person's. `unreflected` are things the person said in earlier
    conversations that have not become memory yet. `person` is who talks, where the mind is not theirs alone. `guidance` is what the platform that carries the conversation wants to add.
    """

    agent: Agent
    key: MindKey
    channel: prompt.Channel
    history: Sequence[Message] = ()
    unreflected: Sequence[str] = ()
    person: str = ""
    guidance: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()


class Replies:
    """Answers for every agent, with one model and the minds as they are now."""

    def __init__(self, llm: Llm, minds: Minds) -> None:
        self._llm = llm
        self._minds = minds

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
        async with aclosing(self._llm.stream(ask)) as pieces:
            async for piece in pieces:
                yield piece

    async def warm(self, situation: Situation) -> None:
        """Have the model read what every reply of this mind begins with."""
        await self._llm.warm((await self._messages(situation))[:1])

    async def _messages(self, situation: Situation) -> tuple[Message, ...]:
        version = await self._minds.newest(situation.key)
        system = prompt.compose(
            situation.agent,
            version,
            channel=situation.channel,
            unreflected=situation.unreflected,
            person=situation.person,
        )
        if situation.guidance:
            system += "\n\n# From the platform that carries this conversation\n" + situation.guidance
        room = (self._llm.context_tokens - self._answer_tokens(situation)) * CHARS_A_TOKEN - len(system)
        return (Message("system", system), *fitting(situation.history, chars=max(room, 400)))

    def _answer_tokens(self, situation: Situation) -> int:
        """How long the answer may be: what is asked for, but never so much that the talk itself has no room."""
        return min(situation.max_tokens or situation.agent.max_tokens, self._llm.context_tokens // 4)
