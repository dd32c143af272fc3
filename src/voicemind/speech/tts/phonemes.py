"""Which phonemes of a spoken text are which of its words? A voice knows when its phonemes sound, but is heard in words. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate

LONGEST_CHARS = 1_500
"""Aligning takes time that grows with the square of the text; longer texts are not aligned."""
_WORD = re.compile(r"\S*\w\S*")
_UNSAID = frozenset(" .,;:!?ˈˌː'\"()-¡¿—…")


@dataclass(frozen=True, slots=True)
class Place:
    """The first `chars` characters of the text are the phonemes of the sentences before and the first `phonemes` of this one."""

    chars: int
    phonemes: int


def places(text: str, sentences: Sequence[Sequence[str]], of_word: Callable[[str], str]) -> list[list[Place]]:
    """For each sentence the places where its words begin and end, in order; `of_word` says how a word sounds alone.

    A phonemiser joins words ("of the" is one) and says numbers in several: so the phonemes of the words alone are laid beside those of the whole.
    """
    if len(text) > LONGEST_CHARS:
        return [[] for _ in sentences]
    words = [(match.start(), match.end(), _said(of_word(match[0]))) for match in _WORD.finditer(text)]
    flat = [
        (number, at, phoneme)
        for number, sentence in enumerate(sentences)
        for at, phoneme in enumerate(sentence)
        if phoneme not in _UNSAID
    ]
    ends = [0, *accumulate(len(alone) for _, _, alone in words)]
    across = _Across("".join(alone for _, _, alone in words), "".join(phoneme[0] for _, _, phoneme in flat))
    found: list[list[Place]] = [[] for _ in sentences]
    for number, (start, end, _) in enumerate(words):
        first, last = across.at(ends[number]), across.at(ends[number + 1])
        if first < last:
            found[flat[first][0]].append(Place(start, flat[first][1]))
            found[flat[last - 1][0]].append(Place(end, flat[last - 1][1] + 1))
    return found


def _said(phonemes: str) -> str:
    return "".join(phoneme for phoneme in phonemes if phoneme not in _UNSAID)


class _Across:
    """Positions of one string in another that is nearly the same."""

    def __init__(self, one: str, other: str) -> None:
        matches = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
        self._ends = [(0, 0)]
        for match in matches:
            self._ends += [(match.a, match.b), (match.a + match.size, match.b + match.size)]
        self._ends.append((len(one), len(other)))

    def at(self, position: int) -> int:
        after = min(bisect_right(self._ends, position, key=lambda end: end[0]), len(self._ends) - 1)
        (first, began), (last, ended) = self._ends[after - 1], self._ends[after]
        return began if last <= first else began + round((position - first) * (ended - began) / (last - first))
