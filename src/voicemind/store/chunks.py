"""Long lists of ids in pieces that every database takes in one statement."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

IDS_AT_ONCE = 500
"""SQLite before 3.32 takes no more than 999 parameters in one statement."""


T = TypeVar("T")


def chunks(ids: Iterable[T]) -> Iterator[list[T]]:
    """The ids in their order, at most IDS_AT_ONCE at a time."""
    remaining = iter(ids)
    while chunk := list(itertools.islice(remaining, IDS_AT_ONCE)):
        yield chunk
