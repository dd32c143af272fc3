"""A voice that hums: for tests, the demo and the load generator."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator
from functools import cache

import anyio
import numpy as np

from voicemind.errors import ProviderRefused
from voicemind.speech.audio import Pcm, from_floats
from voicemind.speech.tts.contract import ANY_SPEED, Mark, Sounding

_MS_PER_LETTER = 60
_LONGEST_MS = 15_000
_PIECE_MS = 200
_WORD = re.compile(r"\S+")
_TONE_HZ = 220.0
_TREMOLO_HZ = 4.0  # about the rate of syllables
_PERIOD_MS = 250
"""After so long both begin anew."""


class ScriptedTts:
    """A wavering tone, 60 ms for each character and never more than 15 s at speed 1, the same for the same text.

    `delay_ms` passes before the first sound.
    """

    name = "scripted"
    rate_hz = 24_000
    languages: tuple[str, ...] = ()
    voices: tuple[str, ...] = ("hum",)
    speeds = ANY_SPEED

    def __init__(self, *, delay_ms: int = 0) -> None:
        self._delay_s = delay_ms / 1000

    async def start(self) -> None:
        """Nothing has to be loaded."""

    async def speak(self, text: str, *, voice: str | None = None, speed: float = 1.0) -> AsyncGenerator[Sounding]:
        """Hum for as long as saying the text would take, in pieces of 200 ms."""
        if voice is not None and voice not in self.voices:
            raise ProviderRefused(f"There is no scripted voice {voice!r}.", provider=self.name)
        spoken = text.strip()
        if not any(letter.isalnum() for letter in spoken):
            return
        await anyio.sleep(self._delay_s)
        whole_ms = round(min(_MS_PER_LETTER * len(spoken), _LONGEST_MS) / speed)
        left = self.rate_hz * whole_ms // 1000
        step = self.rate_hz * _PIECE_MS // 1000
        hum, period = _hum(self.rate_hz), self.rate_hz * _PERIOD_MS // 1000
        marks = deque(_marks(text, spoken, whole_ms))
        for start in range(0, left, step):
            while marks and marks[0].ms * self.rate_hz < (start + step) * 1000:
                yield marks.popleft()
            place = start % period
            yield Pcm(hum[place * 2 : (place + min(step, left - start)) * 2], self.rate_hz)

    async def aclose(self) -> None:
        """Nothing has to be freed."""


def _marks(text: str, spoken: str, whole_ms: int) -> list[Mark]:
    """Where each word begins and ends."""
    lead = text.index(spoken)
    edges = [edge for word in _WORD.finditer(spoken) for edge in word.span()]
    return [Mark(lead + edge, edge * whole_ms / len(spoken)) for edge in edges if edge]


@cache
def _hum(rate_hz: int) -> bytes:
    """A period of an endless hum, and a piece behind it: the samples from any place within the period on."""
    moment = np.arange(rate_hz * (_PERIOD_MS + _PIECE_MS) // 1000, dtype=np.float64) / rate_hz
    swell = 0.6 - 0.4 * np.cos(2 * np.pi * _TREMOLO_HZ * moment)
    return from_floats((0.3 * swell * np.sin(2 * np.pi * _TONE_HZ * moment)).astype(np.float32))
