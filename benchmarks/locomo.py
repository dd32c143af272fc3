"""Reads a local copy of the LoCoMo dialogues (github snap-research/LoCoMo, data/locomo10.json; CC BY-NC: it is never shipped)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

CATEGORIES = {1: "several facts", 2: "when", 3: "common sense", 4: "one fact", 5: "adversarial"}
"""What the data's numbers mean; in an adversarial question one speaker is asked about what the other one said."""


@dataclass(frozen=True, slots=True)
class Line:
    """One turn: the data's id of it, who speaks, and what is said."""

    id: str
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Session:
    """One talk of a dialogue."""

    at: datetime
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the ids of the turns on which its answer rests."""

    text: str
    category: int
    evidence: frozenset[str]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Two people over many sessions."""

    speakers: tuple[str, str]
    sessions: tuple[Session, ...]
    questions: tuple[Question, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every turn, in order."""
        return tuple(line for session in self.sessions for line in session.lines)


def read(path: Path) -> list[Dialogue]:
    """All dialogues. Questions whose evidence names no turn that exists are left out."""
    return [_dialogue(found) for found in msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])]


def _dialogue(found: dict[str, Any]) -> Dialogue:
    talk = found["conversation"]
    numbers = sorted(int(key[8:]) for key in talk if re.fullmatch(r"session_\d+", key))
    sessions = tuple(
        Session(
            datetime.strptime(talk[f"session_{number}_date_time"], "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC),
            tuple(Line(line["dia_id"], line["speaker"], line["text"]) for line in talk[f"session_{number}"]),
        )
        for number in numbers
    )
    known = {line.id for session in sessions for line in session.lines}
    questions = (
        Question(asked["question"], asked["category"], _ids(asked.get("evidence", ())) & known) for asked in found["qa"]
    )
    return Dialogue(
        (talk["speaker_a"], talk["speaker_b"]), sessions, tuple(question for question in questions if question.evidence)
    )


def _ids(evidence: list[str]) -> frozenset[str]:
    """Some are misspelt in the data: "D8:6; D9:17", "D:11:26", "D30:05"."""
    return frozenset(
        f"D{session}:{int(turn)}" for text in evidence for session, turn in re.findall(r"D:?(\d+):(\d+)", text)
    )
