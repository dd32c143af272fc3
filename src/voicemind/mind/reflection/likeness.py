"""When two remembered sentences say the same: by their words, since a name or a "not" is all the difference."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from voicemind.mind.plain import one_line

_FILLERS = frozenset(
    [
        "a",
        "an",
        "the",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "has",
        "have",
        "had",
        "do",
        "does",
        "did",
        "of",
        "in",
        "at",
        "on",
        "to",
        "for",
        "with",
        "from",
        "by",
        "as",
        "that",
        "which",
        "who",
        "and",
        "also",
        "really",
        "very",
        "just",
        "still",
        "now",
        "currently",
        "named",
        "called",
        "name",
        "user",
        "user's",
        "users",
        "their",
        "theirs",
        "they",
        "them",
        "it",
        "its",
        "lives",
        "living",
    ]
)
_NEGATIONS = frozenset(
    ["not", "no", "never", "none", "nobody", "nothing", "without", "cannot", "longer", "stopped", "quit"]
)
_ALMOST = 0.8
"""Share of content words that two near duplicates have in common; measured on labelled pairs (ADR 016)."""


def same_text(text: str) -> str:
    """What two texts have in common that say the same: neither case nor punctuation nor spacing counts."""
    return " ".join("".join(letter if letter.isalnum() else " " for letter in one_line(text).casefold()).split())


@dataclass(frozen=True, slots=True)
class Meaning:
    """What of a statement is compared: whoever compares many with many reads each once."""

    same: str
    content: frozenset[str]
    marks: tuple[frozenset[str], ...]

    def equals(self, other: Meaning) -> bool:
        """Whether one of the two statements can go without losing anything but wording.

        Statements that differ in a number, a name or a negation never do.
        """
        if self.same == other.same:
            return True
        if self.marks != other.marks or not self.content or not other.content:
            return False
        shared = len(self.content & other.content)
        return shared / (len(self.content) + len(other.content) - shared) >= _ALMOST


def meaning(text: str) -> Meaning:
    """What the statement says, for comparing."""
    return Meaning(same_text(text), content(text), _marks(text))


def say_the_same(one: str, other: str) -> bool:
    """Whether one of two statements can go without losing anything but wording."""
    return meaning(one).equals(meaning(other))


def content(text: str) -> frozenset[str]:
    """The stems of the words that carry the meaning."""
    words = same_text(text.replace("n't", " not").replace("’", "'").replace("'s", " ")).split()
    return frozenset(stem(word) for word in words if word not in _FILLERS)


def stem(word: str) -> str:
    """The word without its ending: like, likes and liked are one."""
    bare = re.sub(r"(?:ies|ied)$", "y", word)
    bare = re.sub(r"(?:ing|ed|es|s|e)$", "", bare) if bare == word else bare
    return bare if len(bare) > 2 else word


def negations_and_numbers(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """What turns a statement into another one although hardly a word changes."""
    numbers, _, negations = _marks(text)
    return numbers, negations


def _marks(text: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Numbers, names and negations."""
    words = re.findall(r"[\w']+", one_line(text).replace("n't", " not"))
    return (
        frozenset(word for word in words if any(letter.isdigit() for letter in word)),
        frozenset(_names(words)),
        frozenset(word.lower() for word in words if word.lower() in _NEGATIONS),
    )


def _names(words: Iterable[str]) -> Iterable[str]:
    return (word.removesuffix("'s").casefold() for at, word in enumerate(words) if at and word[0].isupper())
