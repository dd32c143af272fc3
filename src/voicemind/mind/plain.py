"""What other people wrote, made harmless for a prompt: one visible line without anything like markup or a role."""

from __future__ import annotations

import re
import unicodedata

INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Categories that cannot be seen: controls, formats (zero width, tags), surrogates, private use, unassigned."""

_FILLERS = "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5"  # letters and marks that draw nothing
_LOOKALIKES = str.maketrans(
    {
        "<": "‹",
        ">": "›",
        "[": "(",
        "]": ")",
        "{": "(",
        "}": ")",
        "`": "'",
        "|": "/",
        "\\": "/",
        "＜": "‹",
        "＞": "›",
        "꞉": ":",
        "ː": ":",
        "∶": ":",
        "#": "",
    }
)
_ROLE = re.compile(r"\b(system|assistant|user|human|developer|tool|function|agent|ai)\s*:", re.IGNORECASE)
_RULE = re.compile(r"[-=*_~]{3,}")


def is_invisible(character: str) -> bool:
    """Whether a reader cannot see the character; line breaks, tabs and spaces do not count."""
    if character in "\n\r\t":
        return False
    return (
        unicodedata.category(character) in INVISIBLE
        or character in _FILLERS
        or 0xFE00 <= ord(character) <= 0xFE0F
        or 0xE0100 <= ord(character) <= 0xE01EF
    )


def visible(text: str) -> str:
    """The text in compatibility form (NFKC) without what cannot be seen; every run of white space is one space."""
    if text.isascii() and text.isprintable():  # nearly every line: nothing of it is hidden or has another form
        return " ".join(text.split())
    seen = "".join(character for character in text if not is_invisible(character))
    seen = unicodedata.normalize("NFKC", seen)
    return " ".join("".join(character for character in seen if not is_invisible(character)).split())


def one_line(text: str, *, limit: int = 1000) -> str:
    """The text as a line of data, cut at `limit` characters with an ellipsis. Applying it again changes nothing."""
    line = visible(text).translate(_LOOKALIKES)
    line = _RULE.sub("-", _ROLE.sub(r"\1 -", line))
    line = " ".join(line.split()).lstrip("-*+• ")
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
