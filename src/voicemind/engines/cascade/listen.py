"""Recognises one utterance while it is being said: partial words now and then, and in its pauses at once, the final words at its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from voicemind.engines.cascade.bell import Bell
from voicemind.errors import ProviderError
from voicemind.speech.audio import INPUT_RATE_HZ
from voicemind.speech.stt.contract import Stt, WholePartials

PARTIAL_EVERY_MS = 500
PAUSED_PARTIAL_EVERY_MS = 96
"""In a pause, a recogniser whose partials come behind the sound is asked again and again: the last words are still on their way."""
HAND_OVER_MS = 96

_BYTES_PER_MS = INPUT_RATE_HZ * 2 // 1000


class Listener:
    """One utterance. `add`, `hasten`, `pause`, `resume` and `end` never wait; `run` does the work and reports."""

    def __init__(self, stt: Stt, *, before: bytes = b"") -> None:
        """`before` is the sound before the beginning was noticed."""
        self._stt = stt
        self._is_whole = isinstance(stt, WholePartials) and stt.whole_partials
        self._pending: list[bytes] = [before]
        self._pending_bytes = 0
        self._fresh_bytes = -len(before)
        self._changed = Bell()
        self._wanted = False
        self._paused = False
        self._pauses = 0
        self._ended = False
        self._end = anyio.Event()
        self._covers = False
        self.partial = ""

    @property
    def words(self) -> str:
        """The words before the pause that goes on now; empty where they are not known yet."""
        return self.partial if self._paused and self._covers else ""

    def add(self, samples: bytes) -> None:
        """More of what is being said."""
        self._pending.append(samples)
        self._pending_bytes += len(samples)
        if self._pending_bytes >= HAND_OVER_MS * _BYTES_PER_MS:
            self._changed.ring()

    def hasten(self) -> None:
        """A partial is wanted now."""
        self._wanted = True
        self._changed.ring()

    def pause(self) -> None:
        """The person is silent: what was added until now may be all."""
        self._paused, self._covers = True, False
        self._pauses += 1
        self.hasten()

    def resume(self) -> None:
        """It was not all."""
        self._paused = self._covers = False

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._changed.ring()
        self._end.set()

    async def run(self, on_partial: Callable[[str, bool], None], on_final: Callable[[str], Awaitable[None]]) -> None:
        """Recognise until the end. `on_partial` is given the words and whether they are whole: nothing was said since that they do not have.

        Exactly one call of `on_final` comes last, with "" where nothing was said. Raises ProviderError after that call when the recogniser failed.
        """
        text, failure = "", None
        try:
            text = await self._recognise(on_partial)
        except ProviderError as error:
            failure = error
            await self._end.wait()  # the words must not come before the end of the speech
        await on_final(text)
        if failure:
            raise failure

    async def _recognise(self, on_partial: Callable[[str, bool], None]) -> str:
        async with self._stt.utterance() as utterance:
            while not self._ended:
                await self._changed.wait()
                await self._hand_over(utterance.feed)
                if self._is_due() and not self._ended:
                    self._wanted, self._fresh_bytes = False, 0
                    pause = self._pauses if self._paused else 0
                    words = (await utterance.partial()).strip()
                    self._covers = self._paused and pause == self._pauses
                    self.partial = words
                    on_partial(words, self._covers and self._is_whole)
            if self._is_whole and self._covers:
                return self.partial
            await self._hand_over(utterance.feed)
            return (await utterance.finish()).strip()

    def _is_due(self) -> bool:
        """Whether to ask for the words so far. In a pause whose words are known for certain there is nothing to ask."""
        if self._paused and self._is_whole:
            return self._wanted
        every_ms = PAUSED_PARTIAL_EVERY_MS if self._paused else PARTIAL_EVERY_MS
        return self._wanted or self._fresh_bytes >= every_ms * _BYTES_PER_MS

    async def _hand_over(self, feed: Callable[[bytes], Awaitable[None]]) -> None:
        """Give the recogniser what has come in."""
        samples, self._pending, self._pending_bytes = b"".join(self._pending), [], 0
        if samples:
            self._fresh_bytes += len(samples)
            await feed(samples)
