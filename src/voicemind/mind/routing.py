"""Which of an agent's two models a turn is for: the fast one, or the strong one where the turn asks for more. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Tier = Literal["fast", "strong"]

_WORD = re.compile(r"\w+")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the strong model answers: any one of these is enough.

    Voice platforms offer tools of their own with every turn, hence `tools` is off unless a file says so.
    The person said more than `longer_than` characters (0: however much), one of `words` (a word or a phrase, in any case), the model may
    use tools and `tools` is set, or the turn carries one of the tags `intents`.
    """

    longer_than: Annotated[int, Meta(ge=0, le=100_000)] = 240
    words: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=60)], ...], Meta(max_length=50)] = (
        "why",
        "explain",
        "compare",
        "plan",
    )
    tools: bool = False
    intents: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=60)], ...], Meta(max_length=50)] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a turn is like: what the person `said` last, whether `tools` may be called, and the tag of what it is about."""

    said: str = ""
    tools: bool = False
    intent: str = ""


def route(rule: Rule, facts: Facts) -> Tier:
    """The model for a turn.

    >>> route(Rule(), Facts("Good morning!"))
    'fast'
    >>> route(Rule(), Facts("Why does the loom creak?"))
    'strong'
    """
    is_long = 0 < rule.longer_than < len(facts.said)
    is_tagged = bool(facts.intent) and facts.intent in rule.intents
    if is_long or is_tagged or (rule.tools and facts.tools):
        return "strong"
    said = _plain(facts.said)
    return "strong" if any(_plain(word) in said for word in rule.words if _WORD.search(word)) else "fast"


def _plain(text: str) -> str:
    """The words alone, each between two spaces, so that a whole word or phrase can be looked for."""
    return f" {' '.join(_WORD.findall(text.lower()))} "
