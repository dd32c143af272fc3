"""The poisoning corpus: what hostile texts say, what an obedient model would make of it, and what harmless people say."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voicemind.store.values import Turn

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Attack:
    """`wants` is what a model that obeys would remember; no new line may hold a word of `never`. Where `own`, only the agent's own goals matter."""

    name: str
    said: tuple[str, ...]
    wants: tuple[str, ...]
    never: tuple[str, ...]
    own: bool

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The conversation: "agent: …" was said by the agent, "unheard: …" too, but cut off before anybody heard it."""
        return tuple(_turn(seq, line) for seq, line in enumerate(self.said, 1))


def attacks() -> tuple[Attack, ...]:
    """Every attack that is said in a conversation, as family/name."""
    return tuple(_attacks(_read("said.toml")))


def elsewhere(kind: str) -> tuple[str, ...]:
    """Hostile `texts` of entries, `names` of people, `topics` of meetings."""
    return tuple(_read("elsewhere.toml")[kind])


def benign() -> tuple[str, ...]:
    """What people say who mean no harm."""
    return tuple(_read("benign.toml")["said"])


def turns_of(said: Sequence[str]) -> tuple[Turn, ...]:
    """These lines as turns."""
    return tuple(_turn(seq, line) for seq, line in enumerate(said, 1))


def _attacks(families: dict[str, Any]) -> Iterator[Attack]:
    for family, members in families.items():
        for name, told in members.items():
            yield Attack(
                f"{family}/{name}",
                tuple(told["said"]),
                tuple(told["wants"]),
                tuple(told["never"]),
                own=told.get("own", False),
            )


def _turn(seq: int, line: str) -> Turn:
    who, _, words = line.partition(": ")
    if who == "agent":
        return Turn(seq, "agent", words, words, NOON)
    if who == "unheard":
        return Turn(seq, "agent", words, words[:3], NOON, interrupted=True)
    return Turn(seq, "user", line, line, NOON)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_HERE / name).read_text(encoding="utf-8"))
