"""What can happen to the turns of an open conversation when a platform tells it once more, and differently. Plain values."""

from __future__ import annotations

from dataclasses import dataclass

from voicemind.store.values import NewTurn


@dataclass(frozen=True, slots=True)
class HeardTurn:
    """An edit: of the agent's turn `seq`, the person heard `heard`; what is shorter than the turn was interrupted."""

    seq: int
    heard: str


@dataclass(frozen=True, slots=True)
class RewordedTurn:
    """An edit: the person's turn `seq` reads `text`; it was recognised anew."""

    seq: int
    text: str


@dataclass(frozen=True, slots=True)
class DroppedTurns:
    """An edit: the turns from `seq` to the end were never really said or heard; their numbers are given again."""

    seq: int


TurnEdit = HeardTurn | RewordedTurn | DroppedTurns | NewTurn
"""One change of a transcript; a NewTurn is put at the end."""
