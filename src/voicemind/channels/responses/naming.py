"""Ids of responses. They say which conversation a response is part of and where in it, so that nothing has to be kept to go on from one, and are marked, so that nobody can
make one up for a conversation of others. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import uuid_utils

from voicemind.channels.chat_completions.wire import AskedCall, ChatMessage, FunctionCall
from voicemind.llm.contract import Message
from voicemind.store.values import Turn

_ID = re.compile(r"resp_([0-9]{1,6})_([0-9]{1,6})_([0-9a-f]{32})([0-9a-f]{32})_([A-Za-z0-9_-]{1,1200})")


@dataclass(frozen=True, slots=True)
class Place:
    """A response is the `replies`-th thing that the agent said after the `said`-th of the person's, counted from 1."""

    conversation_id: str
    said: int
    replies: int


def response_id(place: Place | None, *, mark: Callable[[str], str]) -> str:
    """A new id, which bears its `mark`; without a place one from which nothing can go on."""
    unique = uuid_utils.uuid7().hex
    if place is None:
        return f"resp_{unique}"
    conversation = base64.urlsafe_b64encode(place.conversation_id.encode()).decode().rstrip("=")
    marked = mark(_marked(place, unique))
    return f"resp_{place.said}_{place.replies}_{unique}{marked}_{conversation}"


def place_of(identity: str, *, is_ours: Callable[[str, str], bool]) -> Place | None:
    """What an id says; None for one that was not made here, or not to be gone on from. `is_ours` judges a text and its mark."""
    match = _ID.fullmatch(identity)
    if match is None:
        return None
    said, replies, unique, marked, coded = match.groups()
    try:
        conversation = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    place = Place(conversation, int(said), int(replies))
    return place if conversation and is_ours(_marked(place, unique), marked) else None


def _marked(place: Place, unique: str) -> str:
    return f"response {place.said} {place.replies} {unique} {place.conversation_id}"


def place_after(conversation_id: str, history: Sequence[Message]) -> Place:
    """Where the answer to this talk will be."""
    said = [at for at, message in enumerate(history) if message.role == "user"]
    after = history[said[-1] + 1 :] if said else history
    return Place(conversation_id, len(said), 1 + sum(message.role == "assistant" for message in after))


def until(turns: Sequence[Turn], place: Place) -> list[Turn]:
    """The turns up to that response and with it."""
    kept: list[Turn] = []
    said = replies = 0
    for turn in turns:
        if turn.role == "user":
            said, replies = said + 1, 0
        else:
            replies += 1
        if said > place.said or (said == place.said and replies > place.replies):
            break
        kept.append(turn)
    return kept


def as_messages(turns: Sequence[Turn]) -> list[ChatMessage]:
    """Turns as a client would send them; of the agent's, what was heard."""
    return [
        ChatMessage(
            "user" if turn.role == "user" else "assistant",
            turn.generated if turn.role == "user" or turn.heard is None else turn.heard,
            tool_calls=[AskedCall(call.id, FunctionCall(call.name, call.arguments)) for call in turn.calls] or None,
        )
        for turn in turns
    ]
