"""What can be going on in a spoken conversation, and how patient its turn-taking is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import assert_never

from voicemind.engines.cascade.posture import Posture
from voicemind.engines.cascade.voice import ContestLimits, Voice


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
    """`silence_s` without a word let the agent speak up (0: never). An utterance is thought about early at most `early_tries` times (0: never).

    Assent that begins in the last `answer_s` of a reply that ends with a question answers it.
    """

    contest: ContestLimits = field(default_factory=ContestLimits)
    silence_s: float = 20.0
    early_tries: int = 3
    answer_s: float = 1.5


def state_of(phase: Phase, voice: Voice, posture: Posture, *, has_tools: bool, prompted: bool) -> State:
    """Where in the diagram a conversation is that nobody is leaving."""
    match phase:
        case Phase.EARLY:
            return State.EARLY
        case Phase.THINKING if has_tools:
            return State.TOOL_RUNNING
        case Phase.THINKING:
            return State.SUSPECTING if posture.held else State.THINKING
        case Phase.SPEAKING:
            return State.HUSHED if posture.held else State.DUCKED if posture.soft else State.SPEAKING
        case Phase.NONE:
            if voice.quiet:
                return State.SILENCE if prompted else State.LISTENING
            return State.HEARING if voice.sounding else State.RECOGNISING
        case _:
            assert_never(phase)
