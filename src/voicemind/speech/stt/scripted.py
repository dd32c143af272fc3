"""A recogniser that always hears the same words: for tests, the demo and the load generator."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import numpy as np

from voicemind.speech.audio import INPUT_RATE_HZ, as_floats

_MS_PER_WORD = 300
_SILENCE_RMS = 0.003  # of full scale; about -50 dB


class ScriptedStt:
    """Hears `text` in every utterance that is not silent; its partials grow by a word every 300 ms of sound.

    `delay_ms` passes before the final words.
    """

    name = "scripted"
    languages: tuple[str, ...] = ()

    def __init__(self, *, text: str = "Hello there.", delay_ms: int = 0) -> None:
        self._text = text
        self._delay_s = delay_ms / 1000

    async def start(self) -> None:
        """Nothing has to be loaded."""

    @asynccontextmanager
    async def utterance(self) -> AsyncGenerator[_Heard]:
        """Open one utterance."""
        yield _Heard(self._text, self._delay_s)

    async def aclose(self) -> None:
        """Nothing has to be freed."""


class _Heard:
    """Counts the sound in what it is fed."""

    def __init__(self, text: str, delay_s: float) -> None:
        self._text = text
        self._delay_s = delay_s
        self._sounding = 0

    async def feed(self, samples: bytes) -> None:
        floats = as_floats(samples)
        if floats.size and float(np.dot(floats, floats)) > _SILENCE_RMS**2 * floats.size:
            self._sounding += floats.size

    async def partial(self) -> str:
        words = self._sounding * 1000 // INPUT_RATE_HZ // _MS_PER_WORD
        return " ".join(self._text.split()[:words])

    async def finish(self) -> str:
        await anyio.sleep(self._delay_s)
        return self._text if self._sounding else ""
