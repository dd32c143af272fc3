"""What the person typed: each message counts once, however often it is sent, and none is lost with an engine. Pure."""

from __future__ import annotations

IDS_KEPT = 256
"""Typed messages whose ids are remembered: more than a client can have sent without an answer."""


class Typed:
    """Of one session."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}
        self._open: list[tuple[str, str]] = []

    def __bool__(self) -> bool:
        """Whether something was typed that is not stored yet."""
        return bool(self._open)

    def is_new(self, message_id: str, text: str) -> bool:
        """One more message; False for one that had arrived before."""
        if message_id in self._ids:
            return False
        if message_id:
            self._ids[message_id] = None
            while len(self._ids) > IDS_KEPT:
                del self._ids[next(iter(self._ids))]
        self._open.append((message_id, text))
        return True

    def stored(self, message_id: str) -> None:
        """The oldest message of this id is a turn now."""
        for place, (identity, _) in enumerate(self._open):
            if identity == message_id:
                del self._open[place]
                return

    @property
    def unstored(self) -> tuple[tuple[str, str], ...]:
        """Ids and texts of what is no turn yet, in order."""
        return tuple(self._open)

    def inherit(self, earlier: Typed) -> None:
        """What an earlier session of the same conversation stored counts here too."""
        lost = {identity for identity, _ in earlier._open}
        self._ids = {identity: None for identity in earlier._ids if identity not in lost} | self._ids
