"""When two tellings are the same words: recognisers and voices change case, punctuation and spaces, and break off in the middle. Pure."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, islice

_SILENT = re.compile(r"[\s.\u2026]*")
_UNSPOKEN = re.compile(r"[\W_]+")
_LETTER = re.compile(r"[^\W_]")
_EDGES = ".,!?;:\u2026\"'\u201c\u201d\u201e\u2018\u2019()[]{}\u00ab\u00bb\u2014\u2013-*_`"
_ALIKE = 0.6
"""From this likeness on, words that were recognised twice count as one saying."""
_COMPARED = 400
"""Letters at the beginning of two sayings that tell whether they are alike: comparing takes their product in time."""
_LONG = 8
"""Fewer letters may stand in the middle of other words by chance."""
_SHOWN = 0.6
"""So much of a telling has to be in the agent's words for it to be a telling of them."""
_PAIRS = 30_000
"""So many pairs of equal words at most are looked at to find what is told in other words: an answer of 2,000 words has as many."""
_NEXT = 20
"""A saying that breaks off is followed by one of so many that come after it."""


def is_silence(text: str) -> bool:
    """Whether a platform says with this that the person said nothing: no words, or dots alone."""
    return not text[:1].isalnum() and _SILENT.fullmatch(text) is not None


def spelled(text: str) -> str:
    """What a person said, without what a recogniser may write differently. "1.5" stays apart from "15".

    >>> spelled("I want, like, 1.5 dogs!") == spelled("i want like 1.5 dogs")
    True
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    words = (word.strip(_EDGES) for word in text.casefold().split())
    return "".join(words) or "".join(text.split())


def sounded(text: str) -> str:
    """What the agent said, as letters and digits alone: platforms rewrite everything else of it.

    >>> sounded("Well \\u2014 hello, Anna...")
    'wellhelloanna'
    """
    return _UNSPOKEN.sub("", text.casefold()) or "".join(text.split())


def alike(one: str, other: str) -> bool:
    """Whether one may be the other, recognised anew; both `spelled`. What is long is told by how it begins."""
    if other.startswith(one) or one.startswith(other):
        return True
    if 2 * min(len(one), len(other)) < _ALIKE * (len(one) + len(other)):
        return False
    letters = SequenceMatcher(None, one[:_COMPARED], other[:_COMPARED], autojunk=False)
    return letters.quick_ratio() >= _ALIKE and letters.ratio() >= _ALIKE


@dataclass(slots=True)
class Effort:
    """How many pairs of equal words are still looked at for one request."""

    pairs: int = 10 * _PAIRS


@dataclass(frozen=True, slots=True)
class Shown:
    """How a telling shows what the agent said.

    `heard` has how much of each saying it shows ("": nothing), and `rest` is what it tells after all of them. `any` is False where it
    shows none of them: it tells something else.
    """

    heard: tuple[str, ...]
    rest: str = ""
    any: bool = True


def shown(sayings: Sequence[str], told: Sequence[str], *, effort: Effort) -> Shown:
    """How `told` shows these sayings, of which it may leave out some, and break off in some. Takes from the `effort`."""
    if len(sayings) == len(told) == 1 and sayings[0].split() == told[0].split():
        return Shown((sayings[0],))
    telling = _Telling(" ".join(told))
    left = telling.letters
    total = len(left)
    lengths = [len(sounded(text)) for text in told]
    starts = [total - length for length in accumulate(reversed(lengths), initial=0)][::-1]
    ours = [sounded(said) for said in sayings]
    heard: list[str] = []
    for number, said in enumerate(sayings):
        at = _where(ours[number], telling, left=left)
        if at is not None:
            heard.append(said)
            left = left[at + len(ours[number]) :]
            continue
        common, gone = _common(ours[number], left), total - len(left)
        breaks = [starts[max(bisect_right(starts, gone + common) - 1, 0)] - gone]
        breaks += [left.find(later[:_LONG]) for later in ours[number + 1 : number + _NEXT] if len(later) >= _LONG]
        count = max((at for at in breaks if 0 < at <= common), default=0)
        rough = _roughly(said, telling.text, effort=effort) if not count and left and len(sayings) == 1 else ""
        if not rough and common >= _LONG:
            count = count or common
        heard.append(rough or (_beginning(said, count, told=telling.text) if count else ""))
        left = "" if rough else left[count:]
    if not any(heard):
        return Shown(tuple(heard), telling.text, any=False)
    return Shown(tuple(heard), telling.ending(len(left)))


class _Telling:
    """What a platform tells of the agent's words, and where its letters are."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.letters = sounded(text)
        self._ends: Sequence[int] | None = None

    def after(self, letters: int) -> int:
        """The index behind the first so many letters."""
        if letters <= 0:
            return 0
        if self._ends is None:
            self._ends = _ends(self.text)
        return self._ends[letters - 1] if letters <= len(self._ends) else len(self.text)

    def ending(self, letters: int) -> str:
        """The end with so many letters."""
        return self.text[self.after(len(self.letters) - letters) :].lstrip(" .,!?;:\u2026") if letters else ""


def _common(one: str, other: str) -> int:
    """How many letters the two begin with alike."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least


def _where(letters: str, telling: _Telling, *, left: str) -> int | None:
    """Where in `left`, the last letters of a telling, all of a saying stands, as words of its own."""
    at = left.find(letters) if left else -1
    if at < 0 or (at > 0 and len(letters) < _LONG):
        return None
    if at + len(letters) == len(left):
        return at
    end = telling.after(len(telling.letters) - len(left) + at + len(letters))
    return None if telling.text[end : end + 1].isalnum() else at


def _beginning(said: str, letters: int, *, told: str) -> str:
    """The beginning of `said` with so many letters, and with the full stop that `told` ends with too."""
    ends = _ends(said, letters)
    end = ends[letters - 1] if letters <= len(ends) else len(said)
    if _UNSPOKEN.fullmatch(said[end : end + 1]) and told.endswith(said[end]):
        end += 1
    return said[:end]


def _ends(text: str, letters: int | None = None) -> list[int]:
    """The index behind each of the first so many letters of a text, or of all; as many letters as `sounded` has."""
    if len(text.casefold()) == len(text):
        return [match.end() for match in islice(_LETTER.finditer(text), letters)]
    return [at for at, character in enumerate(text, 1) for _ in _UNSPOKEN.sub("", character.casefold())]


def _roughly(said: str, told: str, *, effort: Effort) -> str:
    """The beginning of `said` that `told` shows in slightly other words ("5" and "five"); "" where it does not."""
    words = [match.span() for match in re.finditer(r"\S+", said)]
    ours = [sounded(said[begin:end]) for begin, end in words]
    theirs = [sounded(word) for word in told.split()]
    pairs = _pairs(ours, theirs)
    if pairs > min(_PAIRS, effort.pairs):
        return ""
    effort.pairs -= pairs
    matches = [
        match for match in SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks() if match.size
    ]
    if not matches or sum(match.size for match in matches) < max(2, _SHOWN * len(theirs)):
        return ""
    beyond = len(theirs) - matches[-1].b - matches[-1].size
    return said[: words[min(matches[-1].a + matches[-1].size + beyond, len(words)) - 1][1]]


def _pairs(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """How often a word of the one is a word of the other: so much work it is to compare them."""
    counts = Counter(theirs)
    return sum(count * counts[word] for word, count in Counter(ours).items())
