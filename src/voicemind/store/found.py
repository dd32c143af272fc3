"""What a search of an archive finds. Plain values."""

from __future__ import annotations

from dataclasses import dataclass

from voicemind.store.values import Entry


@dataclass(frozen=True, slots=True)
class Found:
    """An archived entry that full-text search found; `rank` counts from 0, the best first."""

    entry: Entry
    block: str
    rank: int


@dataclass(frozen=True, slots=True)
class Match:
    """The same without all that only a chosen one needs: `text` and `cue` say how well it fits."""

    entry_id: str
    text: str
    cue: str
