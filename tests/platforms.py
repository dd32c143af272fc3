"""A voice platform in miniature, with what was really said and heard, and the exchange it talks to, without a model or a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from voicemind.conversation.told import fingerprint
from voicemind.conversation.transcript import Reconciled, reconcile
from voicemind.conversation.wording import sounded, spelled
from voicemind.llm.contract import Message, ToolCall
from voicemind.store.turn_edits import applied, placed
from voicemind.store.values import Call, NewTurn, Turn

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Exchange:
    """Our side: does what `reconcile` says with turns in memory. Nothing is generated but what a test says."""

    def __init__(self) -> None:
        self.turns: tuple[Turn, ...] = ()
        self.pending: Sequence[Message] | None = None
        self._superseded: set[int] = set()
        self._generated_for: Sequence[Message] | None = None

    def request(self, messages: Sequence[Message]) -> Reconciled:
        """A request comes in."""
        done = reconcile(self.turns, messages, pending=self.pending, superseded=self._superseded)
        if done.does == "generate":
            self.turns = applied(self.turns, done.edits, now=NOON)
            if done.kind == "revised" and self._generated_for is not None:
                self._superseded.add(fingerprint(self._generated_for))
            self.pending = messages
            if done.kind != "retry":
                self._generated_for = messages
        else:
            assert done.edits == ()
        assert bool(done.replay) == (done.does == "replay")
        assert bool(done.history) == (done.does == "generate")
        assert [turn.seq for turn in self.turns] == list(range(1, len(self.turns) + 1))
        return done

    def finish(self, text: str, calls: tuple[Call, ...] = ()) -> None:
        """The answer is complete."""
        self._append(NewTurn("agent", text, heard=text, calls=calls))

    def break_off(self, text: str) -> None:
        """The client went away in the middle of the answer."""
        if text.strip():
            self._append(NewTurn("agent", text, interrupted=True))
        self.pending = None

    def _append(self, turn: NewTurn) -> None:
        assert self.pending is not None
        self.turns = (*self.turns, placed(turn, seq=len(self.turns) + 1, now=NOON))
        self.pending = None


@dataclass(frozen=True, slots=True)
class Manner:
    """How a platform tells a talk. `newest`: only so many messages (None: all)."""

    newest: int | None = None
    is_merging: bool = False
    keeps_silence: bool = False
    marks_cuts: bool = False
    is_sloppy: bool = False


@dataclass(slots=True)
class Platform:
    """The platform: what was really said and heard, and how it tells that."""

    manner: Manner
    talk: list[Message] = field(default_factory=list[Message])
    asking: list[str] = field(default_factory=list[str])
    log: list[list[Message]] = field(default_factory=list[list[Message]])
    can_correct: bool = False

    def told(self, *, is_silent: bool = False) -> list[Message]:
        """The request for what stands now."""
        self.can_correct = False
        messages = [*self.talk, *(Message("user", text) for text in self.asking)]
        if is_silent:
            messages.append(Message("user", "..."))
        if not self.manner.keeps_silence:
            messages = [*(message for message in messages[:-1] if message.content != "..."), *messages[-1:]]
        if self.manner.is_merging:
            messages = _merged(messages)
        if self.manner.newest is not None:
            messages = messages[-self.manner.newest :]
        return [_sloppily(message) for message in messages] if self.manner.is_sloppy else messages

    def heard(self, text: str, calls: tuple[ToolCall, ...] = (), *, is_cut: bool = False) -> None:
        """The person has heard this; from now on the history shows it."""
        self.talk += [Message("user", said) for said in self.asking]
        self.asking = []
        mark = "..." if is_cut and self.manner.marks_cuts else ""
        self.talk.append(Message("assistant", text + mark if text else "", tool_calls=calls))
        self.can_correct = bool(text)

    def correct(self, heard: str) -> None:
        """More or less was heard of the last answer than was told before."""
        self.talk[-1] = replace(self.talk[-1], content=heard)

    def expected(self) -> list[tuple[str, str]]:
        """The talk as it really was, side by side."""
        said = [
            ("user" if message.role == "user" else "agent", message.content)
            for message in self.talk
            if message.role != "tool"
        ]
        return flattened([*said, *(("user", text) for text in self.asking)])


def flattened(said: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """What each side said in a row, as letters."""
    rows: list[tuple[str, str]] = []
    for side, text in said:
        letters = "" if text in ("", "...") else (spelled if side == "user" else sounded)(text)
        if not letters:
            continue
        if rows and rows[-1][0] == side:
            rows[-1] = (side, rows[-1][1] + letters)
        else:
            rows.append((side, letters))
    return rows


def stored(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """The same of stored turns, with what was heard of them; of what is not known to be heard, nothing."""
    return flattened([(turn.role, turn.heard or "") for turn in turns])


def _merged(messages: Sequence[Message]) -> list[Message]:
    merged: list[Message] = []
    for message in messages:
        last = merged[-1] if merged else None
        plain = last and not last.tool_calls and not message.tool_calls
        if last and plain and last.role == message.role and "..." not in (last.content, message.content):
            merged[-1] = replace(last, content=f"{last.content} {message.content}")
        else:
            merged.append(message)
    return merged


def _sloppily(message: Message) -> Message:
    if message.role == "tool" or message.content == "...":
        return message
    return replace(message, content=f"  {message.content.replace(' ', '  ').replace(',', '')}\n")
