"""What the person said and nobody has answered yet: a typed message counts once, however often it is sent, and nothing is lost with an engine. Pure."""

from __future__ import annotations

from dataclasses import dataclass

IDS_KEPT = 256
"""Typed messages whose ids are remembered: more than a client can have sent without an answer."""


@dataclass(slots=True)
class Open:
    """Something that is not yet answered; `is_turn` once it is stored. What was spoken is a turn from the beginning, and has no id."""

    message_id: str
    text: str
    is_turn: bool = False
    is_spoken: bool = False
    is_again: bool = False
    """Whether another engine was given it after it was stored."""


class Unanswered:
    """Of one session."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}
        self._open: list[Open] = []

    def __bool__(self) -> bool:
        """Whether something was typed that nobody has answered or given up yet. Of what is spoken, the engine knows whether it still will be."""
        return any(not one.is_spoken for one in self._open)

    @property
    def has_ids(self) -> bool:
        """Whether there is a message that could be told from others if it came again."""
        return bool(self._ids)

    def is_new(self, message_id: str, text: str) -> bool:
        """One more message; False for one that had arrived before."""
        if message_id in self._ids:
            return False
        if message_id:
            self._ids[message_id] = None
            while len(self._ids) > IDS_KEPT:
                del self._ids[next(iter(self._ids))]
        self._open.append(Open(message_id, text))
        return True

    def is_turn(self, message_id: str) -> bool:
        """Whether the oldest message of this id that an engine comes back with is a turn already; this is asked once for each."""
        for one in self._open:
            if one.message_id == message_id and (one.is_again or not one.is_turn):
                one.is_again = False
                return one.is_turn
        return False

    def spoken(self, text: str) -> None:
        """This was heard of the person, and is a turn."""
        self._open.append(Open("", text, is_turn=True, is_spoken=True))

    def stored(self, message_id: str) -> None:
        """The oldest message of this id is a turn now."""
        for one in self._open:
            if one.message_id == message_id and not one.is_turn:
                one.is_turn = True
                return

    def answered(self) -> None:
        """What is a turn was answered, or nobody will."""
        self._open = [one for one in self._open if not one.is_turn or one.is_again]

    def again(self) -> tuple[tuple[str, str], ...]:
        """Ids and texts of what is not answered yet, in order, for an engine that takes over. Of turns it needs the last alone: one answer is to all of them."""
        turns = [one for one in self._open if one.is_turn]
        self._open = [*turns[-1:], *(one for one in self._open if not one.is_turn)]
        for one in self._open:
            one.is_again = one.is_turn
        return tuple((one.message_id, one.text) for one in self._open)

    def inherit(self, earlier: Unanswered) -> None:
        """What an earlier session of the same conversation stored counts here too."""
        lost = {one.message_id for one in earlier._open if not one.is_turn}
        self._ids = {identity: None for identity in earlier._ids if identity not in lost} | self._ids
