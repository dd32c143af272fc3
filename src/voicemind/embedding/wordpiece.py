"""Text as the numbered pieces of words that BERT models read (Devlin et al. 2018, uncased): pure, so that it can be judged by plain calls."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

UNKNOWN = "[UNK]"
FIRST = "[CLS]"
LAST = "[SEP]"

_LONGEST_WORD = 100
"""Characters; a longer word is unknown, as in the original."""

_ASCII_WORDS = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")
"""What `words` finds in lower case where nothing has to be looked up: each text waits for that."""
_ASCII_UNSEEN = dict.fromkeys((*range(9), *range(14, 28), 127))

_IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F))


class WordPieces:
    """The pieces of a vocabulary, whose line numbers are their ids."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._ids = {piece: at for at, piece in enumerate(vocabulary)}
        self._of = lru_cache(maxsize=10_000)(self._pieces)

    def ids(self, text: str, *, limit: int) -> list[int]:
        """At most `limit` ids, those of the two marks around the text included."""
        found: list[int] = []
        for word in words(text):
            found += self._of(word)
            if len(found) >= limit - 2:
                break
        return [self._ids[FIRST], *found[: limit - 2], self._ids[LAST]]

    def _pieces(self, word: str) -> tuple[int, ...]:
        """The longest piece that the word begins with, then that of the rest, and so on."""
        unknown = (self._ids[UNKNOWN],)
        if len(word) > _LONGEST_WORD:
            return unknown
        found: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            ends = (end for end in range(len(word), start, -1) if prefix + word[start:end] in self._ids)
            end = next(ends, None)
            if end is None:
                return unknown
            found.append(self._ids[prefix + word[start:end]])
            start = end
        return tuple(found)


def words(text: str) -> Iterator[str]:
    """Words in lower case without accents; every punctuation mark and every ideograph is a word of its own.

    >>> list(words("Zoë's café, 北京!"))
    ['zoe', "'", 's', 'cafe', ',', '北', '京', '!']
    """
    if text.isascii():
        yield from _ASCII_WORDS.findall(text.translate(_ASCII_UNSEEN).lower())
        return
    spaced = "".join(f" {letter} " if _is_ideograph(letter) else letter for letter in map(_seen, text) if letter)
    for run in spaced.split():
        plain = "".join(
            letter for letter in unicodedata.normalize("NFD", run.lower()) if unicodedata.category(letter) != "Mn"
        )
        word = ""
        for letter in plain:
            if _is_punctuation(letter):
                if word:
                    yield word
                yield letter
                word = ""
            else:
                word += letter
        if word:
            yield word


def _seen(letter: str) -> str:
    """White space as a space, controls as nothing."""
    if letter.isspace():
        return " "
    return "" if letter == "\ufffd" or unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co"} else letter


def _is_ideograph(letter: str) -> bool:
    return any(first <= ord(letter) <= last for first, last in _IDEOGRAPHS)


def _is_punctuation(letter: str) -> bool:
    return unicodedata.category(letter).startswith("P") or letter in "$+<=>^`|~"
