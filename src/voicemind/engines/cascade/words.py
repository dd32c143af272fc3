"""What the words of a person tell about whose turn it is: assent, noise, a sentence that is not over. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_NOISE = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*")
"""Recognisers write (coughs), [noise] or *laughs*."""

QUESTION_MARKS = "?？؟"
_ASKS = re.compile(rf"[{QUESTION_MARKS}]\W*$")
_BETWEEN_WORDS = re.compile(r"[^\w'’]+", re.UNICODE)

_HUMS = frozenset("mhm mmhm mhmm mm mmm mh hm hmm hmmm uhhuh ah aha oh ooh uh um er erm eh".split())  # noqa: SIM905 - easier to read
_HUMMED = ("uh huh", "mm hmm", "m hm")
_ASSENT: dict[str, str] = {
    "en": "yeah yea yep yup yes right sure cool nice wow exactly indeed absolutely totally definitely gotcha true alright|i see|got it|of course|"
    "uh huh|mm hmm|all right|that's right|makes sense|you know|oh really|go on",
    "de": "ja jaja jo joa genau klar richtig stimmt eben gut schön aha soso ach|ach so|ja klar|alles klar|na klar|ganz genau|verstehe|ich verstehe|okay gut|äh ähm hm",
    "fr": "oui ouais ouaip voilà exactement exact bien sûr certes tiens super euh bah ben hein|d'accord|bien sûr|je vois|ah bon|c'est ça|tout à fait|bien entendu|en effet|ça marche",
    "es": "sí si ya claro vale bueno bien exacto eso ajá cierto correcto eh este|ya veo|por supuesto|de acuerdo|está bien|así es|entiendo|ah sí",
}
"""Words and phrases (between bars) of somebody who listens. Commands such as "no", "stop" and "wait" are never among them."""

LONGEST_ASSENT = 5
"""A listener's sound has at most so many words: "yeah yeah okay, I see"."""


def plain(text: str) -> str:
    """The words alone: in small letters, without punctuation, noises and double spaces.

    >>> plain(" My cat — is called  Biscuit! (coughs)")
    'my cat is called biscuit'
    """
    folded = unicodedata.normalize("NFC", _NOISE.sub(" ", text)).casefold().replace("’", "'")
    return _BETWEEN_WORDS.sub(" ", folded).strip(" '")


def asks(text: str) -> bool:
    """Whether the last words are a question, whatever quotes and pictures stand behind them.

    >>> asks('So she said: "Shall I?"'), asks("Shall I? I will.")
    (True, False)
    """
    return _ASKS.search(text) is not None


def same_words(one: str, other: str) -> bool:
    """Whether both say the same, whatever their punctuation."""
    return plain(one) == plain(other)


class Assent:
    """Tells the sounds of a listener from words, in one language; where the language is not known here, hums alone are such sounds."""

    def __init__(self, language: str) -> None:
        self._words, self._phrases = _assent(language.partition("-")[0].casefold())

    def is_all(self, text: str, *, hums: bool = False) -> bool:
        """Whether there is nothing in the text that would interrupt anybody, or nothing but `hums`: "mhm" says nothing, "yes" may. True for no words at all.

        >>> Assent("en").is_all("Yeah, yeah. Uh-huh."), Assent("en").is_all("Yeah, but why?"), Assent("ja").is_all("mhm")
        (True, False, True)
        """
        rest = plain(text)
        phrases, known = (_HUMMED, _HUMS) if hums else (self._phrases, self._words)
        for phrase in phrases:
            rest = re.sub(rf"(?<!\w){re.escape(phrase)}(?!\w)", " hm ", rest)
        words = rest.split()
        return len(words) <= LONGEST_ASSENT and all(word in known for word in words)


@cache
def _assent(code: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The words and the phrases of a language, plain."""
    words, *phrases = _ASSENT.get(code, "").split("|")
    known = frozenset(plain(word) for word in (*_HUMS, "ok", "okay", *words.split()))
    return known, tuple(plain(phrase) for phrase in (*phrases, *_HUMMED))
