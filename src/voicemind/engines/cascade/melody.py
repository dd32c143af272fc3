"""Asks in each pause of an utterance whether its melody sounds finished. Advice that comes too late, or not at all, is simply missing."""

from __future__ import annotations

from anyio.abc import TaskGroup

from voicemind.errors import ProviderError
from voicemind.speech.audio import INPUT_RATE_HZ
from voicemind.speech.prosody.contract import LONGEST_S, Prosody

_LONGEST_BYTES = LONGEST_S * INPUT_RATE_HZ * 2


class Melody:
    """Of one conversation; at most one question is asked at a time. Without a judge nothing is kept and nobody is asked."""

    def __init__(self, prosody: Prosody | None) -> None:
        self._prosody = prosody
        self._sound = bytearray()
        self._pause = 0
        self._asking = False
        self.finished: float | None = None
        """How likely it is that the person has finished, where that is known of the pause that goes on."""

    def begin(self, samples: bytes) -> None:
        """Another utterance, with this before it."""
        self.resume()
        self._sound.clear()
        self.add(samples)

    def add(self, samples: bytes) -> None:
        """More of it."""
        if self._prosody:
            self._sound += samples
            del self._sound[: max(0, len(self._sound) - _LONGEST_BYTES)]

    def pause(self, tasks: TaskGroup) -> None:
        """The person is silent: ask."""
        if self._prosody and not self._asking:
            self._asking = True
            tasks.start_soon(self._ask, self._prosody, bytes(self._sound), self._pause)

    def resume(self) -> None:
        """They speak on: what was thought of the pause does not count."""
        self._pause += 1
        self.finished = None

    async def _ask(self, prosody: Prosody, samples: bytes, pause: int) -> None:
        try:
            finished = await prosody.finished(samples)
        except ProviderError:
            self._prosody = None  # words and habits decide alone from now on
            return
        self._asking = False
        if pause == self._pause:
            self.finished = finished
