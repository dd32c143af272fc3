"""A request's chat as what it is: a telling of the talk so far, of which some is words and some is silence. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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


@dataclass(slots=True)
class Run:
    """What one side said without a word of the other. Calls without words stand among the `parts`, whoever's they are."""

    side: Role
    parts: list[Told] = field(default_factory=list[Told])

    @property
    def texts(self) -> list[str]:
        """The sayings, one by one."""
        return [part.text for part in self.parts if part.text]

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(self.texts)


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
    runs: list[Run] = []
    last: Literal["person", "agent", "tool", "silence"] = "silence"
    called: set[str] = set()
    opening: set[str] = set()
    for message in messages:
        if message.tool_calls or message.role == "tool":
            ids = {message.tool_call_id} if message.role == "tool" else {call.id for call in message.tool_calls}
            called |= ids
            opening = opening - ids if any(run.text for run in runs) else opening | ids
        if message.role == "tool":
            last = "tool"
            continue
        told = _told(message, spoken)
        if told is None:
            last = "silence" if message.role == "user" and last != "person" else last
            continue
        last = "person" if told.side == "user" else "agent"
        if not runs or (told.text and told.side != runs[-1].side and runs[-1].text):
            runs.append(Run(told.side))
        runs[-1].parts.append(told)
        if told.text:
            runs[-1].side = told.side
    ask = runs.pop() if runs and last == "person" else None
    chat = tuple(_chat(messages, spoken))
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


def _told(message: Message, spoken: Callable[[str], str]) -> Told | None:
    if message.role == "user":
        return None if is_silence(message.content) else Told("user", message.content.strip())
    text = spoken(message.content).strip()
    calls = tuple(Call(call.id, call.name, call.arguments) for call in message.tool_calls)
    return Told("agent", text, calls) if calls or not is_silence(text) else None


def _chat(messages: Sequence[Message], spoken: Callable[[str], str]) -> Iterator[Message]:
    """What a model can take: whatever was said, and calls together with their answers."""
    answers = {message.tool_call_id: at for at, message in enumerate(messages) if message.role == "tool"}
    called: set[str] = set()
    held: Message | None = None
    for at, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in called:
                continue
            cleaned = message
        else:
            text = message.content if message.role == "user" else spoken(message.content)
            calls = tuple(call for call in message.tool_calls if answers.get(call.id, -1) > at)
            called.update(call.id for call in calls)
            words = "" if is_silence(text) else text.strip()
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
