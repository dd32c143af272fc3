"""Long lists of ids in pieces that every database takes in one statement."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

IDS_AT_ONCE = 500
"""SQLite before 3.32 takes no more than 999 parameters in one statement."""


def chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """The ids in their order, at most IDS_AT_ONCE at a time."""
    remaining = iter(ids)
    while chunk := list(itertools.islice(remaining, IDS_AT_ONCE)):
        yield chunk
