"""What a person asks of a command, as plain values."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

from voicemind.errors import BadRequest

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


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person says of one proposed change; `text` are the words that they would rather have."""

    verdict: Literal["accept", "edit", "reject"]
    text: str = ""

    @classmethod
    def parsed(cls, word: str) -> Decision:
        """Raises BadRequest.

        >>> Decision.parsed("edit=Has a dog.")
        Decision(verdict='edit', text='Has a dog.')
        """
        verdict, _, text = word.partition("=")
        if verdict == "edit" and text.strip():
            return cls("edit", text.strip())
        if word == "accept":
            return cls("accept")
        if word == "reject":
            return cls("reject")
        raise BadRequest("--decide takes accept, reject, or edit=TEXT, once for each change, in their order.")


@dataclass(frozen=True, slots=True)
class Decisions:
    """What scripts decide beforehand: the same of every change, or a word for each; neither: the person is asked."""

    same: Literal["accept", "reject"] | None = None
    each: tuple[Decision, ...] = ()

    def for_all(self, count: int) -> list[Decision] | None:
        """A decision for each of so many changes; None where the person is to be asked. Raises BadRequest for another number of them."""
        if self.same:
            return [Decision(self.same)] * count
        if self.each and len(self.each) != count:
            raise BadRequest(f"There are {count} changes to decide on, and {len(self.each)} times --decide.")
        return list(self.each) or None


@dataclass(frozen=True, slots=True)
class Meeting:
    """Who meets whom, and about what. `id` names one that other agents may be in already; `user` is the person, for agents with private minds."""

    participants: list[str]
    topic: str
    kind: str
    id: str | None
    user: str | None
