"""Which entries hold the words of a question best: pure, so that a benchmark can ask the same of a search of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

MANY = 600
"""Entries of one word that are looked at, the newest; words with more of them are left out while others find enough."""

_LEAST = 1e-6
"""What a word that most entries hold weighs, as in SQLite."""
_LONG = 1.2
_BY_LENGTH = 0.75
"""Of BM25 (Robertson and Zaragoza 2009, 3.4): k1 and b. How often an entry has a word is not looked at: in a sentence it is once."""


def candidates(rows: Sequence[Sequence[int]], *, among: int, limit: int) -> dict[int, float]:
    """The `limit` entries whose words are the rarest together, the best first, the newer first among equals.

    `rows` has the numbers of the entries with one of the words, at most `MANY`, for each word; the archive has about `among` entries.
    """
    weights: dict[int, float] = {}
    together = 0
    for holding in sorted(rows, key=len):
        if len(weights) >= limit and together + len(holding) > MANY:
            break
        together += len(holding)
        rarity = max(math.log(max(among - len(holding) + 0.5, 0.5) / (len(holding) + 0.5)), _LEAST)
        for row in holding:
            weights[row] = weights.get(row, 0.0) + rarity
    best = sorted(weights.items(), key=lambda one: (-one[1], -one[0]))
    return dict(best[:limit])


def ranked(weights: Mapping[int, float], lengths: Mapping[int, int]) -> list[int]:
    """Those of `weights` that have a length (characters), the best first: of two with the same words the shorter one says more of them.

    >>> ranked({1: 2.0, 2: 2.0, 3: 9.0}, {1: 80, 2: 20, 3: 50})
    [3, 2, 1]
    """
    usual = sum(lengths.values()) / max(len(lengths), 1)

    def weight(row: int) -> float:
        return weights[row] / (1 + _LONG * (1 - _BY_LENGTH + _BY_LENGTH * lengths[row] / max(usual, 1)))

    return sorted(lengths, key=lambda row: (-weight(row), row))
