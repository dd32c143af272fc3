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
from voicemind.store.found import Match

Vector = npt.NDArray[np.float32]

LIMIT = 5
"""Entries that one turn calls up: more help nobody and cost a small model its thread."""

CANDIDATES = 50
"""How many entries either search should offer."""

EXACT = 2_000
"""Entries of an archive that are all compared with a question: 0.5 ms."""

_LIKELY = 8
"""Times as many entries are looked at by their signs as are wanted; see docs/benchmarks.md for what that misses."""

_MOST_WORDS = 16
_LONGEST_TEXT = 400
_FEW_WORDS = 3

# Chosen by measuring, see docs/benchmarks.md.
_WORDS_WEIGH = 0.4
"""Of the order: the first match of the words counts as much as two thirds of the full meaning …"""
_WORDS_HALVE = 4
"""… and the fifth half of that."""
_SHARE_WEIGHS = 0.3
_WORTH_SPEAKING = 0.4
"""What the best entry must reach in meaning plus words, or the turn is about nothing that is remembered."""
_WORDS_ALONE = 0.5
"""The same where there are no embeddings: the share of the words."""
_NEAR_ENOUGH = 0.1
"""What every further entry must reach."""
_IN_CUE = 0.7
_LONGEST_ENDING = 4


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: `text` by its meaning, `words` (plain, lower case, no operators) by themselves."""

    text: str
    words: tuple[str, ...]


def query(said: Sequence[str], *, person: str = "", names: Iterable[str] = ()) -> Query | None:
    """What the newest of `said` asks for; None where it asks for nothing ("Yes, thanks").

    `said` are the last things that either side said, oldest first, ending with the person. Only where that says little
    by itself ("And when was that?") is what stands before it looked for as well. `person` is the name of the one whom
    the memories are about, and who calls themselves "I" in them; `names` are others that are everywhere, as the agent's.
    """
    if not said:
        return None
    left_out = STOP_WORDS | {word for name in (person, *names) for word in _words(name)}
    newest = _as_self(" ".join(said[-1].split())[:_LONGEST_TEXT], person)
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
    found: Mapping[str, float], alike: Mapping[str, float], *, limit: int = LIMIT, floor: bool = True
) -> tuple[str, ...]:
    """The ids of the entries to recall, the most relevant first; none where even the best has little to do with the turn.

    `found` are the ids that full-text search gave, the best match first, each with its `share` of the query's words;
    `alike` maps ids to the cosine between entry and query, also for those in `found`. Without `floor` something is
    always recalled: for measuring. `alike` is empty where there is no embedder; then the words decide alone. What merely shares a word with the turn distracts a small model more than it helps.
    """
    place = {entry: rank for rank, entry in enumerate(found)}

    def weight(entry: str) -> float:
        words = 1 / (1 + place[entry] / _WORDS_HALVE) if entry in place else 0.0
        return _WORDS_WEIGH * words + (1 - _WORDS_WEIGH) * alike.get(entry, 0.0)

    weighs, worth = (_SHARE_WEIGHS, _WORTH_SPEAKING) if alike else (1.0, _WORDS_ALONE)
    relevance = {entry: alike.get(entry, 0.0) + weighs * found.get(entry, 0.0) for entry in {*found, *alike}}
    if floor and max(relevance.values(), default=0.0) < worth:
        return ()
    entries = [entry for entry, near in relevance.items() if near >= _NEAR_ENOUGH or not floor]
    return tuple(sorted(entries, key=lambda entry: (-weight(entry), entry))[:limit])


def share(words: Sequence[str], text: str, *, cue: str = "") -> float:
    """Which part of a query's words an entry holds, in whatever form; those in its cue count less.

    >>> share(("sail", "lisbon"), "The user went sailing.")
    0.5
    """
    return _held([_stem(word) for word in words], text, cue) / max(len(words), 2)


def shares(words: Sequence[str], found: Iterable[Match]) -> dict[str, float]:
    """The `share` of each, by entry id and in their order."""
    stems = [_stem(word) for word in words]
    return {one.entry_id: _held(stems, one.text, one.cue) / max(len(words), 2) for one in found}


def statement(text: str) -> str:
    """What to embed of an entry: its words without the frame that all entries share.

    >>> statement('The user said: "We went sailing."')
    'We went sailing.'
    """
    framed = re.fullmatch(r'[^"]{1,80} said: "(.*)"', text)
    return framed[1] if framed else text


class VectorIndex:
    """The points of one mind's archive. Up to `EXACT` of them are all compared; of more, those whose signs are most like the query's.

    Rows are unit vectors, so products are cosines. An id that is added again has the newer point.
    Comparing 10,000 rows of 384 numbers reads 15 MB, which is what it costs; their signs are 0.5 MB.
    """

    def __init__(self, dimensions: int) -> None:
        self._rows = np.empty((0, dimensions), dtype=np.float32)
        self._signs: npt.NDArray[np.uint64] | None = None
        """A bit for each coordinate, one column for each row; None where rows have changed since."""
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
        self._signs = None

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
        self._signs = None

    def alike(self, vector: Vector, *, limit: int = CANDIDATES, also: Iterable[str] = ()) -> dict[str, float]:
        """The cosine of the `limit` nearest entries, and of those in `also` that are here.

        In a large index one that is far down among the `limit` may be missed; every cosine is exact.
        """
        wanted = {self._at[entry] for entry in also if entry in self._at}
        rows = self._likely(vector, _LIKELY * limit, wanted)
        # in this thread alone: a product of OpenBLAS waits for a thread on every core, ten times as long where cores are busy
        points = self._rows[: len(self._ids)] if rows is None else self._rows.take(rows, axis=0)
        cosines = np.einsum("ij,j->i", points, vector)
        chosen = np.ones(len(cosines), dtype=np.bool_)
        if limit < len(cosines):
            chosen[np.argpartition(cosines, -limit)[:-limit]] = False
        asked = np.fromiter(wanted, dtype=np.intp, count=len(wanted))
        chosen[asked if rows is None else np.searchsorted(rows, asked)] = True
        at = np.flatnonzero(chosen)
        found = zip((at if rows is None else rows[at]).tolist(), cosines[at].tolist(), strict=True)
        return {self._ids[row]: cosine for row, cosine in found}

    def _likely(self, vector: Vector, most: int, wanted: set[int]) -> npt.NDArray[np.intp] | None:
        """The rows that are worth a product: the `most` with the fewest other signs, and those that are wanted, in order. None for all."""
        count = len(self._ids)
        if count <= max(EXACT, most):
            return None
        if self._signs is None:
            self._signs = np.ascontiguousarray(_signs(self._rows[:count]).T)
        other = np.bitwise_count(self._signs ^ _signs(vector[np.newaxis]).T).sum(axis=0, dtype=np.uint16)
        chosen = np.zeros(count, dtype=np.bool_)
        chosen[np.argpartition(other, most)[:most]] = True
        chosen[np.fromiter(wanted, dtype=np.intp, count=len(wanted))] = True
        return np.flatnonzero(chosen)


def _signs(rows: Vector) -> npt.NDArray[np.uint64]:
    """The signs of each row's coordinates as bits, 64 in a number."""
    packed = np.packbits(rows > 0, axis=1)
    whole = np.zeros((len(rows), -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
    whole[:, : packed.shape[1]] = packed
    return whole.view(np.uint64)


def _telling(text: str, left_out: frozenset[str]) -> list[str]:
    """The words that tell one memory from another, each once, in order."""
    return [word for word in dict.fromkeys(_words(text)) if word not in left_out]


def _words(text: str) -> list[str]:
    """Letters and digits alone, so that nothing in a word can be an operator of a search."""
    return [word for word in re.findall(r"[^\W_]+", text.casefold().replace("’", "'")) if len(word) < 40]


def _stem(word: str) -> str:
    """The word without the endings that most forms differ in."""
    stem = re.sub(r"(?:ing|ies|es|ed|s|e|y)$", "", word)
    return stem if len(stem) > 2 else word


def _held(stems: Iterable[str], text: str, cue: str) -> float:
    own, near = text.casefold(), cue.casefold()
    return sum(1 if _holds(own, stem) else _IN_CUE if _holds(near, stem) else 0 for stem in stems)


def _holds(text: str, stem: str) -> bool:
    """Whether a word of the text begins with the stem and ends soon after it. Plain searching: this is asked hundreds of times in a turn."""
    at = text.find(stem)
    while at >= 0:
        ending = text[at + len(stem) : at + len(stem) + _LONGEST_ENDING + 1]
        if not (at and text[at - 1].isalnum()) and not (len(ending) > _LONGEST_ENDING and ending.isalnum()):
            return True
        at = text.find(stem, at + 1)
    return False


def _as_self(text: str, person: str) -> str:
    """The text as the person would say it: "When did Ann go?" is "When did I go?"."""
    if not person.strip():
        return text
    name = re.escape(person.strip())
    text = re.sub(rf"\b{name}['’]s\b", "my", text, flags=re.IGNORECASE)
    return re.sub(rf"\b{name}\b", "I", text, flags=re.IGNORECASE)
