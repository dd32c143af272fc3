"""What a speech synthesiser does, whoever provides it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Protocol

from voicemind.speech.audio import Pcm


@dataclass(frozen=True, slots=True)
class Mark:
    """Where in the text the voice is: when `ms` milliseconds of this text's sound have played, its first `chars` characters have been said.

    Where two marks enclose a pause, the first tells where the word before it ended, the second where the one after it begins.
    """

    chars: int
    ms: float


Sounding = Pcm | Mark

ANY_SPEED = (0.25, 4.0)
"""All that a client of `/v1/audio/speech` may ask for."""


async def sound_of(pieces: AsyncIterable[Sounding]) -> AsyncGenerator[Pcm, None]:
    """The sound alone, without the marks."""
    async for piece in pieces:
        if isinstance(piece, Pcm):
            yield piece


class Tts(Protocol):
    """A speech synthesiser. `start` before the first sentence, `aclose` after the last; many sentences may be spoken at once."""

    name: str
    rate_hz: int
    """The rate of everything it says: 16000 or 24000."""

    languages: tuple[str, ...]
    voices: tuple[str, ...]
    """The voices that an agent may name; the first one is used where it names none. Empty: any, and the provider chooses where none is named."""

    speeds: tuple[float, float]
    """The slowest and the quickest that it can speak, where 1 is how it usually speaks."""

    async def start(self) -> None:
        """Load what has to be loaded. Raises ProviderUnavailable or Misconfigured."""
        ...

    def speak(self, text: str, *, voice: str | None = None, speed: float = 1.0) -> AsyncGenerator[Sounding, None]:
        """Say a text: pieces in order, none empty, all at `rate_hz`; a text without speakable characters yields nothing. `speed` lies within `speeds`.

        Voices that know when they say what also yield marks, both numbers rising, each at the latest with the sound that it is about.

        Iterate it under `contextlib.aclosing`; closing early stops the work. Raises ProviderUnavailable, and ProviderRefused for an unknown voice.
        """
        ...

    async def aclose(self) -> None:
        """Free everything; safe to call twice."""
        ...
