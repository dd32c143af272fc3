"""Compare and set: whoever finds that the mind has changed since they read it begins anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from voicemind.errors import StaleVersion

ROUNDS = 5
T = TypeVar("T")


async def afresh(attempt: Callable[[], Awaitable[T]]) -> T:
    """What the attempt returns: reading, thinking and writing, from the start where StaleVersion says that somebody was faster.

    Raises StaleVersion where that happens ROUNDS times in a row.
    """
    for _ in range(ROUNDS):
        try:
            return await attempt()
        except StaleVersion:
            continue
    raise StaleVersion("The mind changes faster than this can be written.")
