"""The one way from a conversation to a reply, for every channel and engine: compose the prompt, ask the model, stream its answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from voicemind.errors import ProviderRefused
from voicemind.llm.contract import Ask, Finished, Llm, Message, Piece, TextDelta, Tool, ToolCall, ToolChoice
from voicemind.mind import prompt
from voicemind.mind.agent import Agent
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.mind.discretion import Discreet
from voicemind.mind.history import fitting, last_of_the_person
from voicemind.store.values import MindKey, MindVersion

CHARS_A_TOKEN = 3
"""Fewer than English text has on average, so that a history measured in characters surely fits."""

SAID_LATELY = 3
"""Messages that a search of the archive looks at: the newest alone is often "and then?"."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller wants of the answer; None and () leave it to the agent. The fields are those of `Ask`.

    `intent` is a tag that says what the turn is about: an agent's routing may go by it.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    must_call: str = ""
    intent: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a reply depends on besides the mind.

    `history` is the conversation so far, oldest first; its last message is the person's, or the result of a tool. `unreflected` are things the person said in earlier
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
    wishes: Wishes = Wishes()


class Replies:
    """Answers for every agent, with one model and the minds as they are now."""

    def __init__(self, llm: Llm, minds: Minds, archives: Archives | None = None) -> None:
        self._llm = llm
        self._minds = minds
        self._archives = archives

    async def reply(self, situation: Situation) -> AsyncGenerator[Piece, None]:
        """The answer, piece by piece; exactly one Finished comes last. Iterate under `aclosing`. Raises ProviderError, StorageUnavailable."""
        agent = situation.agent
        if agent.model not in (None, self._llm.name):
            raise ProviderRefused(
                f"{agent.name} is to think with {agent.model}, and this server thinks with {self._llm.name}.",
                provider=self._llm.name,
            )
        wishes = situation.wishes
        ask = Ask(
            messages=await self._messages(situation),
            max_tokens=self._answer_tokens(situation),
            temperature=agent.temperature if wishes.temperature is None else wishes.temperature,
            stop=wishes.stop,
            json_schema=wishes.json_schema,
            tools=wishes.tools,
            tool_choice=wishes.tool_choice,
            must_call=wishes.must_call,
            top_p=wishes.top_p,
            seed=wishes.seed,
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
        at = last_of_the_person(history)
        if at is not None:
            asked = Message("user", await self._beside(situation, version, history[: at + 1]))
            history = (*history[:at], asked, *history[at + 1 :])
        room = (self._llm.context_tokens - self._answer_tokens(situation)) * CHARS_A_TOKEN - len(system)
        return (Message("system", system), *fitting(history, chars=max(room, 400)))

    async def _beside(self, situation: Situation, version: MindVersion | None, talk: Sequence[Message]) -> str:
        """The person's last words, with which `talk` ends, and what they call up."""
        newest = talk[-1].content
        if self._archives is None or version is None:
            return newest
        said = [message.content for message in talk if message.content and message.role != "tool"][-SAID_LATELY:]
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
        return min(situation.wishes.max_tokens or situation.agent.max_tokens, self._llm.context_tokens // 4)


async def _discreet(answer: AsyncGenerator[Piece, None], notes: str) -> AsyncGenerator[Piece, None]:
    """The answer without a recital of the notes, with which it ends."""
    guard = Discreet(notes) if notes else None
    async with aclosing(answer) as pieces:
        async for piece in pieces:
            if guard is None or isinstance(piece, ToolCall):
                yield piece
                continue
            text = guard.rest() if isinstance(piece, Finished) else guard.feed(piece.text)
            if text:
                yield TextDelta(text)
            if guard.cut or isinstance(piece, Finished):
                yield piece if isinstance(piece, Finished) else Finished()
                return
