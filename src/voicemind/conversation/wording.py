"""When two tellings are the same words: recognisers and voices change case, punctuation and spaces, and break off in the middle. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice

_SILENT = re.compile(r"[\s.\u2026]*")
_UNSPOKEN = re.compile(r"[\W_]+")
_LETTER = re.compile(r"[^\W_]")
_EDGES = ".,!?;:\u2026\"'\u201c\u201d\u201e\u2018\u2019()[]{}\u00ab\u00bb\u2014\u2013-*_`"
_ALIKE = 0.6
"""From this likeness on, words that were recognised twice count as one saying."""
_LONG = 8
"""Fewer letters may stand in the middle of other words by chance."""
_SHOWN = 0.6
"""So much of a telling has to be in the agent's words for it to be a telling of them."""


def is_silence(text: str) -> bool:
    """Whether a platform says with this that the person said nothing: no words, or dots alone."""
    return _SILENT.fullmatch(text) is not None


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
    """Whether one may be the other, recognised anew; both `spelled`."""
    return other.startswith(one) or one.startswith(other) or SequenceMatcher(None, one, other).ratio() >= _ALIKE


@dataclass(frozen=True, slots=True)
class Shown:
    """How a telling shows what the agent said.

    `heard` has how much of each saying it shows ("": nothing), and `rest` is what it tells after all of them. `any` is False where it
    shows none of them: it tells something else.
    """

    heard: tuple[str, ...]
    rest: str = ""
    any: bool = True


def shown(sayings: Sequence[str], told: Sequence[str]) -> Shown:
    """How `told` shows these sayings, of which it may leave out some, and break off in some."""
    if len(sayings) == len(told) == 1 and sayings[0].split() == told[0].split():
        return Shown((sayings[0],))
    whole = " ".join(told)
    left = sounded(whole)
    total = len(left)
    starts = [total]
    for text in reversed(told):
        starts.append(starts[-1] - len(sounded(text)))
    ours = [sounded(said) for said in sayings]
    heard: list[str] = []
    for number, said in enumerate(sayings):
        at = _where(ours[number], told=whole, left=left)
        if at is not None:
            heard.append(said)
            left = left[at + len(ours[number]) :]
            continue
        breaks = [start - total + len(left) for start in starts]
        breaks += [left.find(later[:_LONG]) for later in ours[number + 1 :] if len(later) >= _LONG]
        common = _common(ours[number], left)
        count = max((at for at in breaks if 0 < at <= common), default=0)
        rough = _roughly(said, whole) if not count and left and len(sayings) == 1 else ""
        if not rough and common >= _LONG:
            count = count or common
        heard.append(rough or (_beginning(said, count, told=whole) if count else ""))
        left = "" if rough else left[count:]
    if not any(heard):
        return Shown(tuple(heard), whole, any=False)
    return Shown(tuple(heard), _ending(whole, len(left)))


def _common(one: str, other: str) -> int:
    """How many letters the two begin with alike."""
    length = min(len(one), len(other))
    return next((at for at in range(length) if one[at] != other[at]), length)


def _where(letters: str, *, told: str, left: str) -> int | None:
    """Where in `left`, the last letters of `told`, all of a saying stands, as words of its own."""
    at = left.find(letters) if left else -1
    if at < 0 or (at > 0 and len(letters) < _LONG):
        return None
    if at + len(letters) == len(left):
        return at
    end = _after(told, len(sounded(told)) - len(left) + at + len(letters))
    return None if told[end : end + 1].isalnum() else at


def _beginning(said: str, letters: int, *, told: str) -> str:
    """The beginning of `said` with so many letters, and with the full stop that `told` ends with too."""
    end = _after(said, letters)
    if _UNSPOKEN.fullmatch(said[end : end + 1]) and told.endswith(said[end]):
        end += 1
    return said[:end]


def _ending(told: str, letters: int) -> str:
    """The end of `told` with so many letters."""
    return told[_after(told, len(sounded(told)) - letters) :].lstrip(" .,!?;:\u2026") if letters else ""


def _after(text: str, letters: int) -> int:
    """The index behind the first so many letters."""
    if letters <= 0:
        return 0
    if len(text.casefold()) == len(text):
        last = next(islice(_LETTER.finditer(text), letters - 1, None), None)
        return last.end() if last else len(text)
    count = 0
    for at, character in enumerate(text):
        if count >= letters:
            return at
        count += len(_UNSPOKEN.sub("", character.casefold()))
    return len(text)


def _roughly(said: str, told: str) -> str:
    """The beginning of `said` that `told` shows in slightly other words ("5" and "five"); "" where it does not."""
    words = [match.span() for match in re.finditer(r"\S+", said)]
    ours = [sounded(said[begin:end]) for begin, end in words]
    theirs = [sounded(word) for word in told.split()]
    matches = [
        match for match in SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks() if match.size
    ]
    if not matches or sum(match.size for match in matches) < max(2, _SHOWN * len(theirs)):
        return ""
    beyond = len(theirs) - matches[-1].b - matches[-1].size
    return said[: words[min(matches[-1].a + matches[-1].size + beyond, len(words)) - 1][1]]
