"""What can be going on in a spoken conversation, and how patient its turn-taking is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from voicemind.engines.cascade.voice import ContestLimits


class State(Enum):
    """What is going on; the names are those of the diagram."""

    LISTENING = "listening"
    SILENCE = "silence"
    HEARING = "hearing"
    RECOGNISING = "recognising"
    EARLY = "thinking early"
    THINKING = "thinking"
    TOOL_RUNNING = "tool running"
    SUSPECTING = "suspecting"
    SPEAKING = "speaking"
    DUCKED = "ducked"
    HUSHED = "hushed"
    LEAVING = "leaving"


class Phase(Enum):
    """How far the newest reply is."""

    NONE = "none"
    EARLY = "early"
    THINKING = "thinking"
    SPEAKING = "speaking"


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """`silence_s` without a word let the agent speak up (0: never). An utterance is thought about early at most `early_tries` times (0: never)."""

    contest: ContestLimits = field(default_factory=ContestLimits)
    silence_s: float = 20.0
    early_tries: int = 3
