"""Cuts a streamed reply into pieces that can be spoken: the first one short, so that the voice starts early. Pure."""

from __future__ import annotations

import re

FIRST_CLAUSE_CHARS = 12
LONGEST_CLAUSE_CHARS = 240
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|\n+")
_CLAUSE_END = re.compile(r"[,;:–—]\s+")
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|No|e\.g|i\.e|a\.m|p\.m)|\b[A-Z])\.$")
_MARKUP = re.compile(r"[*_`#~]+|^\s*[-•]\s+", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_UNSPEAKABLE = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d]")


def speakable(text: str) -> str:
    """The text as it is read aloud: without markdown, link targets and emoji, spaces tidied.

    >>> speakable("**Well**, see [the page](http://x) 🙂")
    'Well, see the page'
    """
    plain = _UNSPEAKABLE.sub("", _MARKUP.sub("", _LINK.sub(r"\1", text)))
    return " ".join(plain.split())


class ClauseCutter:
    """Feed it text as it comes; take the pieces that are complete. Joined, the pieces are the text."""

    def __init__(self) -> None:
        self._pending = ""
        self._first = True

    def feed(self, text: str) -> list[str]:
        """More text; returns the clauses that are now complete."""
        self._pending += text
        clauses: list[str] = []
        while (end := self._cut()) is not None:
            clauses.append(self._pending[:end])
            self._pending = self._pending[end:]
            self._first = False
        return clauses

    def rest(self) -> str:
        """What is left when the text is over; may be empty."""
        left, self._pending = self._pending, ""
        return left

    def _cut(self) -> int | None:
        """Where the next clause ends; None where that cannot be told yet."""
        for match in _SENTENCE_END.finditer(self._pending):
            if (
                not _ABBREVIATION.search(self._pending[: match.end()].rstrip())
                and self._pending[: match.start()].strip()
            ):
                return self._early(match.end())
        return self._early(None)

    def _early(self, sentence_end: int | None) -> int | None:
        """A clause boundary before the sentence's end: for the first piece, and where a sentence grows too long."""
        shortest = FIRST_CLAUSE_CHARS if self._first else LONGEST_CLAUSE_CHARS
        if sentence_end is not None and sentence_end <= shortest * 2:
            return sentence_end
        for match in _CLAUSE_END.finditer(self._pending, 0, sentence_end or len(self._pending)):
            if match.start() >= shortest:
                return match.end()
        if sentence_end is None and len(self._pending) > 2 * LONGEST_CLAUSE_CHARS:
            return self._pending.rfind(" ", 0, LONGEST_CLAUSE_CHARS) + 1 or LONGEST_CLAUSE_CHARS
        return sentence_end
