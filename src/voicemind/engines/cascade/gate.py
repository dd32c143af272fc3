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
    After `pause_ms` of silence the person pauses, `resume_ms` of speech in a row end the pause. `lasting_ms` are the lengths of speech that are told, the shortest first.
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

    def pass_by(self, probability: float) -> bool:
        """Take in a window with which nothing begins, pauses or ends: `feed` would return None, whatever else it is given. False, and nothing has changed, for any other."""
        limits = self._limits
        if not self.speaking:
            if probability >= limits.speech:
                return False
            self._run_ms = 0
            return True
        if self.paused or probability < limits.speech or self._open_ms + WINDOW_MS >= limits.longest_ms:
            return False
        told = self._told
        if told < len(limits.lasting_ms) and self.speech_ms + WINDOW_MS >= limits.lasting_ms[told]:
            return False
        self._run_ms += WINDOW_MS
        self._open_ms += WINDOW_MS
        self.speech_ms += WINDOW_MS
        self.quiet_ms = 0
        return True

    def end(self, quiet_ms: int) -> None:
        """The pause has ended the utterance before the next window was judged, after so much silence."""
        self.quiet_ms = quiet_ms
        self.speaking = self.paused = False

    def feed(
        self, probability: float, *, silence_ms: int, agent_audible: bool = False, still_ms: int = 0
    ) -> Edge | None:
        """One more window. `silence_ms` of silence end the utterance; it counts within a pause only.

        `still_ms`: for how long there has been no sound, this window included. It counts once a window is silent.
        """
        limits = self._limits
        is_speech = probability >= (limits.speech_over_agent if agent_audible and not self.speaking else limits.speech)
        self._run_ms = self._run_ms + WINDOW_MS if is_speech else 0
        if not self.speaking:
            return self._begun()
        self._open_ms += WINDOW_MS
        edge = self._gone(probability, is_speech=is_speech, silence_ms=silence_ms, still_ms=still_ms)
        if self._open_ms >= limits.longest_ms or (edge == "paused" and self._open_ms >= limits.long_ms):
            self.speaking = self.paused = False
            self._run_ms = 0
            return "ended"
        return edge

    def _gone(self, probability: float, *, is_speech: bool, silence_ms: int, still_ms: int) -> Edge | None:
        limits = self._limits
        if probability >= limits.silence:
            still_ms = 0
        if self.paused:
            if self._run_ms >= limits.resume_ms:
                return self._gone_on()
            return self._silent(self.quiet_ms + WINDOW_MS, silence_ms)
        if is_speech:
            self.speech_ms += WINDOW_MS
            self.quiet_ms = 0
            return self._lasted()
        ms = WINDOW_MS if probability < limits.silence else WINDOW_MS // 2
        return self._silent(max(self.quiet_ms + ms, still_ms), silence_ms)

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

    def _silent(self, quiet_ms: int, silence_ms: int) -> Edge | None:
        self.quiet_ms = quiet_ms
        if not self.paused:
            if self.quiet_ms < self._limits.pause_ms:
                return None
            self.paused = True
            return "paused"
        if self.quiet_ms < silence_ms:
            return None
        self.speaking = self.paused = False
        return "ended"
