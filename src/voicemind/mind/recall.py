"""Which archived memories a turn calls up: pure, so that every choice can be shown by plain calls.

Full-text search finds the words, embeddings find the meaning; here both are made into one short list, or none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicemind.mind.reflection.words import STOP_WORDS

Vector = npt.NDArray[np.float32]

LIMIT = 5
"""Entries that one turn calls up: more help nobody and cost a small model its thread."""

CANDIDATES = 50
"""How many entries either search should offer."""

_MOST_WORDS = 16
_LONGEST_TEXT = 400
_FEW_WORDS = 3

# Chosen by measuring, see docs/benchmarks.md: the first hit of the words weighs as much as two thirds of the full meaning, the sixth half of that.
_WORDS_WEIGH = 0.4
_WORDS_HALVE = 5
_ALIKE = 0.35
_ALIKE_AND_FOUND = 0.2


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: `text` by its meaning, `words` (plain, lower case, no operators) by themselves."""

    text: str
    words: tuple[str, ...]


def query(said: Sequence[str], *, names: Iterable[str] = ()) -> Query | None:
    """What the newest of `said` asks for; None where it asks for nothing ("Yes, thanks").

    `said` are the last things that either side said, oldest first, ending with the person. Only where that says little
    by itself ("And when was that?") is what stands before it looked for as well. `names` are those of the person and
    the agent: they are everywhere, and so tell nothing apart.
    """
    if not said:
        return None
    left_out = STOP_WORDS | {word for name in names for word in _words(name)}
    newest = " ".join(said[-1].split())[:_LONGEST_TEXT]
    words = _telling(newest, left_out)
    text = newest
    if len(words) < _FEW_WORDS:
        if not words and not newest.endswith("?"):
            return None
        for earlier in reversed(said[-3:-1]):
            tail = " ".join(earlier.split())[-_LONGEST_TEXT // 2 :]
            words += [word for word in _telling(tail, left_out) if word not in words]
            text = f"{tail} {text}"
            if len(words) >= _FEW_WORDS:
                break
    return Query(text, tuple(words[:_MOST_WORDS])) if words else None


def fused(
    found: Sequence[str], alike: Mapping[str, float], *, limit: int = LIMIT, floor: bool = True
) -> tuple[str, ...]:
    """The ids of the entries to recall, the most relevant first.

    `found` are the ids that full-text search gave, the best match first; `alike` maps ids to the cosine between entry
    and query, also for those in `found`. With `floor`, only entries that are really alike count (those that hold the
    words need less for it): what merely shares a word with the turn distracts more than it helps.
    """
    place = {entry: rank for rank, entry in enumerate(found)}

    def weight(entry: str) -> float:
        words = 1 / (1 + place[entry] / _WORDS_HALVE) if entry in place else 0.0
        return _WORDS_WEIGH * words + (1 - _WORDS_WEIGH) * alike.get(entry, 0.0)

    entries = {*place, *alike}
    if floor:
        entries = {
            entry for entry in entries if alike.get(entry, 0.0) >= (_ALIKE_AND_FOUND if entry in place else _ALIKE)
        }
    return tuple(sorted(entries, key=lambda entry: (-weight(entry), entry))[:limit])


def statement(text: str) -> str:
    """What to embed of an entry: its words without the frame that all entries share.

    >>> statement('The user said: "We went sailing."')
    'We went sailing.'
    """
    framed = re.fullmatch(r'[^"]{1,80} said: "(.*)"', text)
    return framed[1] if framed else text


class VectorIndex:
    """The points of one mind's archive, searched by comparing all of them: 20,000 are read in a few milliseconds.

    Rows are unit vectors, so products are cosines. An id that is added again has the newer point.
    """

    def __init__(self, dimensions: int) -> None:
        self._rows = np.empty((0, dimensions), dtype=np.float32)
        self._ids: list[str] = []
        self._at: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, entry: str) -> bool:
        return entry in self._at

    def add(self, entry: str, vector: Vector) -> None:
        """Keep the point of an entry."""
        at = self._at.get(entry)
        if at is None:
            at = len(self._ids)
            if at == len(self._rows):
                larger = np.empty((max(64, 2 * at), self._rows.shape[1]), dtype=np.float32)
                larger[:at] = self._rows[:at]
                self._rows = larger
            self._at[entry] = at
            self._ids.append(entry)
        self._rows[at] = vector

    def remove(self, entry: str) -> None:
        """Forget the point of an entry; one that is not here does not matter."""
        at = self._at.pop(entry, None)
        if at is None:
            return
        last = self._ids.pop()
        if last != entry:
            self._ids[at] = last
            self._at[last] = at
            self._rows[at] = self._rows[len(self._ids)]
        self._rows[len(self._ids)] = 0  # what was forgotten is nowhere any more

    def alike(self, vector: Vector, *, limit: int = CANDIDATES, also: Iterable[str] = ()) -> dict[str, float]:
        """The cosine of the `limit` nearest entries, and of those in `also` that are here."""
        cosines = self._rows[: len(self._ids)] @ vector
        nearest = np.argpartition(cosines, -limit)[-limit:] if limit < len(cosines) else np.arange(len(cosines))
        rows = {int(row) for row in nearest} | {self._at[entry] for entry in also if entry in self._at}
        return {self._ids[row]: float(cosines[row]) for row in rows}


def _telling(text: str, left_out: frozenset[str]) -> list[str]:
    """The words that tell one memory from another, each once, in order."""
    return [word for word in dict.fromkeys(_words(text)) if word not in left_out]


def _words(text: str) -> list[str]:
    """Letters and digits alone, so that nothing in a word can be an operator of a search."""
    return [word for word in re.findall(r"[^\W_]+", text.casefold().replace("’", "'")) if len(word) < 40]
