"""What a person asks of a command, as plain values."""

from __future__ import annotations

import sys
from dataclasses import dataclass

EVERYTHING = sys.maxsize


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much of a list: at most `limit` rows behind the place that `cursor` stands for. `as_json`: a program reads it."""

    limit: int = EVERYTHING
    cursor: str | None = None
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Whose:
    """Which mind. Without a `user` it is that of whoever talks in this terminal, or the only one that the agent has."""

    agent: str
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Manner:
    """How a change is made: only from that version, where one is named. `as_json`: a program reads what became of it."""

    if_version: int | None = None
    as_json: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """The condition as a header."""
        return {} if self.if_version is None else {"If-Match": f'"v{self.if_version}"'}
