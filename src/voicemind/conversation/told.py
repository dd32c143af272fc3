"""A request's chat as what it is: a telling of the talk so far, of which some is words and some is silence. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from voicemind.conversation.wording import is_silence, sounded, spelled
from voicemind.llm.contract import Message
from voicemind.store.values import Call, Modality, NewTurn, Role


@dataclass(frozen=True, slots=True)
class Told:
    """What one side said, as the request tells it: words, calls or both."""

    side: Role
    text: str
    calls: tuple[Call, ...] = ()

    def turn(self, modality: Modality) -> NewTurn:
        """The same as a turn that is taken over."""
        return NewTurn(self.side, self.text, heard=self.text, modality=modality, calls=self.calls)


@dataclass
class Run:
    """What one side said without a word of the other. Calls without words stand among the `parts`, whoever's they are.

    No parts are added once its words were read.
    """

    side: Role
    parts: list[Told] = field(default_factory=list[Told])

    @cached_property
    def texts(self) -> list[str]:
        """The sayings, one by one."""
        return [part.text for part in self.parts if part.text]

    @cached_property
    def text(self) -> str:
        """All of it."""
        return " ".join(self.texts)

    @cached_property
    def spelled(self) -> str:
        """All of it, as the person's words are compared."""
        return spelled(self.text)

    @cached_property
    def sounded(self) -> str:
        """All of it, as the agent's words are compared."""
        return sounded(self.text)

    @cached_property
    def beginning(self) -> str:
        """The first saying, as the agent's are compared."""
        return sounded(self.texts[0])


@dataclass(frozen=True, slots=True)
class Request:
    """What a request tells and wants.

    `past` is what was said before, `ask` what the person says now (None: nothing). `chat` is the same for a model: without silence, without
    calls that nobody answered or answers that nobody called for. `tail` is what it ends with. `called` are the ids of all calls and answers,
    `opening` those that come before all words.
    """

    past: tuple[Run, ...]
    ask: Run | None
    chat: tuple[Message, ...]
    tail: Literal["person", "agent", "tool", "silence"]
    called: frozenset[str]
    opening: frozenset[str]

    @property
    def told(self) -> list[Told]:
        """Everything, one by one."""
        runs = (*self.past, self.ask) if self.ask else self.past
        return [part for run in runs for part in run.parts]


def read(messages: Sequence[Message], spoken: Callable[[str], str]) -> Request:
    """The request with these messages; `spoken` takes out of the agent's words what we put there to fill a pause."""
    words = [_words(message, spoken) for message in messages]
    runs: list[Run] = []
    last: Literal["person", "agent", "tool", "silence"] = "silence"
    called: set[str] = set()
    opening: set[str] = set()
    has_words = False
    """Whether any were said so far."""
    is_open = True
    """Whether the last run has calls alone."""
    for message, text in zip(messages, words, strict=True):
        if message.tool_calls or message.role == "tool":
            ids = {message.tool_call_id} if message.role == "tool" else {call.id for call in message.tool_calls}
            called |= ids
            opening = opening - ids if has_words else opening | ids
        if message.role == "tool":
            last = "tool"
            continue
        if is_silence(text) and not message.tool_calls:
            last = "silence" if message.role == "user" and last != "person" else last
            continue
        told = _told(message, text)
        last = "person" if told.side == "user" else "agent"
        if not runs or (text and told.side != runs[-1].side and not is_open):
            runs.append(Run(told.side))
            is_open = True
        runs[-1].parts.append(told)
        if text:
            runs[-1].side = told.side
            has_words, is_open = True, False
    ask = runs.pop() if runs and last == "person" else None
    chat = tuple(_chat(messages, words))
    return Request(tuple(runs), ask, chat, last, frozenset(called), frozenset(opening))


def fingerprint(messages: Sequence[Message]) -> int:
    """Equal for requests that tell the same, whatever their spaces and punctuation; of use in one process alone.

    >>> fingerprint([Message("user", "Hello there!")]) == fingerprint([Message("user", " hello  there")])
    True
    """
    return hash(
        tuple(
            (
                message.role,
                ""
                if is_silence(message.content)
                else (spelled if message.role == "user" else sounded)(message.content),
                tuple(call.id for call in message.tool_calls),
                message.tool_call_id,
            )
            for message in messages
        )
    )


def _words(message: Message, spoken: Callable[[str], str]) -> str:
    """What was said with a message, silence included."""
    return (spoken(message.content) if message.role == "assistant" else message.content).strip()


def _told(message: Message, text: str) -> Told:
    if message.role == "user":
        return Told("user", text)
    return Told("agent", text, tuple(Call(call.id, call.name, call.arguments) for call in message.tool_calls))


def _chat(messages: Sequence[Message], texts: Sequence[str]) -> Iterator[Message]:
    """What a model can take: whatever was said, and calls together with their answers."""
    answers = {message.tool_call_id: at for at, message in enumerate(messages) if message.role == "tool"}
    called: set[str] = set()
    held: Message | None = None
    for at, (message, text) in enumerate(zip(messages, texts, strict=True)):
        if message.role == "tool":
            if message.tool_call_id not in called:
                continue
            cleaned = message
        else:
            calls = tuple(call for call in message.tool_calls if answers.get(call.id, -1) > at)
            called.update(call.id for call in calls)
            words = "" if is_silence(text) else text
            if not words and not calls:
                continue
            cleaned = message
            if words != message.content or len(calls) != len(message.tool_calls):
                cleaned = Message(message.role, words, tool_calls=calls)
        if held and held.role == cleaned.role != "tool" and not held.tool_calls and not cleaned.tool_calls:
            held = replace(held, content=f"{held.content} {cleaned.content}")
            continue
        if held:
            yield held
        held = cleaned
    if held:
        yield held
