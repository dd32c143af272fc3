"""What an engine is, what it is given of the conversation, and what it lets happen there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from voicemind.llm.contract import Piece
from voicemind.speech.audio import Pcm
from voicemind.store.values import Modality, Turn

StateName = Literal["waking", "listening", "thinking", "speaking"]


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The agent does something else now."""

    state: StateName


@dataclass(frozen=True, slots=True)
class PartialWords:
    """What the person has said so far; may change."""

    text: str


@dataclass(frozen=True, slots=True)
class AgentText:
    """The reply so far, as far as it is being shown or spoken."""

    generation: int
    text: str


@dataclass(frozen=True, slots=True)
class AgentSound:
    """A frame of the reply's sound; `position` counts samples since the reply began."""

    generation: int
    position: int
    pcm: Pcm


@dataclass(frozen=True, slots=True)
class Hushed:
    """The reply of this generation makes no more sound."""

    generation: int


@dataclass(frozen=True, slots=True)
class UserTurn:
    """The person's turn is stored."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """The agent's turn is stored."""

    generation: int
    turn: Turn


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something failed; the conversation goes on."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Over:
    """The session has ended: `reason` is `end`, `idle`, `gone`, `replaced` or `shutdown`; `turns` is how many are stored."""

    conversation_id: str
    reason: str
    turns: int


Event = StateChanged | PartialWords | AgentText | AgentSound | Hushed | UserTurn | AgentTurn | Trouble | Over


@dataclass(frozen=True, slots=True)
class Said:
    """How a reply ended: what the mind made of it, what the person heard of it, and where the time went (milliseconds since the person had finished)."""

    generation: int
    generated: str
    heard: str
    interrupted: bool
    timings_ms: Mapping[str, float] = field(default_factory=dict[str, float])


class Scene(Protocol):
    """The conversation as an engine sees it."""

    async def user_said(self, text: str, *, modality: Modality) -> None:
        """Store the person's turn and show it; returns once it is safe on disk."""
        ...

    def answer(self) -> AsyncGenerator[Piece, None]:
        """The mind's reply to the conversation as it stands. Raises ProviderError."""
        ...

    async def agent_said(self, said: Said) -> None:
        """Store the agent's turn and show it; returns once it is safe on disk."""
        ...

    async def show(self, event: Event) -> None:
        """Let the client know. May wait where the client is slow."""
        ...


class Engine(Protocol):
    """Turns what comes in into replies, for one conversation. `run` serves until it is cancelled, `close` comes last."""

    async def run(self) -> None:
        """Serve until cancelled. What was being said then is stored as far as it was heard."""
        ...

    async def hear(self, samples: bytes) -> None:
        """What the microphone hears: 16-bit mono at 16 kHz. Waits where the engine cannot keep up."""
        ...

    async def read(self, text: str) -> None:
        """The person typed this."""
        ...

    async def greet(self, text: str) -> None:
        """Say this without being asked."""
        ...

    async def interrupt(self) -> None:
        """Stop talking. Idempotent; answered with Hushed."""
        ...

    async def finish(self) -> None:
        """The conversation ends: stop talking, and store what the person said last, even if it is still being recognised. Takes seconds at most."""
        ...

    def close(self) -> None:
        """Let go of everything; after `run`, or instead of it. Safe to call twice."""
        ...

    def played(self, generation: int, ms: float) -> None:
        """The client says how much of a reply has left its loudspeaker, in milliseconds."""
        ...
