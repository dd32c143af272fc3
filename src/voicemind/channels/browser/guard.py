"""How much of what may come from one client: mistakes are forgiven up to a point, and nobody speaks three times as fast as others. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voicemind.errors import TooFast
from voicemind.speech.audio import INPUT_RATE_HZ


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one socket."""

    mistakes: int = 10
    """So many messages that cannot be used, within `mistakes_s`, close the socket."""
    mistakes_s: float = 10.0
    window_s: float = 5.0
    """Over this time sound and messages are counted: who was cut off for a moment may catch up."""
    speed: float = 3.0
    """How much faster than real time sound may come in."""
    messages_a_second: float = 200.0
    early_s: float = 2.0
    """How much sound is kept of what comes before the session is ready; the newest."""
    early_messages: int = 16
    """How many other messages are."""
    queued_s: float = 2.0
    """How much sound may wait for a slow client; then the oldest is dropped."""
    behind_s: float = 5.0
    """How long sound may be dropped like that before the socket is closed."""
    resume_s: float = 5.0
    """How long a client that wants to resume may take to say what."""
    kept_messages: int = 512
    """How many messages are kept for a client that was cut off."""
    kept_bytes: int = 64 * 1024
    epilogues: int = 512
    """Of how many sessions that are over the last messages are kept, for clients that lost their connection before these arrived."""
    epilogue_bytes: int = 4 * 1024 * 1024
    """How much that may be, all in all."""
    flush_s: float = 5.0
    """How long the last messages may take to leave."""


class Guard:
    """Counts what one socket brings. Times are monotonic seconds and never run backwards."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._most_bytes = limits.speed * limits.window_s * INPUT_RATE_HZ * 2
        self._most_messages = limits.messages_a_second * limits.window_s
        self._began = 0.0
        self._bytes = self._messages = 0
        self._mistakes: deque[float] = deque()

    def came(self, now: float, sound_bytes: int = 0) -> None:
        """One more message, with so much sound. Raises TooFast."""
        if now - self._began >= self._limits.window_s:
            self._began, self._bytes, self._messages = now, 0, 0
        self._bytes += sound_bytes
        self._messages += 1
        if self._bytes > self._most_bytes or self._messages > self._most_messages:
            raise TooFast("You send faster than anybody can speak.")

    def too_many_mistakes(self, now: float) -> bool:
        """One more message that cannot be used; whether that is too many."""
        self._mistakes.append(now)
        while self._mistakes[0] <= now - self._limits.mistakes_s:
            self._mistakes.popleft()
        return len(self._mistakes) >= self._limits.mistakes
