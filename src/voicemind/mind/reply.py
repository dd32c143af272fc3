"""The one way from a conversation to a reply, for every channel and engine: compose the prompt, ask the model, stream its answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from voicemind.errors import ProviderError, ProviderRefused
from voicemind.llm.contract import Ask, Finished, Llm, Message, Piece, TextDelta, Tool, ToolCall, ToolChoice
from voicemind.mind import prompt
from voicemind.mind.agent import Agent
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.mind.discretion import Discreet
from voicemind.mind.history import fitting, last_of_the_person
from voicemind.mind.routing import Facts, Rule, Tier, route
from voicemind.ops import metrics
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
    `made` is the mind where it was made just now, so that nobody has to read it.
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
    made: MindVersion | None = None


class Lineup(Protocol):
    """The models of a server, by what an agent wants."""

    def pick(self, agent: Agent, tier: Tier) -> Llm:
        """The model that answers for this agent. Raises ProviderRefused where the server has none of that name."""
        ...


@dataclass(frozen=True, slots=True)
class OneModel:
    """A server that thinks with one model alone."""

    llm: Llm

    def pick(self, agent: Agent, tier: Tier) -> Llm:
        """See the protocol; the tier makes no difference here."""
        if agent.model not in (None, self.llm.name):
            raise ProviderRefused(
                f"{agent.name} is to think with {agent.model}, and this server thinks with {self.llm.name}.",
                provider=self.llm.name,
            )
        return self.llm


class Replies:
    """Answers for every agent, with the models of this server and the minds as they are now."""

    def __init__(
        self, llm: Llm, minds: Minds, archives: Archives | None = None, *, lineup: Lineup | None = None
    ) -> None:
        """`llm` answers everything, unless there is a `lineup` to pick from."""
        self._lineup: Lineup = lineup or OneModel(llm)
        self._minds = minds
        self._archives = archives

    async def reply(self, situation: Situation) -> AsyncGenerator[Piece, None]:
        """The answer, piece by piece; exactly one Finished comes last. Iterate under `aclosing`. Raises ProviderError, StorageUnavailable."""
        agent = situation.agent
        llm = self._lineup.pick(agent, _tier(situation))
        wishes = situation.wishes
        ask = Ask(
            messages=await self._messages(situation, llm),
            max_tokens=_answer_tokens(situation, llm),
            temperature=agent.temperature if wishes.temperature is None else wishes.temperature,
            stop=wishes.stop,
            json_schema=wishes.json_schema,
            tools=wishes.tools,
            tool_choice=wishes.tool_choice,
            must_call=wishes.must_call,
            top_p=wishes.top_p,
            seed=wishes.seed,
        )
        answer = llm.stream(ask)
        if situation.intent_notes:
            answer = _discreet(answer, Discreet(situation.intent_notes))
        try:
            async with aclosing(answer) as pieces:
                async for piece in pieces:
                    yield piece
        except ProviderError as error:
            metrics.failed(error)
            raise

    async def warm(self, situation: Situation) -> None:
        """Have the model that answers first read what every reply of this mind begins with."""
        await self._lineup.pick(situation.agent, "fast").warm((Message("system", await self.system(situation)),))

    async def system(self, situation: Situation) -> str:
        """The system message that every reply in this situation begins with. Raises StorageUnavailable."""
        return self._system(situation, await self._minds.newest(situation.key))

    async def _messages(self, situation: Situation, llm: Llm) -> tuple[Message, ...]:
        version = situation.made or await self._minds.newest(situation.key)
        system = self._system(situation, version)
        history = tuple(situation.history)
        at = last_of_the_person(history)
        if at is not None:
            asked = Message("user", await self._beside(situation, version, history[: at + 1]))
            history = (*history[:at], asked, *history[at + 1 :])
        room = (llm.context_tokens - _answer_tokens(situation, llm)) * CHARS_A_TOKEN - len(system)
        return (Message("system", system), *fitting(history, chars=max(room, 400)))

    async def _beside(self, situation: Situation, version: MindVersion | None, talk: Sequence[Message]) -> str:
        """The person's last words, with which `talk` ends, and what they call up; a mind that was made just now has nothing archived."""
        newest = talk[-1].content
        if self._archives is None or version is None or situation.made is not None:
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


def _answer_tokens(situation: Situation, llm: Llm) -> int:
    """How long the answer may be: what is asked for, but never so much that the talk itself has no room."""
    return min(situation.wishes.max_tokens or situation.agent.max_tokens, llm.context_tokens // 4)


def _tier(situation: Situation) -> Tier:
    """Which of the agent's models the turn is for."""
    at, wishes = last_of_the_person(situation.history), situation.wishes
    said = "" if at is None else situation.history[at].content
    may_call = bool(wishes.tools) and (wishes.tool_choice != "none" or bool(wishes.must_call))
    models = situation.agent.models
    return route(models.strong_when if models else Rule(), Facts(said, may_call, wishes.intent))


async def _discreet(answer: AsyncGenerator[Piece, None], guard: Discreet) -> AsyncGenerator[Piece, None]:
    """The answer without a recital of the notes, with which it ends."""
    async with aclosing(answer) as pieces:
        async for piece in pieces:
            if isinstance(piece, ToolCall):
                yield piece
                continue
            text = guard.rest() if isinstance(piece, Finished) else guard.feed(piece.text)
            if text:
                yield TextDelta(text, is_refusal=isinstance(piece, TextDelta) and piece.is_refusal)
            if guard.cut or isinstance(piece, Finished):
                yield piece if isinstance(piece, Finished) else Finished()
                return
