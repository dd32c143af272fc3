"""Who somebody is whom a telephone network or a platform names: one id for each number, and none for nobody."""

from __future__ import annotations

import re

from voicemind.conversation.opening import MAX_ID_CHARS

_SIP = re.compile(r"^<?sips?:(?P<user>[^@;>?]*)(?:@(?P<host>[^;>?]*))?", re.IGNORECASE)
_BETWEEN_DIGITS = re.compile(r"[\s().\-/]")
_NUMBER = re.compile(r"\+?[0-9]{3,20}")
_WORLDWIDE = re.compile(r"(?:\+(?=[0-9]{7})|00(?=[0-9]{8}))(?P<digits>[0-9]{7,20})")
"""A number that is the same from wherever it is called; shorter ones may be somebody's ids."""
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
    """What stands in a field for a telephone number, or a SIP address, as the id of a person; None where it is kept back.

    A number is the same however it is written; an address, and a number that counts within one house alone, keep their host.
    """
    said = (number or "").strip()
    if address := _SIP.match(said):
        return _at_host(address["user"], (address["host"] or "").lower())
    plain = _BETWEEN_DIGITS.sub("", said)
    return somebody(_worldwide(plain) or (plain if _NUMBER.fullmatch(plain) else said))


def named(name: str | None) -> str | None:
    """The id of a person from where a name or a number may stand: read as a number only where it is surely one."""
    said = (name or "").strip()
    if _SIP.match(said) or (said.startswith(("+", "00")) and _worldwide(_BETWEEN_DIGITS.sub("", said))):
        return caller(said)
    return somebody(said)


def _at_host(user: str, host: str) -> str | None:
    if is_nobody(user):
        return None
    return somebody(_worldwide(_BETWEEN_DIGITS.sub("", user)) or (f"{user}@{host}" if host else user))


def _worldwide(plain: str) -> str | None:
    number = _WORLDWIDE.fullmatch(plain)
    return f"+{number['digits']}" if number else None
