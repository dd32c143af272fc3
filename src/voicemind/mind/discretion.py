"""What an agent keeps to itself: a reply that begins to recite the agent's intent notes is cut off before they are said."""

from __future__ import annotations

import re

from voicemind.mind.reflection.likeness import same_text

RUN = 6
"""So many words of the notes in a row are a recital and no coincidence."""
INSTEAD = "I would rather keep that to myself."

_PIECE = re.compile(r"\s+|\S+")
_WORD = re.compile(r"\S+")


class Discreet:
    """Lets a streamed reply through, a few words late, until it recites the notes. However the reply is cut into pieces, the same is said."""

    def __init__(self, notes: str) -> None:
        words = same_text(notes).split()
        run = min(RUN, len(words))
        self._run = run
        self._secret = frozenset(tuple(words[at : at + run]) for at in range(len(words) - run + 1) if run)
        self._held = ""
        self._said = False
        self.cut = False

    def feed(self, text: str) -> str:
        """What may be said now, after this piece has come."""
        return "".join(map(self._take, _PIECE.findall(text)))

    def rest(self) -> str:
        """What may still be said when nothing more comes."""
        if self.cut:
            return ""
        said = self._released(ended=True)
        return said if self.cut else said + self._let_go(len(self._held))

    def _take(self, piece: str) -> str:
        """One word, a part of one, or the space between two."""
        if self.cut:
            return ""
        self._held += piece
        return self._released(ended=False)

    def _released(self, *, ended: bool) -> str:
        """What is no beginning of a recital any more; a word counts when it has ended."""
        words = list(_WORD.finditer(self._held))
        unfinished = words.pop().start() if words and not ended and not self._held[-1].isspace() else len(self._held)
        plain = [(word.start(), part) for word in words for part in same_text(word[0]).split()]
        for first in range(len(plain) - self._run + 1 if self._run else 0):
            if tuple(part for _, part in plain[first : first + self._run]) in self._secret:
                self.cut = True
                before = self._let_go(plain[first][0])
                return f"{before}…" if self._said else INSTEAD
        waits = self._run - 1
        if waits > 0:
            return self._let_go(plain[len(plain) - waits][0] if len(plain) >= waits else 0)
        return self._let_go(unfinished)

    def _let_go(self, until: int) -> str:
        given, self._held = self._held[:until], self._held[until:]
        self._said = self._said or bool(given.strip())
        return given
