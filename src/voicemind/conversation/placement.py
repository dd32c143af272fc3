"""What a request means for the stored transcript, until the exchange reconciles. Pure.

Platforms send the whole history with every request, and send it again after a time-out or a lost connection. A request whose last user
message is the last stored one, at the same place, is that request again and not a new turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from voicemind.llm.contract import Message
from voicemind.mind.history import messages_of
from voicemind.store.values import Turn


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a request belongs.

    `new`: `text` is a turn to store. `unanswered`: the turn is stored, its reply is not. `replay`: `text` is the stored reply.
    `history` is what the model is to see.
    """

    kind: Literal["new", "unanswered", "replay"]
    text: str
    history: tuple[Message, ...]


def place(stored: Sequence[Turn], messages: Sequence[Message]) -> Placement:
    """Compare the chat of a request (user and assistant messages; the last user message is what is asked) with the transcript."""
    asked = [message.content for message in messages if message.role == "user"]
    said = [turn for turn in stored if turn.role == "user"]
    history = (
        tuple(messages)
        if len(messages) > len(stored) or not stored
        else (*messages_of(stored), Message("user", asked[-1]))
    )
    is_again = bool(said) and said[-1].generated == asked[-1] and (len(asked) == len(said) or len(messages) == 1)
    if not is_again:
        return Placement("new", asked[-1], history)
    if stored[-1].role == "agent" and not stored[-1].interrupted:
        return Placement("replay", stored[-1].generated, ())
    until = [turn for turn in stored if turn.seq <= said[-1].seq]
    return Placement("unanswered", asked[-1], tuple(messages) if len(messages) >= len(until) else messages_of(until))
