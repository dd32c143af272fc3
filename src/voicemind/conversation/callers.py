"""Who somebody is whom a telephone network or a platform names: one id for each number, and none for nobody."""

from __future__ import annotations

import re

from voicemind.conversation.opening import MAX_ID_CHARS

_SIP = re.compile(r"^<?sips?:(?P<user>[^@;>]*)", re.IGNORECASE)
_BETWEEN_DIGITS = re.compile(r"[\s().\-/]")
_NUMBER = re.compile(r"\+?[0-9]{3,20}")
_WITHHELD = ("anonymous", "blocked", "private", "restricted", "unavailable", "unknown", "withheld")
_KEYS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
_SPELT = tuple(word.translate(_KEYS) for word in _WITHHELD)
"""The keys of a telephone that spell these words: networks that must send a number send those."""

_NOBODY = frozenset({*_WITHHELD, *_SPELT, *(f"+{keys}" for keys in _SPELT), "none", "null", "undefined"})


def somebody(name: str | None) -> str | None:
    """The id of a person as it was given; None where it says that nobody knows, is a template that was not filled in, or can be no id."""
    said = (name or "").strip()
    if is_nobody(said) or "{{" in said or len(said) > MAX_ID_CHARS or not said.isprintable():
        return None
    return said


def is_nobody(name: str | None) -> bool:
    """Whether this says that nobody knows who it is."""
    said = (name or "").strip().lower()
    return not said or said in _NOBODY


def caller(number: str | None) -> str | None:
    """A caller's number or SIP address as the id of a person: the same however it is written; None where it is kept back."""
    said = (number or "").strip()
    address = _SIP.match(said)
    if address:
        said = address["user"]
    plain = _BETWEEN_DIGITS.sub("", said)
    if plain.startswith("00"):
        plain = "+" + plain[2:]
    return somebody(plain if _NUMBER.fullmatch(plain) else said)
