"""How long must somebody be silent to have finished? Decided from the words, the speaker's habits and, where it is there, the melody. Pure."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from voicemind.engines.cascade.words import QUESTION_MARKS, Assent, plain

_HANGING: dict[str, str] = {
    "en": "and or but because cause if while although though unless until which whose the a an of my your our their i we they i'm it's i'd i'll we're than um uh er erm"
    "|so when that who where to with for from by at in on into about his her its is are was were am be been like as not very really just well also then",
    "de": "und oder aber weil denn dass daß wenn ob obwohl während damit sondern der die das den dem des ein eine einen einem einer mein meine dein deine unser zu äh ähm"
    "|als bis sein ihr mit für von bei in im an am auf aus nach über unter ich wir ist sind war waren bin sehr auch noch nur also",
    "fr": "et ou mais parce que car donc si lorsque puisque le la les un une des du de d l à au aux mon ma mes ton ta tes notre votre leur je j euh ben"
    "|quand comme avec pour par dans sur sous chez en son sa ses nous est sont était suis très aussi alors",
    "es": "y e o u pero porque que si aunque mientras el la los las un una unos unas de del a al mi mis tu tus su sus nuestro yo eh este"
    "|cuando como hasta con por para en sobre sin son era eran soy estoy muy también pues es",
}
"""Words after which nobody stops; those behind the bar can end a sentence too: they count where no full stop follows."""

_NUMBERS: dict[str, str] = {
    "en": "zero oh one two three four five six seven eight nine double triple",
    "de": "null eins zwei zwo drei vier fünf sechs sieben acht neun",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
}
_DIGITS = re.compile(r"\d{1,4}")
_GOES_ON = (",", ":", ";", "-", "–", "—", "...", "…")
_OVER = (".", "!", "?", "。", "！", "？", "؟", "।")
_SHORT_ANSWERS = "yes no yeah nope stop thanks ja nein danke oui non merci sí gracias bye hello hi".split()  # noqa: SIM905 - easier to read


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """Milliseconds of silence after which somebody has finished whose words sound over, tell nothing, or sound unfinished."""

    over_ms: int = 200
    unknown_ms: int = 500
    unfinished_ms: int = 800
    prosody_ms: int = 150
    """How much the melody may shift that, either way."""


class Endpoint:
    """The silence that ends the turns of one person in one conversation."""

    def __init__(self, language: str, limits: EndpointLimits | None = None) -> None:
        self._limits = limits or EndpointLimits()
        self._assent = Assent(language)
        code = language.partition("-")[0].casefold()
        always, _, sometimes = _HANGING.get(code, "").partition("|")
        self._always_hanging = frozenset(always.split())
        self._hanging = frozenset((*always.split(), *sometimes.split()))
        self._numbers = frozenset(_NUMBERS.get(code, "").split())
        self._pauses: deque[int] = deque(maxlen=20)

    def paused(self, ms: int) -> None:
        """The person was silent for so long and then spoke on: that is a habit."""
        self._pauses.append(ms)

    @property
    def habit_ms(self) -> int:
        """The length below which four out of five of the person's pauses stay; 0 where less than three are known."""
        return sorted(self._pauses)[len(self._pauses) * 4 // 5] if len(self._pauses) >= 3 else 0

    def silence_ms(self, text: str, *, finished: float | None = None) -> int:
        """How much silence ends the turn after these words ("": not known yet), from `over_ms` to `unfinished_ms`.

        `finished` is the likelihood, 0 to 1, that the melody gives the turn to be over; it shifts the limit and never decides.
        """
        limits = self._limits
        if self.is_unfinished(text):
            needed = limits.unfinished_ms
        elif self._is_over(text):
            needed = max(limits.over_ms, self.habit_ms * 3 // 5)  # who pauses long may do so between sentences too
        else:
            needed = max(limits.unknown_ms, self.habit_ms * 5 // 4)
        if finished is not None:
            needed += round((0.5 - finished) * 2 * limits.prosody_ms)
        return min(max(needed, limits.over_ms), limits.unfinished_ms)

    def is_unfinished(self, text: str) -> bool:
        """Whether more must come: after a comma, an "and", a filler, or within a number that is being dictated.

        >>> Endpoint("en").is_unfinished("I went to the."), Endpoint("en").is_unfinished("What is it for?")
        (True, False)
        """
        text = text.strip()
        words = plain(text).split()
        if not words or text.endswith(tuple(QUESTION_MARKS)):
            return False
        hanging = self._always_hanging if text.endswith(".") else self._hanging
        if text.endswith(_GOES_ON) or (words[-1] in hanging and not self._assent.is_all(text)):
            return True
        return self._is_dictating(words)

    def _is_dictating(self, words: list[str]) -> bool:
        """Three numbers in a row, each of few digits: a telephone number is said in groups."""
        last = words[-3:]
        return len(last) == 3 and all(word in self._numbers or _DIGITS.fullmatch(word) for word in last)

    def _is_over(self, text: str) -> bool:
        text = text.strip()
        return text.endswith(_OVER) or plain(text) in _SHORT_ANSWERS or (bool(text) and self._assent.is_all(text))
