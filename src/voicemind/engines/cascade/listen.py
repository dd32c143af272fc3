"""Recognises one utterance while it is being said: partial words now and then, the final words at its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from voicemind.errors import ProviderError
from voicemind.speech.audio import INPUT_RATE_HZ
from voicemind.speech.stt.contract import Stt

PARTIAL_EVERY_MS = 500
LONGEST_UTTERANCE_S = 120
"""After this much speech without a pause the rest is not recognised: it bounds the memory of a session."""


class Listener:
    """One utterance. `add` and `end` never wait; `run` does the work and reports."""

    def __init__(self, stt: Stt) -> None:
        self._stt = stt
        self._pending: list[bytes] = []
        self._bytes = 0
        self._changed = anyio.Event()
        self._ended = False
        self._end = anyio.Event()
        self.partial = ""

    @property
    def sounds_finished(self) -> bool:
        """Whether the words so far look like a whole sentence."""
        return self.partial.endswith((".", "?", "!"))

    def add(self, samples: bytes) -> None:
        """More of what is being said."""
        if self._bytes < LONGEST_UTTERANCE_S * INPUT_RATE_HZ * 2:
            self._pending.append(samples)
            self._bytes += len(samples)
            self._changed.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._changed.set()
        self._end.set()

    async def run(
        self, on_partial: Callable[[str], Awaitable[None]], on_final: Callable[[str], Awaitable[None]]
    ) -> None:
        """Recognise until the end. Exactly one call of `on_final` comes last, with "" where nothing was said.

        Raises ProviderError after that call when the recogniser failed.
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

    async def _recognise(self, on_partial: Callable[[str], Awaitable[None]]) -> str:
        async with self._stt.utterance() as utterance:
            fresh_ms = 0.0
            while not self._ended:
                await self._changed.wait()
                fresh_ms += await self._hand_over(utterance.feed)
                if fresh_ms >= PARTIAL_EVERY_MS and not self._ended:
                    fresh_ms = 0.0
                    words = (await utterance.partial()).strip()
                    if words and words != self.partial:
                        self.partial = words
                        await on_partial(words)
            await self._hand_over(utterance.feed)
            return (await utterance.finish()).strip()

    async def _hand_over(self, feed: Callable[[bytes], Awaitable[None]]) -> float:
        """Give the recogniser what has come in; returns how many milliseconds that was."""
        samples, self._pending = b"".join(self._pending), []
        self._changed = anyio.Event()
        if self._ended:
            self._changed.set()
        if samples:
            await feed(samples)
        return len(samples) / 2 / INPUT_RATE_HZ * 1000
