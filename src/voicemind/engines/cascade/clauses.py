"""Cuts a streamed reply into pieces that can be spoken: the first ones short, so that the voice starts early and never waits. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

ROOM_CHARS = (12, 50, 110, 240)
"""From how many characters on the first, second, third and every later piece may end at a clause instead of a sentence. The sound of each gives
the time to make the next: so each may be some times as long as the one before."""
LONGEST_CLAUSE_CHARS = ROOM_CHARS[-1]
HURRIED_WORDS = 3
"""Where the voice would have to wait, a piece may end before a word that begins a phrase, after so many words; and nearly anywhere after some more."""
HURRIED_WORDS_ANYWHERE = 6
LONGEST_LINK_CHARS = 300
SEEN_CHARS = 4 * LONGEST_CLAUSE_CHARS
"""How far ahead is looked for an end, however much text came at once: so the work for a text grows no faster than its length."""
_BEFORE_CHARS = 24
"""How far back is looked for what would be cut in half; no token that is known here is longer."""

_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]+[\"'”’)\]*_]*\s+|[。！？]+|\n+")
_CLAUSE_END = re.compile(r"[,;:–—][\"'”’)\]*_]*\s+|[，；：、]")
_ABBREVIATION = re.compile(
    r"(?:(?<![\w.])(?:Mr|Mrs|Ms|Dr|Prof|St|Mt|Jr|Sr|Gen|Capt|Rev|vs|etc|cf|approx|dept|No|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Inc|Ltd"
    r"|e\.g|i\.e|a\.k\.a|a\.m|p\.m|z\.B|d\.h|bzw|Nr)|\b[A-Z]|(?:^|\n)\s*\d{1,2})\.$"
)
_HALF_A_TOKEN = re.compile(
    r"(?:\d[.,:–-]?|[$€£¥₹#+(\[]|\b(?:January|February|March|April|May|June|July|August|September|October|November|December)|No\.)$"
)
_OTHER_HALF = re.compile(r"[\d(+]|(?:[ap]\.?m\b|million|billion|thousand|trillion|percent|[kcm]?m\b|km|kg|g\b|%|°|€|£)")
_BOUNDARY = re.compile(r"\s+(?=\S)")
_WORD = re.compile(r"[\w'’-]+(?=[^\w'’-])")
_BEGIN_PHRASES = frozenset(
    [
        "and",
        "but",
        "or",
        "so",
        "because",
        "that",
        "which",
        "who",
        "when",
        "where",
        "while",
        "if",
        "unless",
        "until",
        "although",
        "though",
        "since",
        "as",
        "than",
        "then",
        "to",
        "with",
        "without",
        "for",
        "from",
        "in",
        "into",
        "on",
        "at",
        "by",
        "about",
        "after",
        "before",
        "during",
        "between",
        "through",
        "like",
        "what",
        "how",
        "why",
        "whether",
        "my",
        "your",
        "his",
        "her",
        "its",
        "our",
        "their",
        "i",
        "you",
        "he",
        "she",
        "it",
        "we",
        "they",
        "this",
        "these",
        "those",
        "there",
        "let",
    ]
)
_NEVER_LAST = frozenset(
    [
        "a",
        "an",
        "the",
        "and",
        "but",
        "or",
        "so",
        "because",
        "that",
        "which",
        "who",
        "when",
        "where",
        "while",
        "if",
        "as",
        "than",
        "to",
        "with",
        "for",
        "from",
        "in",
        "into",
        "on",
        "at",
        "by",
        "of",
        "about",
        "my",
        "your",
        "his",
        "her",
        "its",
        "our",
        "their",
        "this",
        "these",
        "i",
        "you",
        "he",
        "she",
        "it",
        "we",
        "they",
        "is",
        "are",
        "was",
        "were",
        "be",
        "am",
        "not",
        "very",
        "would",
        "could",
        "should",
        "can",
        "will",
        "do",
        "does",
        "did",
        "have",
        "has",
        "had",
        "no",
        "mr",
        "mrs",
        "dr",
    ]
)


class ClauseCutter:
    """Feed it text as it comes; take the pieces that are complete. Joined, the pieces are the text."""

    def __init__(self) -> None:
        self._pending = ""
        self._taken = 0

    def feed(self, text: str, *, hurried: bool = False) -> list[str]:
        """More text; returns the clauses that are now complete. `hurried`: the voice has nothing more to say, so that the next one may be short."""
        whole, begin = self._pending + text, 0
        clauses: list[str] = []
        self._pending = whole[:SEEN_CHARS]
        while (end := self._cut(hurried=hurried and not clauses)) is not None:
            clauses.append(self._pending[:end])
            begin += end
            self._pending = whole[begin : begin + SEEN_CHARS]
            self._taken += 1
        return clauses

    def rest(self) -> str:
        """What is left when the text is over; may be empty."""
        left, self._pending = self._pending, ""
        return left

    def _cut(self, *, hurried: bool) -> int | None:
        """Where the next clause ends; None where that cannot be told yet, which is never in more than `2 * LONGEST_CLAUSE_CHARS`."""
        sentence_end = next(self._sentence_ends(), None)
        room = ROOM_CHARS[min(self._taken, len(ROOM_CHARS) - 1)]
        if sentence_end is not None and sentence_end <= room * 2:
            return sentence_end
        until = sentence_end or len(self._pending)
        for match in _CLAUSE_END.finditer(self._pending, 0, until):
            if match.start() >= min(room, ROOM_CHARS[0] if hurried else room) and self._is_whole(match.end()):
                return match.end()
        if hurried and (end := self._phrase_end(until)) is not None:
            return end
        if sentence_end is None and len(self._pending) > 2 * LONGEST_CLAUSE_CHARS:
            return self._somewhere()
        return sentence_end

    def _sentence_ends(self) -> Iterator[int]:
        for match in _SENTENCE_END.finditer(self._pending):
            before = self._pending[: match.end()].rstrip()
            if self._pending[: match.start()].strip() and ("\n" in match[0] or not _ends_with(_ABBREVIATION, before)):
                yield match.end()

    def _phrase_end(self, until: int) -> int | None:
        """The first place where a phrase ends within a sentence, as far as the words around it tell."""
        for match in _BOUNDARY.finditer(self._pending, 0, until):
            following = _WORD.match(self._pending, match.end())
            if following is None:
                continue
            words = self._pending[: match.start()].casefold().split()
            begins = following[0].casefold() in _BEGIN_PHRASES and len(words) >= HURRIED_WORDS
            if (
                (begins or len(words) >= HURRIED_WORDS_ANYWHERE)
                and words[-1] not in _NEVER_LAST
                and match.start() >= ROOM_CHARS[0]
                and self._is_whole(match.end())
            ):
                return match.end()
        return None

    def _somewhere(self) -> int:
        """The last place between two words that is not too late; anywhere in what has none."""
        for match in reversed(list(_BOUNDARY.finditer(self._pending, 0, LONGEST_CLAUSE_CHARS))):
            if self._is_whole(match.end()):
                return match.end()
        return LONGEST_CLAUSE_CHARS

    def _is_whole(self, end: int) -> bool:
        """Whether a cut there goes neither through what is one thing to say ("5 km", "May 3, 2024") nor through a link."""
        before, after = self._pending[:end].rstrip(), self._pending[end:]
        opened = before.rfind("[")
        if opened > before.rfind("]") and end - opened < LONGEST_LINK_CHARS:
            return False
        if _ends_with(_ABBREVIATION, before):
            return False
        return not _ends_with(_HALF_A_TOKEN, before) or bool(after and not _OTHER_HALF.match(after))


def _ends_with(tokens: re.Pattern[str], text: str) -> bool:
    """`tokens` end with `$`."""
    return tokens.search(text, max(0, len(text) - _BEFORE_CHARS)) is not None
