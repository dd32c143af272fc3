"""What an engine is, what it is given of the conversation, and what it lets happen there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from voicemind.llm.contract import Piece
from voicemind.speech.audio import Pcm
from voicemind.store.values import Modality, Turn

StateName = Literal["waking", "listening", "thinking", "speaking"]
ToolStatus = Literal["running", "ok", "error"]


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
class Ducked:
    """The reply of this generation is to sound softer, because the person may have begun to speak, or as loud as before."""

    generation: int
    is_soft: bool


@dataclass(frozen=True, slots=True)
class Hushed:
    """The reply of this generation makes no more sound. `heard` is what the person has heard of it by now.

    A reply may come back after a false alarm: its sound then goes on at the position where it was cut.
    """

    generation: int
    heard: str = ""


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The agent uses a tool: `status` is `running`, `ok` or `error`; `ms` is how long it has taken."""

    call_id: str
    tool: str
    arguments: str
    status: ToolStatus
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class UserTurn:
    """The person's turn is stored. `message_id` is the client's own name for a typed message."""

    turn: Turn
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """The agent's turn is stored."""

    generation: int
    turn: Turn


@dataclass(frozen=True, slots=True)
class TurnTimed:
    """Where the time of a reply went, in milliseconds; see `Said.timings_ms`."""

    generation: int
    timings_ms: Mapping[str, float]


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


Event = (
    StateChanged
    | PartialWords
    | AgentText
    | AgentSound
    | Ducked
    | Hushed
    | ToolCalled
    | UserTurn
    | AgentTurn
    | TurnTimed
    | Trouble
    | Over
)


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a reply is to besides the conversation as it is stored.

    `supposing` is what the person is believed to have just said, which is not stored yet: the agent thinks early. `silence_s` is how long nobody has
    said anything, where the agent speaks up by itself.
    """

    supposing: str = ""
    silence_s: float = 0.0


NOW = Occasion()
"""Nothing but the conversation as it is stored."""


@dataclass(frozen=True, slots=True)
class Said:
    """How a reply ended: what the mind made of it, what the person heard of it, and where the time went.

    `timings_ms` counts milliseconds since the person had finished: `endpoint` until that was believed, `heard` until it was recognised, `thought_first` until the
    first token, `spoke_first` until the first sound was sent; and `early` is 1 where the answer had been thought of early. A part that did not happen is missing.
    """

    generation: int
    generated: str
    heard: str
    interrupted: bool
    timings_ms: Mapping[str, float] = field(default_factory=dict[str, float])


class Scene(Protocol):
    """The conversation as an engine sees it."""

    async def user_said(self, text: str, *, modality: Modality, message_id: str = "") -> None:
        """Store the person's turn and show it; returns once it is safe on disk."""
        ...

    def answer(self, occasion: Occasion = NOW) -> AsyncGenerator[Piece, None]:
        """The mind's reply to the conversation as it stands, and to this occasion. Nothing is stored by asking. Raises ProviderError."""
        ...

    async def agent_said(self, said: Said) -> None:
        """Store the agent's turn and show it; returns once it is safe on disk."""
        ...

    async def show(self, event: Event) -> None:
        """Let the client know. May wait where the client is slow."""
        ...


class Engine(Protocol):
    """Turns what comes in into replies, for one conversation. `run` serves until it is cancelled, `close` comes last."""

    @property
    def quiet(self) -> bool:
        """Whether nobody is saying anything: no utterance is open or unanswered, no reply is on its way. Another state is shown before it becomes true again."""
        ...

    async def run(self) -> None:
        """Serve until cancelled. What was being said then is stored as far as it was heard.

        Raises ProviderError where this engine cannot go on, though the conversation could with another one.
        """
        ...

    def hear(self, samples: bytes) -> None:
        """What the microphone hears: 16-bit mono at 16 kHz, any length. Never waits; where the engine falls behind by seconds, the oldest is dropped."""
        ...

    async def read(self, text: str, *, message_id: str = "") -> None:
        """The person typed this. Comes back with `user_said`, unless the engine stops before: then this returns and nothing comes of it."""
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

    def away(self) -> None:
        """Nobody can hear for a while: the reply that sounds is held where it is. Safe to call twice."""
        ...

    def back(self) -> None:
        """Somebody listens again: what was held goes on. Safe to call twice."""
        ...

    def played(self, generation: int, ms: float) -> None:
        """The client says how much of a reply has left its loudspeaker, in milliseconds."""
        ...
