"""What to call a person of whom an id is all that is known."""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b

LONGEST_NAME = 40
MOST_WORDS = 4
_DOMAIN = re.compile(r"\w\w\.\S")
_BETWEEN = " '’.-"


def called(user_id: str) -> str:
    """The id where it reads like a name, else six characters that stand for it: nobody is called by an address, and none is told to a model.

    >>> called("Ann-Marie O'Neill"), called("ann@example.org"), called("user-42")
    ("Ann-Marie O'Neill", 'e97505', '3e3a07')
    """
    name = " ".join(user_id.split())
    return name if _is_name(name) else blake2b(user_id.encode(), digest_size=3).hexdigest()


def _is_name(text: str) -> bool:
    """Letters of any script (L, with their marks, M) and what stands between them in names; no digits, no address."""
    kinds = [unicodedata.category(letter)[0] for letter in text if letter not in _BETWEEN]
    return (
        kinds[:1] == ["L"]
        and set(kinds) <= {"L", "M"}
        and len(text) <= LONGEST_NAME
        and len(text.split()) <= MOST_WORDS
        and not _DOMAIN.search(text)
    )
