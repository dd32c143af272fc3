"""When does speech begin and end? Decided from the probabilities of 32 ms windows, without any waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voicemind.speech.vad.contract import WINDOW_MS

Edge = Literal["started", "ended"]


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Thresholds are probabilities, times are milliseconds.

    `onset_ms` of speech in a row begin an utterance; `barge_in_ms` of it are needed while the agent itself is audible.
    `silence_ms` without speech end it, `settled_silence_ms` where what was said so far sounds complete.
    """

    speech: float = 0.5
    silence: float = 0.35
    onset_ms: int = 96
    barge_in_ms: int = 256
    silence_ms: int = 704
    settled_silence_ms: int = 448


class SpeechGate:
    """The edges of one person's utterances."""

    def __init__(self, limits: GateLimits | None = None) -> None:
        self._limits = limits or GateLimits()
        self._speaking = False
        self._loud_ms = 0
        self._quiet_ms = 0

    def feed(self, probability: float, *, agent_audible: bool = False, settled: bool = False) -> Edge | None:
        """One more window. `settled` says that the words so far sound like a finished sentence."""
        limits = self._limits
        if not self._speaking:
            self._loud_ms = self._loud_ms + WINDOW_MS if probability >= limits.speech else 0
            if self._loud_ms < (limits.barge_in_ms if agent_audible else limits.onset_ms):
                return None
            self._speaking, self._loud_ms, self._quiet_ms = True, 0, 0
            return "started"
        if probability >= limits.speech:
            self._quiet_ms = 0
        elif probability < limits.silence:
            self._quiet_ms += WINDOW_MS
        if self._quiet_ms < (limits.settled_silence_ms if settled else limits.silence_ms):
            return None
        self._speaking, self._quiet_ms = False, 0
        return "ended"
