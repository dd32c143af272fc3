"""What a voice is given for a piece of written text: no markup, and in English words for everything that stands for words. Pure.

Other languages keep their digits and symbols: voices read those in their own language, and better than rules made for English.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from voicemind.engines.cascade.english import RULES, Rule

CODE_NOTE = "There is a piece of code."
_FENCE = re.compile(r"```")
_EMOJI = "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\ufe00-\ufe0f\u200d\u20e3\U000e0020-\U000e007f]+"


def _nothing(_: re.Match[str]) -> str:
    return ""


def _space(_: re.Match[str]) -> str:
    return " "


MARKUP: tuple[Rule, ...] = (
    (r"[^\S\n]*\n\s*", lambda m: ". " if m.start() and m.string[m.start() - 1].isalnum() else " "),
    (r"\s+", _space),
    (r"!?\[(?=[^\[\]]*\]\()", _nothing),
    (r"\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?: [^()]*)?\)", _nothing),
    (r"(?m:^)#{1,6}(?=\s)", _nothing),
    (r"(?m:^)>+(?=\s)", _nothing),
    (r"(?m:^)\s*(?:[-*_=]\s?){3,}(?=\s|$)", _nothing),
    (r"(?m:^)[-•*+](?=\s)", _nothing),
    (r"(?m:^)\|?(?:\s*:?-{3,}:?\s*\|?)+(?=\s|$)", _nothing),
    (r"(?m:^)\||\|(?=\s*(?:\n|$))", _nothing),
    (r"\|", lambda _: ", "),
    (r"</?[A-Za-z][^<>\n]{0,60}>", _space),
    (r"\*+(?=\w)|(?<=[\w.,;:!?)\"'”’])\*+|(?<!\w)_+(?=\w)|(?<=[\w.,;:!?)])_+(?!\w)|`+|~~", _nothing),
    (r"(?<=\w)_(?=\w)", _space),
    (r"\*+", lambda m: " times " if m[0] == "*" and re.search(r"\w $", m.string[: m.start()]) else ""),
    (r"[:;]-?[()](?!\w)", _nothing),
    (r"(?:\.{3,}|…)(?=[\s]*\S)", lambda _: ","),
    (r"\.{3,}|…", lambda _: "."),
    (_EMOJI, _nothing),
    (r"[©®™^\\]", _nothing),
)
_PLAIN = re.compile(r"[a-zA-Z ,.;:!?'’\"“”é-]*")
_NOT_PLAIN = re.compile(
    r"[A-Z]{2}|\.\.|[.:;]-?[()\w]|\b(?:[A-Z][a-z]{1,5}|etc|vs|cf|dept|approx)\.|\s-|^-|  |\b[ap]\.m"
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the voice is given for a piece of written text, and which characters of the one are which of the other.

    `written` and `said` are positions in the one and the other text that belong together, both rising, from 0 to the end.
    """

    text: str = ""
    written: tuple[int, ...] = (0,)
    said: tuple[int, ...] = (0,)

    @classmethod
    def verbatim(cls, text: str) -> Spoken:
        """A text that is spoken as it is written."""
        return cls(text, (0, len(text)), (0, len(text)))

    def at(self, written: int) -> int:
        """The position in the spoken text that belongs to a position in the written one; between known ones in proportion."""
        if written >= self.written[-1]:
            return self.said[-1]
        after = bisect_right(self.written, written)
        first, last = self.written[after - 1], self.written[after]
        began, ended = self.said[after - 1], self.said[after]
        return began + (written - first) * (ended - began) // (last - first)


class Reader:
    """Reads the clauses of one reply, in order: it knows whether it is in a block of code, which is mentioned and not read."""

    def __init__(self, language: str) -> None:
        self._is_english = language.partition("-")[0] == "en"
        self._in_code = False

    def read(self, clause: str) -> Spoken:
        """What is said of the next clause; empty where nothing of it can be said."""
        out = _Out()
        start = 0
        for fence in [*_FENCE.finditer(clause), None]:
            end = fence.start() if fence else len(clause)
            if not self._in_code:
                _read(clause[start:end], out, start, _rules(is_english=self._is_english))
            if fence:
                self._in_code = not self._in_code
                note = f" {CODE_NOTE} " if self._in_code and self._is_english else ""
                out.add(fence.end(), note)
                start = fence.end()
        return out.spoken(len(clause))


def speakable(text: str, language: str = "en") -> str:
    """A whole text as it is read aloud.

    >>> speakable("**Well**, see [the page](http://x) 🙂, it costs $5.")
    'Well, see the page , it costs five dollars.'
    """
    return Reader(language).read(text).text


class _Out:
    """The spoken text as it grows, with single spaces."""

    def __init__(self) -> None:
        self.text = ""
        self._written, self._said = [0], [0]

    def add(self, written_end: int, said: str) -> None:
        """What is said up to this character."""
        if not self.text or self.text.endswith(" "):
            dropped = len(said) - len(said.lstrip())
            if dropped and written_end - self._written[-1] == len(said):
                self._pair(self._written[-1] + dropped)
            said = said.lstrip()
        self.text += said
        if written_end > self._written[-1]:
            self._pair(written_end)

    def _pair(self, written: int) -> None:
        self._written.append(written)
        self._said.append(len(self.text))

    def _leave_out_the_end(self, chars: int) -> None:
        """So many characters at the end are not said: what is before them stays in step."""
        before, last = self._written[-2:] if len(self._written) > 1 else (0, 0)
        if chars and last - before == self._said[-1] - self._said[-2 if len(self._said) > 1 else -1] > chars:
            self._written.insert(-1, last - chars)
            self._said.insert(-1, self._said[-1] - chars)

    def spoken(self, written: int) -> Spoken:
        text = self.text.rstrip()
        self._leave_out_the_end(len(self.text) - len(text))
        if not any(char.isalnum() for char in text):
            text = ""
        self.add(written, "")
        return Spoken(text, tuple(self._written), tuple(min(said, len(text)) for said in self._said))


def _read(text: str, out: _Out, offset: int, rules: tuple[re.Pattern[str], tuple[Rule, ...]]) -> None:
    """Everything outside of code."""
    if _PLAIN.fullmatch(text) and not _NOT_PLAIN.search(text):
        out.add(offset + len(text), text)
        return
    pattern, each = rules
    before, at = len(out.text), 0
    for match in pattern.finditer(text):
        out.add(offset + match.start(), text[at : match.start()])
        said = each[int((match.lastgroup or "r0")[1:])][1](match)
        out.add(offset + match.end(), _apart(said, text[: match.start()], text[match.end() :]))
        at = match.end()
    out.add(offset + len(text), text[at:])
    if not any(char.isalnum() for char in out.text[before:]) and any(char.isalnum() for char in text):
        out.text = out.text[:before]
        out.add(offset + len(text), " ".join(text.split()))


def _apart(said: str, before: str, after: str) -> str:
    """Words do not grow together with the letters around them."""
    if said[:1].isalnum() and before[-1:].isalnum():
        said = f" {said}"
    return f"{said} " if said[-1:].isalnum() and after[:1].isalnum() else said


@lru_cache(maxsize=2)
def _rules(*, is_english: bool) -> tuple[re.Pattern[str], tuple[Rule, ...]]:
    each = (*MARKUP, *RULES) if is_english else MARKUP
    return re.compile("|".join(f"(?P<r{number}>{pattern})" for number, (pattern, _) in enumerate(each))), each
