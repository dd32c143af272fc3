"""How much of a reply did the person hear? Decided from what was spoken and how far it played. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class SpokenClause:
    """A piece of the reply, as text, and how many samples of sound it became so far; `start` is the sample of the reply at which they begin."""

    text: str
    samples: int = 0
    complete: bool = False
    start: int = 0


def heard_text(clauses: Sequence[SpokenClause], played: int) -> str:
    """The text up to the word that was sounding after `played` samples.

    Within a clause the words are taken to sound at an even pace of characters; a word counts as heard when at least half of it was.

    >>> heard_text([SpokenClause("Good day. ", 1000, True), SpokenClause("How are you?", 1200, True)], 1400)
    'Good day. How'
    """
    heard: list[str] = []
    for clause in clauses:
        if clause.complete and played >= clause.samples:
            heard.append(clause.text)
            played -= clause.samples
            continue
        if clause.samples:
            heard.append(_words_within(clause.text, played / clause.samples))
        break
    return "".join(heard).strip()


def word_began(clauses: Sequence[SpokenClause], played: int) -> int:
    """The sample at which the word began that was sounding after `played` samples."""
    start = 0
    for clause in clauses:
        if played < start + clause.samples:
            reached = (played - start) * len(clause.text) // clause.samples
            return start + (clause.text.rfind(" ", 0, reached + 1) + 1) * clause.samples // len(clause.text)
        start += clause.samples
    return played


def _words_within(text: str, share: float) -> str:
    """The first words of the text that fill this share of it."""
    limit, end, position = share * len(text), 0, 0
    for word in text.split(" "):
        if not word or position + len(word) / 2 > limit:
            if word:
                break
        else:
            end = position + len(word)
        position += len(word) + 1
    return text[:end]
