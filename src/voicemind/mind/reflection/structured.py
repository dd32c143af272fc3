"""Reflection for strong models: they propose operations as JSON, and nothing of it counts that the conversation does not bear out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from anyio import to_thread

from voicemind.errors import ProviderError, ProviderUnavailable
from voicemind.llm.contract import Ask, Finished, Llm, TextDelta, ToolCall
from voicemind.mind.agent import Agent
from voicemind.mind.plain import one_line
from voicemind.mind.reflection.answer import Answer, read, told
from voicemind.mind.reflection.asking import Material, material, question, shown
from voicemind.mind.reflection.contract import Operation, Proposal
from voicemind.store.values import ArchivedEntry, MindVersion, Turn

REPAIRS = 2
LONGEST_ANSWER = 200_000
"""Characters after which an answer is no longer read."""

LONGEST_SHOWN = 8_000
"""Characters of an unsound answer that the model is shown again."""

_MOST_TOKENS = 8_000
_CHARS_A_TOKEN = 2
"""Of escaped text: few, so that a transcript surely fits."""


class StructuredReflector:
    """A Reflector that asks for schema-bound JSON and, where it is unsound, at most twice for a better one.

    It neither starts nor closes `llm`. A conversation that does not fit into one question is asked about in stretches.
    """

    name = "structured"

    def __init__(self, llm: Llm) -> None:
        self._llm = llm

    async def reflect(
        self,
        agent: Agent,
        version: MindVersion,
        turns: Sequence[Turn],
        *,
        conversation_id: str,
        person: str = "",
        archived: Sequence[ArchivedEntry] = (),
    ) -> Proposal:
        """See the contract. Raises ProviderUnavailable too where no answer could be read, ProviderRefused where the model will not answer."""
        about = material(agent, version, turns, archived, subject=_subject(agent, person))
        max_tokens = min(_MOST_TOKENS, self._llm.context_tokens // 4)
        operations: list[Operation] = []
        problems: list[str] = []
        for stretch in _stretches(about, (self._llm.context_tokens - 2 * max_tokens) * _CHARS_A_TOKEN):
            answer = await self._answered(
                replace(about, turns=stretch), max_tokens, conversation_id=conversation_id, person=person
            )
            operations += answer.operations
            problems += answer.problems
        return Proposal(tuple(operations), told(problems))

    async def _answered(self, about: Material, max_tokens: int, *, conversation_id: str, person: str) -> Answer:
        """The best answer: the first without problems, else the one with most that is sound."""
        best: Answer | None = None
        ask = question(about, max_tokens=max_tokens)
        for _ in range(1 + REPAIRS):
            try:
                text, is_cut = await self._text(ask)
            except ProviderError:
                if best is not None and best.operations:
                    return best
                raise
            answer = await to_thread.run_sync(
                partial(read, text, about, conversation_id=conversation_id, person=person)
            )
            if is_cut:
                answer = replace(answer, problems=(*answer.problems, "The answer was too long, and is cut off."))
            if best is None or (answer.readable, len(answer.operations)) >= (best.readable, len(best.operations)):
                best = answer
            if not answer.problems:
                return answer
            ask = question(about, max_tokens=max_tokens, previous=text[:LONGEST_SHOWN], problems=answer.problems)
        if best is None or not best.readable:
            raise ProviderUnavailable("The model gave no answer that could be read.", provider=self._llm.name)
        return best

    async def _text(self, ask: Ask) -> tuple[str, bool]:
        """The model's answer, and whether it is cut."""
        pieces: list[str] = []
        size = 0
        async with aclosing(self._llm.stream(ask)) as stream:
            async for piece in stream:
                match piece:
                    case TextDelta(text):
                        pieces.append(text[: LONGEST_ANSWER - size])
                        size += len(text)
                        if size >= LONGEST_ANSWER:
                            return "".join(pieces), True
                    case Finished(reason):
                        return "".join(pieces), reason == "length"
                    case ToolCall():  # it was offered no tool
                        pass
        return "".join(pieces), False


def _subject(agent: Agent, person: str) -> str:
    """Whom the entries are about: in a mind that one person has alone it is "The user"; elsewhere statements need a name."""
    if agent.is_private:
        return "The user"
    name = one_line(person, limit=60).rstrip(".")
    return f"Guest {name}" if name else "A guest"


def _stretches(about: Material, chars: int) -> Iterator[tuple[Turn, ...]]:
    """The turns in as few stretches as fit; none where nobody said anything. Each begins with the turn before it, for the context."""
    held = sum(len(entry.text) + 40 for entry in about.entries.values())
    room = max(chars - held, 2_000)
    stretch: list[Turn] = []
    size = 0
    for turn in about.turns:
        cost = len(ascii(shown(turn))) + 50
        if len(stretch) > 1 and size + cost > room:
            yield tuple(stretch)
            stretch, size = stretch[-1:], len(ascii(shown(stretch[-1]))) + 50
        stretch.append(turn)
        size += cost
    if stretch:
        yield tuple(stretch)
