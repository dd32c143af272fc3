"""Who can be talked to: agents as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from voicemind.errors import UnknownAgent
from voicemind.mind.routing import Rule
from voicemind.store.values import MindKey

Scope = Literal["shared", "agent", "user"]
Holds = Literal["", "facts", "goals", "own_goals"]
"""What reflection puts into a block: `facts` about the person, the person's `goals`, or the agent's `own_goals`."""

Slug = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Label = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Short = Annotated[str, Meta(min_length=1, max_length=100)]
Line = Annotated[str, Meta(min_length=1, max_length=300)]
Text = Annotated[str, Meta(max_length=8000)]


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A labelled part of a mind.

    `limit` is in characters of rendered text. A block that `reflects` starts with the lines of `entries` and grows;
    every other block holds `text`, which in a file may stand elsewhere: `text_from = "world"` takes the text of
    `shared/world.toml`.
    """

    label: Label
    title: Short
    scope: Scope = "agent"
    limit: Annotated[int, Meta(ge=50, le=8000)] = 600
    reflects: bool = False
    holds: Holds = ""
    text: Text = ""
    text_from: Slug | None = None
    entries: Annotated[tuple[Line, ...], Meta(max_length=50)] = ()


class Models(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which models an agent thinks with, each named `provider` or `provider:model`; what is None is the server's own.

    `fast` answers, `strong` where `strong_when` says so. Where one cannot, those of `fallback` are asked in turn.
    """

    fast: Short | None = None
    strong: Short | None = None
    fallback: Annotated[tuple[Short, ...], Meta(max_length=5)] | None = None
    strong_when: Rule = Rule()


class Agent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A character or assistant.

    `voice`, `model` and `models` are None where the server's own are meant; `model` names one that is always asked first. `max_tokens` and `temperature` limit every reply.
    `reflection` says whether what is to be remembered is written at once or waits for a person's word.
    """

    slug: Slug
    name: Short
    description: Line
    first_message: Line
    blocks: Annotated[tuple[Block, ...], Meta(min_length=1, max_length=12)]
    aliases: Annotated[tuple[Short, ...], Meta(max_length=20)] = ()
    language: Annotated[str, Meta(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    voice: Short | None = None
    model: Short | None = None
    models: Models | None = None
    max_tokens: Annotated[int, Meta(ge=16, le=4096)] = 160
    temperature: Annotated[float, Meta(ge=0, le=2)] = 0.7
    reflection: Literal["automatic", "review"] = "automatic"

    @property
    def reflective(self) -> tuple[Block, ...]:
        """The blocks that reflection may write."""
        return tuple(block for block in self.blocks if block.reflects)

    @property
    def is_private(self) -> bool:
        """Whether each person has a mind of their own with this agent."""
        return any(block.scope == "user" for block in self.reflective)

    def block(self, label: str) -> Block | None:
        """The block of that label."""
        return next((block for block in self.blocks if block.label == label), None)

    def mind_key(self, tenant: str, user_id: str) -> MindKey:
        """Whose mind a talk with this person is about."""
        return MindKey(tenant, self.slug, user_id if self.is_private else "")

    def seed(self) -> dict[str, list[str]]:
        """The lines that a new mind starts with, for each reflective block."""
        return {block.label: list(block.entries) for block in self.reflective}


def find_agent(agents: Mapping[str, Agent], name: str) -> Agent:
    """The agent of that slug or alias. Raises UnknownAgent."""
    if name in agents:
        return agents[name]
    for agent in agents.values():
        if name in agent.aliases:
            return agent
    raise UnknownAgent("There is no agent of that name.", param="model")
