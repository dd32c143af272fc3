"""When does speech begin, pause and end? Decided from the probabilities of 32 ms windows, without any waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voicemind.speech.vad.contract import WINDOW_MS

Edge = Literal["started", "lasting", "paused", "resumed", "ended"]


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Thresholds are probabilities, times are milliseconds.

    `onset_ms` of speech in a row begin an utterance; while the agent itself is audible, only what is likelier than `speech_over_agent` counts for that.
    After `pause_ms` of silence the person pauses, `resume_ms` of speech in a row end the pause. `lasting_ms` are the lengths of speech that are told.
    An utterance that lasts for `long_ms` ends with its next pause, and in the middle of a word once it lasts for `longest_ms`; what follows is another one.
    """

    speech: float = 0.5
    speech_over_agent: float = 0.6
    silence: float = 0.35
    onset_ms: int = 96
    pause_ms: int = 96
    resume_ms: int = 64
    lasting_ms: tuple[int, ...] = (300, 1200)
    long_ms: int = 50_000
    longest_ms: int = 60_000


class SpeechGate:
    """The edges of one person's utterances. Within an utterance, what is neither speech nor silence counts as half a silence."""

    def __init__(self, limits: GateLimits | None = None) -> None:
        self._limits = limits or GateLimits()
        self.speaking = False
        """Whether an utterance is open, pauses included."""
        self.paused = False
        self.speech_ms = 0
        """How much speech the newest utterance has."""
        self.quiet_ms = 0
        """How long it has been silent since."""
        self._run_ms = self._open_ms = 0
        self._told = 0

    def feed(self, probability: float, *, silence_ms: int, agent_audible: bool = False) -> Edge | None:
        """One more window. `silence_ms` of silence end the utterance; it counts within a pause only."""
        limits = self._limits
        is_speech = probability >= (limits.speech_over_agent if agent_audible and not self.speaking else limits.speech)
        self._run_ms = self._run_ms + WINDOW_MS if is_speech else 0
        if not self.speaking:
            return self._begun()
        self._open_ms += WINDOW_MS
        edge = self._gone(probability, is_speech=is_speech, silence_ms=silence_ms)
        if self._open_ms >= limits.longest_ms or (edge == "paused" and self._open_ms >= limits.long_ms):
            self.speaking = self.paused = False
            self._run_ms = 0
            return "ended"
        return edge

    def _gone(self, probability: float, *, is_speech: bool, silence_ms: int) -> Edge | None:
        limits = self._limits
        if self.paused:
            return self._gone_on() if self._run_ms >= limits.resume_ms else self._silent(WINDOW_MS, silence_ms)
        if is_speech:
            self.speech_ms += WINDOW_MS
            self.quiet_ms = 0
            return self._lasted()
        return self._silent(WINDOW_MS if probability < limits.silence else WINDOW_MS // 2, silence_ms)

    def _begun(self) -> Edge | None:
        if self._run_ms < self._limits.onset_ms:
            return None
        self.speaking, self.paused = True, False
        self.speech_ms, self.quiet_ms, self._told, self._open_ms = self._run_ms, 0, 0, 0
        return "started"

    def _gone_on(self) -> Edge:
        self.paused = False
        self.speech_ms += self._run_ms
        self.quiet_ms = 0
        return "resumed"

    def _lasted(self) -> Edge | None:
        told = sum(self.speech_ms >= ms for ms in self._limits.lasting_ms)
        if told <= self._told:
            return None
        self._told = told
        return "lasting"

    def _silent(self, ms: int, silence_ms: int) -> Edge | None:
        self.quiet_ms += ms
        if not self.paused:
            if self.quiet_ms < self._limits.pause_ms:
                return None
            self.paused = True
            return "paused"
        if self.quiet_ms < silence_ms:
            return None
        self.speaking = self.paused = False
        return "ended"
