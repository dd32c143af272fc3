"""What can happen to the turns of an open conversation when a platform tells it once more, and differently. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from voicemind.errors import StaleTranscript
from voicemind.store.values import NewTurn, Role, Turn


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


def applied(turns: Sequence[Turn], edits: Sequence[TurnEdit], *, now: datetime) -> tuple[Turn, ...]:
    """The turns after the edits, done in order; `now` is when new ones begin to exist.

    Raises StaleTranscript for an edit of a turn that is not there, or is the other side's.
    """
    result = list(turns)
    for edit in edits:
        match edit:
            case NewTurn():
                result.append(placed(edit, seq=len(result) + 1, now=now))
            case DroppedTurns(seq):
                _there(result, seq)
                del result[seq - 1 :]
            case HeardTurn(seq, heard):
                turn = _there(result, seq, role="agent")
                cut_short = heard.strip() != turn.generated.strip()
                result[seq - 1] = replace(turn, heard=heard, interrupted=cut_short)
            case RewordedTurn(seq, text):
                result[seq - 1] = replace(_there(result, seq, role="user"), generated=text, heard=text)
    return tuple(result)


def placed(turn: NewTurn, *, seq: int, now: datetime) -> Turn:
    """The turn with its place."""
    return Turn(
        seq=seq,
        role=turn.role,
        generated=turn.generated,
        heard=turn.heard,
        created_at=now,
        interrupted=turn.interrupted,
        modality=turn.modality,
        timings_ms=dict(turn.timings_ms),
        calls=turn.calls,
    )


def _there(turns: Sequence[Turn], seq: int, *, role: Role | None = None) -> Turn:
    if not 1 <= seq <= len(turns) or role not in (None, turns[seq - 1].role):
        raise StaleTranscript("the conversation has no such turn")
    return turns[seq - 1]
