"""Numbers as English words. Pure."""

from __future__ import annotations

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion")
_IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
MOST_DIGITS = 3 * len(_SCALES)
"""Longer numbers are read digit by digit."""


def cardinal(number: int) -> str:
    """Any whole number below 10 to the power of `MOST_DIGITS`.

    >>> cardinal(-1234)
    'minus one thousand two hundred thirty-four'
    """
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number < 1000:
        return _below_thousand(number)
    parts: list[str] = []
    for scale in _SCALES:
        number, rest = divmod(number, 1000)
        if rest:
            parts.append(f"{_below_thousand(rest)} {scale}".strip())
    return " ".join(reversed(parts))


def ordinal(number: int) -> str:
    """
    >>> ordinal(21), ordinal(40), ordinal(112)
    ('twenty-first', 'fortieth', 'one hundred twelfth')
    """
    words = cardinal(number)
    at = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[at:]
    if last in _IRREGULAR:
        return words[:at] + _IRREGULAR[last]
    return words[:at] + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def year(number: int) -> str:
    """A year of four digits, as it is said.

    >>> year(1999), year(1900), year(1805), year(2000), year(2007), year(2024)
    ('nineteen ninety-nine', 'nineteen hundred', 'eighteen oh five', 'two thousand', 'two thousand seven', 'twenty twenty-four')
    """
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if not rest:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def digits(text: str) -> str:
    """
    >>> digits("007")
    'zero zero seven'
    """
    return " ".join(_SMALL[int(digit)] for digit in text)


def decimal(text: str) -> str:
    """A number as it is written: with thousands separators, a point, or leading zeros.

    >>> decimal("1,234.50"), decimal("007"), decimal("0.5")
    ('one thousand two hundred thirty-four point five zero', 'zero zero seven', 'zero point five')
    """
    whole, _, fraction = text.replace(",", "").partition(".")
    if len(whole) > MOST_DIGITS or (len(whole) > 1 and whole.startswith("0")):
        said = digits(whole)
    else:
        said = cardinal(int(whole or "0"))
    return f"{said} point {digits(fraction)}" if fraction else said


def plural(word: str) -> str:
    """
    >>> plural("foot"), plural("inch"), plural("dollar"), plural("ninety")
    ('feet', 'inches', 'dollars', 'nineties')
    """
    if word == "foot":
        return "feet"
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("ch", "x", "s")) else f"{word}s"


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    parts = [f"{_SMALL[hundreds]} hundred"] if hundreds else []
    if rest or not hundreds:
        tens, ones = divmod(rest, 10)
        parts.append(_SMALL[rest] if rest < 20 else _TENS[tens] + (f"-{_SMALL[ones]}" if ones else ""))
    return " ".join(parts)
