"""What waits to be sent on one socket: messages in order, and the sound between them, of which a slow client gets the newest only. Pure."""

from __future__ import annotations

from collections import deque

from voicemind.engines.contract import AgentSound
from voicemind.speech.audio import Pcm

MERGED_MS = 200
"""Sound that waits together is sent together, up to this length."""


class Post:
    """Of one socket. `queued_ms` of sound may wait; where there is more, the oldest is dropped. Times are monotonic seconds."""

    def __init__(self, *, queued_ms: float = 2000.0) -> None:
        self._queued_ms = queued_ms
        self._waiting: deque[str | AgentSound] = deque()
        self._sound_ms = 0.0
        self._behind_since: float | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, frame: str) -> None:
        """A message."""
        self._waiting.append(frame)

    def put_sound(self, sound: AgentSound, *, now: float) -> float:
        """A piece of sound; returns for how many seconds the client has been too slow."""
        self._waiting.append(sound)
        self._sound_ms += sound.pcm.duration_ms
        if self._sound_ms <= self._queued_ms:
            return 0.0
        self._drop(self._sound_ms - self._queued_ms)
        if self._behind_since is None:
            self._behind_since = now
        return now - self._behind_since

    def drop_sound(self) -> None:
        """No sound that waits is wanted any more."""
        if self._sound_ms:
            self._drop(self._sound_ms)

    def take(self) -> str | AgentSound | None:
        """What is to be sent next, pieces of sound that belong together as one; None where nothing waits."""
        if not self._waiting:
            self._behind_since = None
            return None
        first = self._waiting.popleft()
        if isinstance(first, str):
            return first
        self._sound_ms -= first.pcm.duration_ms
        return self._merged(first) if self._waiting else first

    def _merged(self, first: AgentSound) -> AgentSound:
        pieces, length = [first.pcm.samples], len(first.pcm.samples) // 2
        most = first.pcm.rate_hz * MERGED_MS // 1000
        while self._waiting:
            following = self._waiting[0]
            if (
                isinstance(following, str)
                or (following.generation, following.pcm.rate_hz) != (first.generation, first.pcm.rate_hz)
                or following.position != first.position + length
                or length + len(following.pcm.samples) // 2 > most
            ):
                break
            self._waiting.popleft()
            self._sound_ms -= following.pcm.duration_ms
            pieces.append(following.pcm.samples)
            length += len(following.pcm.samples) // 2
        if len(pieces) == 1:
            return first
        return AgentSound(first.generation, first.position, Pcm(b"".join(pieces), first.pcm.rate_hz))

    def _drop(self, ms: float) -> None:
        """Of the oldest sound, at least so much."""
        left: deque[str | AgentSound] = deque()
        for item in self._waiting:
            if ms > 0 and not isinstance(item, str):
                ms -= item.pcm.duration_ms
                self._sound_ms -= item.pcm.duration_ms
            else:
                left.append(item)
        self._waiting = left
        if not any(not isinstance(item, str) for item in left):
            self._sound_ms = 0.0
