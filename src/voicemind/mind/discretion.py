"""What an agent keeps to itself: a reply that begins to recite the agent's intent notes is cut off before they are said."""

from __future__ import annotations

import re

from voicemind.mind.reflection.likeness import same_text

RUN = 6
"""So many words of the notes in a row are a recital and no coincidence."""
INSTEAD = "I would rather keep that to myself."

_WORD = re.compile(r"\S+")


class Discreet:
    """Lets a streamed reply through, a few words late, until it recites the notes."""

    def __init__(self, notes: str) -> None:
        words = same_text(notes).split()
        run = min(RUN, len(words))
        self._run = run
        self._secret = {tuple(words[at : at + run]) for at in range(len(words) - run + 1)} if run else set()
        self._held = ""
        self._said = False
        self.cut = False

    def feed(self, text: str) -> str:
        """What may be said now, after this piece has come."""
        if self.cut:
            return ""
        self._held += text
        words = list(_WORD.finditer(self._held))
        start = self._recital(words)
        if start is not None:
            self.cut = True
            return self._ending(self._held[: words[start].start()])
        if len(words) <= self._run:
            return ""
        return self._let_go(words[len(words) - self._run].start())

    def rest(self) -> str:
        """What may still be said when nothing more comes."""
        return "" if self.cut else self._let_go(len(self._held))

    def _recital(self, words: list[re.Match[str]]) -> int | None:
        """The word with which a run of the notes begins."""
        plain = [(at, part) for at, word in enumerate(words) for part in same_text(word[0]).split()]
        for first in range(len(plain) - self._run + 1):
            if tuple(part for _, part in plain[first : first + self._run]) in self._secret:
                return plain[first][0]
        return None

    def _let_go(self, until: int) -> str:
        given, self._held = self._held[:until], self._held[until:]
        self._said = self._said or bool(given.strip())
        return given

    def _ending(self, before: str) -> str:
        """A whole sentence of what came before, or a polite refusal."""
        whole = re.match(r"(?s).*[.!?](?=\s|$)", before)
        if whole:
            return whole[0]
        return "…" if self._said else INSTEAD
