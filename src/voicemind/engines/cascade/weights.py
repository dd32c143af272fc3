"""How long do the letters of a text take to be said, one beside the other? Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

SYLLABLE = 0.57
LETTER = 0.85
WORD = -0.8
DIGIT = 4.0
BRIEF_PAUSE = 3.9
LONG_PAUSE = 2.5
_PAUSE = re.compile(r"[,;:.!?…–—]+[\"'”’)\]]*(\s+)")
_VOWELS = frozenset("aeiouyаеёиоуыэюяαεηιουω")


def weights(text: str) -> list[float]:
    """The weight of the first 0, 1, … characters: one more number than there are characters, never falling. One is about 60 ms."""
    sums = [0.0]
    in_vowels = False
    for at, char in enumerate(text):
        weight, in_vowels = _weight(char, text[at - 1] if at else " ", in_vowels=in_vowels)
        sums.append(sums[-1] + weight)
    return sums


def pauses_in(text: str) -> Iterator[tuple[int, int]]:
    """Where a voice is silent for a moment: the character after the last one before it, and the first one after it."""
    for match in _PAUSE.finditer(text):
        if match.end() < len(text):
            yield match.start(), match.end()


def _weight(char: str, before: str, *, in_vowels: bool) -> tuple[float, bool]:
    """What a character weighs, and whether it belongs to a vowel."""
    if char.isdigit():
        return DIGIT, False
    if char.isalpha():
        plain = unicodedata.normalize("NFD", char.casefold())[0]
        is_vowel = plain in _VOWELS or _is_syllable(char)
        weight = LETTER + (SYLLABLE if is_vowel and not (in_vowels and not _is_syllable(char)) else 0.0)
        return weight + (WORD if not before.isalpha() else 0.0), is_vowel
    if char.isspace() and before in ".!?…":
        return LONG_PAUSE, False
    if char.isspace() and before in ",;:–—":
        return BRIEF_PAUSE, False
    return 0.0, False


def _is_syllable(char: str) -> bool:
    """Chinese, Japanese and Korean write syllables."""
    return "\u3040" <= char <= "\u30ff" or "\u4e00" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3"
