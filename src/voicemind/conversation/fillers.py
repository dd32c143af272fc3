"""What is said in place of silence: a few words while the answer is late, an apology where there will be none. Pure.

A voice platform takes these words for the agent's and sends them back in its history; they are no part of the talk, so they are taken
out again. They end in `... ` so that the platform's voice goes on smoothly (ElevenLabs, "Buffer words", read in 2025-08).
"""

from __future__ import annotations

import re

_FILLERS: dict[str, tuple[str, ...]] = {
    "en": ("Hmm, let me think... ", "One moment... ", "Let me see... "),
    "de": ("Hm, einen Moment... ", "Mal sehen... ", "Lass mich kurz überlegen... "),
    "fr": ("Hmm, voyons... ", "Un instant... ", "Laissez-moi réfléchir... "),
    "es": ("Mmm, a ver... ", "Un momento... ", "Déjame pensar... "),
    "it": ("Mmh, vediamo... ", "Un momento... ", "Fammi pensare... "),
    "nl": ("Hm, even denken... ", "Een momentje... ", "Laat me eens kijken... "),
    "pt": ("Hmm, deixe-me ver... ", "Um momento... ", "Deixe-me pensar... "),
}
_APOLOGIES: dict[str, str] = {
    "en": "I'm sorry, I lost my thread for a moment. Could you say that again?",
    "de": "Entschuldigung, ich habe kurz den Faden verloren. Sagst du das bitte noch einmal?",
    "fr": "Pardon, j'ai perdu le fil un instant. Pouvez-vous répéter ?",
    "es": "Perdona, he perdido el hilo un momento. ¿Puedes repetirlo?",
    "it": "Scusa, ho perso il filo per un momento. Puoi ripetere?",
    "nl": "Sorry, ik was de draad even kwijt. Kun je dat nog een keer zeggen?",
    "pt": "Desculpe, perdi o fio por um momento. Pode repetir?",
}


def filler(language: str, *, turn: int) -> str:
    """Words for a late answer, others from turn to turn.

    >>> filler("en-GB", turn=1)
    'One moment... '
    """
    choices = _FILLERS.get(_spoken(language), _FILLERS["en"])
    return choices[turn % len(choices)]


def apology(language: str) -> str:
    """What is said where the model cannot answer."""
    return _APOLOGIES.get(_spoken(language), _APOLOGIES["en"])


def without_fillers(text: str) -> str:
    """What the agent said in truth: the text without a filler in front of it; nothing where it was a filler or an apology alone.

    >>> without_fillers("One moment… You live in Oslo.")
    'You live in Oslo.'
    >>> without_fillers("I'm sorry, I lost my thread")
    ''
    >>> without_fillers("I'm sorry.")
    "I'm sorry."
    """
    rest = _IN_FRONT.sub("", text, count=1)
    start = rest.lstrip()[:_START].casefold()
    if start and not start.startswith(_STARTS):
        return rest
    words = tuple(_words(rest))
    is_apology = len(words) >= _FEWEST_WORDS and any(known[: len(words)] == words for known in _APOLOGIES_WORDS)
    return "" if not words or is_apology else rest


def _spoken(language: str) -> str:
    return language.partition("-")[0].lower()


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


_FEWEST_WORDS = 4
"""A shorter beginning of an apology may be the agent's own."""
_APOLOGIES_WORDS = tuple(tuple(_words(known)) for known in _APOLOGIES.values())
_START = 16
_STARTS = tuple(sorted({words[0] for words in _APOLOGIES_WORDS}))
"""Cheap to look for, since nearly everything that is told is no apology."""
_IN_FRONT = re.compile(
    r"^\s*(?:"
    + "|".join(r"\W+".join(map(re.escape, _words(known))) for choices in _FILLERS.values() for known in choices)
    + r")(?:\s*(?:\.\.\.|…)\s*)",
    re.IGNORECASE,
)
