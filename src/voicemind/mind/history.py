"""The talk so far as chat messages, and which of them a model still has room for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from voicemind.llm.contract import Message
from voicemind.store.values import Turn

UNSAID_CHARS = 300
"""How much of what an agent had still wanted to say it is told."""
_LOOSE = " ,;:-–—"


def messages_of(
    turns: Sequence[Turn], *, supposing: str = "", silence_s: float = 0.0, resays_cut: bool = False
) -> tuple[Message, ...]:
    """Turns as messages. Of the agent's turns, what was heard counts; turns of the same side in a row become one message.

    A turn of the agent's that was cut ends in a dash, and what the person says next begins with a note on it. The note is the person's, because a model
    takes up what it finds at the end of its own words. With `resays_cut` the note on the newest of the agent's turns tells what it had still wanted to say.

    `supposing` is what the person has probably just said, and is not stored yet; after `silence_s` without a word of theirs the agent is told so, to speak up.

    Calls are left out: their results are nowhere but in the request that brings them, and a call without a result is none.
    """
    said: list[tuple[str, str]] = []
    note = ""
    newest = next((turn.seq for turn in reversed(turns) if turn.role == "agent"), None)
    for turn in turns:
        text = turn.reached.strip()
        if turn.role == "user":
            text, note = f"{note}{text}" if text else "", note if not text else ""
        elif text:
            note = ""
            if _was_cut(turn):
                note = f"[interrupting you{_unsaid(turn) if resays_cut and turn.seq == newest else ''}] "
                text = f"{text.rstrip(_LOOSE)}—"
        said.append((turn.role, text))
    if supposing:
        said.append(("user", f"{note}{supposing}"))
        note = ""
    if silence_s:
        said.append(("user", f"{note}[The user has been silent for {silence_s:.0f} seconds.]"))
    return _merged(said)


def _merged(said: Sequence[tuple[str, str]]) -> tuple[Message, ...]:
    messages: list[Message] = []
    for side, text in said:
        role: Literal["user", "assistant"] = "user" if side == "user" else "assistant"
        if not text.strip():
            continue
        if messages and messages[-1].role == role:
            messages[-1] = Message(role, f"{messages[-1].content} {text.strip()}")
        else:
            messages.append(Message(role, text.strip()))
    return tuple(messages)


def _was_cut(turn: Turn) -> bool:
    return turn.interrupted and turn.reached.strip() != turn.generated.strip()


def _unsaid(turn: Turn) -> str:
    """What the agent had still wanted to say, shortened."""
    heard, generated = turn.reached.strip(), turn.generated.strip()
    rest = " ".join(generated[len(heard) :].split()) if generated.startswith(heard) else ""
    if len(rest) > UNSAID_CHARS:
        rest = rest[:UNSAID_CHARS].rpartition(" ")[0] + "…"
    return f' before you could say "{rest}": say it now if it still matters' if rest else ""


def fitting(messages: Sequence[Message], *, chars: int) -> tuple[Message, ...]:
    """The newest messages, of at most `chars` characters together, oldest first; the newest one is always there.

    Where some had to go, a note in front says how many. The oldest go in strides of half the room, so that the beginning of the prompt stays
    the same for many turns. The person's last words stay with whatever came after them: a tool's result without its call means nothing.
    """
    first = _first_kept([_size(message) for message in messages], chars)
    asked = last_of_the_person(messages)
    first = first if asked is None else min(first, asked)
    while first < len(messages) - 1 and messages[first].role == "tool":
        first += 1
    kept = tuple(messages[first:])
    if not first:
        return kept
    note = f"[earlier messages left out: {first}]"
    if kept[0].role == "user":
        return (Message("user", f"{note}\n{kept[0].content}"), *kept[1:])
    return (Message("user", note), *kept)


def last_of_the_person(messages: Sequence[Message]) -> int | None:
    """The index of the person's last message; None where there is none."""
    return next((at for at in range(len(messages) - 1, -1, -1) if messages[at].role == "user"), None)


def _size(message: Message) -> int:
    return len(message.content) + sum(len(call.name) + len(call.arguments) for call in message.tool_calls)


def _first_kept(sizes: Sequence[int], room: int) -> int:
    """The index of the first message to keep: enough strides are cut off the beginning that the rest fits."""
    excess = sum(sizes) - room
    if excess <= 0:
        return 0
    stride = max(room // 2, 1)
    cut = -(-excess // stride) * stride
    passed = 0
    for at, size in enumerate(sizes):
        if passed >= cut:
            return at
        passed += size
    return len(sizes) - 1
