"""How much of a reply did the person hear? Decided from what was spoken, when, and how far it played. Pure.

The time of a word comes from the voice's own marks where it gives some. Between marks, and for voices that give none, it is estimated: letters and syllables
take their usual time, punctuation its pause, and the pauses that can be seen in the sound hold the estimate in place.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from voicemind.engines.cascade.loudness import Loudness
from voicemind.engines.cascade.speakable import Spoken
from voicemind.engines.cascade.weights import pauses_in, weights

ONSET_S = 0.03
"""A word that is said again begins a little before its first letter."""
UNIT_S = 0.06
"""A letter's usual time, for a sound whose end has not been made."""
PAUSE_REACH = 0.15
"""How far from where it is expected a pause is looked for, as a share of the clause."""
_WORD = re.compile(r"\S+")


@dataclass(slots=True)
class SpokenClause:
    """A piece of the reply, as it is written, and how many samples of sound it became so far; `start` is the sample of the reply at which they begin.

    `spoken` is what the voice was given; None: the text itself. `marks` are (its characters, samples), both rising.
    """

    text: str
    samples: int = 0
    complete: bool = False
    start: int = 0
    spoken: Spoken | None = None
    marks: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    loudness: Loudness | None = None
    rate_hz: int = 24_000

    @property
    def said(self) -> Spoken:
        """What the voice was given."""
        return self.spoken or Spoken.verbatim(self.text)

    def see(self, samples: bytes) -> None:
        """Sound of it that comes without marks."""
        self.loudness = self.loudness or Loudness(self.rate_hz)
        self.loudness.add(samples)


@dataclass(frozen=True, slots=True)
class _Word:
    end: int
    """The character after it, as it is written."""
    began: float
    ended: float
    """Samples of its clause."""


def heard_text(clauses: Sequence[SpokenClause], played: int) -> str:
    """The text up to the word that was sounding after `played` samples. A word counts as heard when at least half of it was.

    >>> heard_text([SpokenClause("Good day. ", 1000, True), SpokenClause("How are you?", 1200, True)], 1500)
    'Good day. How'
    """
    heard: list[str] = []
    for clause in clauses:
        if clause.complete and played >= clause.samples:
            heard.append(clause.text)
            played -= clause.samples
            continue
        end = 0
        for word in _words(clause):
            if word.ended > word.began:
                if (word.began + word.ended) / 2 > played:
                    break
                end = word.end
        heard.append(clause.text[:end])
        break
    return "".join(heard).strip()


def until_next(clauses: Sequence[SpokenClause], position: int) -> int:
    """How many samples are left from `position` to where the next clause begins; behind the last one there is no such end."""
    first = bisect_right(clauses, position, key=lambda clause: clause.start)
    return clauses[first].start - position if first < len(clauses) else sys.maxsize


def word_began(clauses: Sequence[SpokenClause], played: int) -> int:
    """The sample at which the word began that was sounding after `played` samples; between two words nothing has to be said again."""
    start = 0
    for clause in clauses:
        if played < start + clause.samples:
            before = 0.0
            for word in _words(clause):
                if word.ended > played - start:
                    begin = max(before, word.began - ONSET_S * clause.rate_hz)
                    return min(played, start + int(begin))
                before = word.ended
            return played
        start += clause.samples
    return played


def _words(clause: SpokenClause) -> Iterator[_Word]:
    """The written words with their times; a word that is not spoken takes none."""
    if not clause.samples:
        return
    moment, said = _Moments(clause), clause.said
    for match in _WORD.finditer(clause.text):
        began, ended = said.at(match.start()), said.at(match.end())
        yield _Word(match.end(), moment.at(began, is_start=True), moment.at(ended))


class _Moments:
    """When which character of the spoken text is said, in samples of the clause."""

    def __init__(self, clause: SpokenClause) -> None:
        self._weights = weights(clause.said.text)
        self._anchors = _anchors(clause, self._weights)

    def at(self, char: int, *, is_start: bool = False) -> float:
        """The moment between two anchors is found by weight. Where a pause lies at a character, `is_start` asks for the pause's end."""
        if is_start:
            after = bisect_right(self._anchors, char, key=lambda anchor: anchor[0])
        else:
            after = bisect_right(self._anchors, char - 1, key=lambda anchor: anchor[0])
        after = min(max(after, 1), len(self._anchors) - 1)
        (first, began), (last, ended) = self._anchors[after - 1], self._anchors[after]
        weight = self._weights[last] - self._weights[first]
        share = (self._weights[min(max(char, first), last)] - self._weights[first]) / weight if weight else 0.0
        return began + share * (ended - began)


def _anchors(clause: SpokenClause, weight: Sequence[float]) -> list[tuple[int, float]]:
    """(character, sample) pairs that are known, or as good as known, both rising; the first and the last are the ends."""
    last = len(clause.said.text)
    known: list[tuple[int, float]] = [(0, 0.0)]
    if clause.marks:
        known += [(min(chars, last), float(samples)) for chars, samples in clause.marks]
    elif clause.loudness:
        known += _seen(clause, clause.loudness, weight)
    ended = float(clause.samples)
    if not clause.complete:
        chars, samples = known[-1]
        ended = max(ended, samples + (weight[last] - weight[chars]) * UNIT_S * clause.rate_hz)
    if known[-1][0] < last:
        known.append((last, max(ended, known[-1][1])))
    return known if len(known) > 1 else [*known, (last, ended)]


def _seen(clause: SpokenClause, loudness: Loudness, weight: Sequence[float]) -> list[tuple[int, float]]:
    """Silences in the sound, where the text has pauses: the longest ones, in order."""
    began, ended = loudness.sounding(clause.samples)
    found: list[tuple[int, float]] = [(0, began)]
    if not clause.complete:
        return found
    pauses = list(pauses_in(clause.said.text))
    left = sorted(sorted(loudness.silences(), key=lambda silence: silence[0] - silence[1])[: len(pauses)])
    for number, (before, after) in enumerate(pauses):
        expected = began + weight[before] / weight[-1] * (ended - began)
        off = [abs(sum(silence) / 2 - expected) for silence in left]
        if len(left) == len(pauses) - number:
            best = 0
        elif not off or min(off) > PAUSE_REACH * (ended - began):
            continue
        else:
            best = off.index(min(off))
        found += [(before, left[best][0]), (after, left[best][1])]
        left = left[best + 1 :]
    return [*found, (len(clause.said.text), ended)]
