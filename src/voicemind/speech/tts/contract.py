"""What a speech synthesiser does, whoever provides it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from voicemind.speech.audio import Pcm


class Tts(Protocol):
    """A speech synthesiser. `start` before the first sentence, `aclose` after the last; many sentences may be spoken at once."""

    name: str
    rate_hz: int
    """The rate of everything it says: 16000 or 24000."""

    languages: tuple[str, ...]
    voices: tuple[str, ...]
    """The voices that an agent may name; the first one is used where it names none."""

    async def start(self) -> None:
        """Load what has to be loaded. Raises ProviderUnavailable or Misconfigured."""
        ...

    def speak(self, text: str, *, voice: str | None = None) -> AsyncGenerator[Pcm, None]:
        """Say a text: pieces in order, none empty, all at `rate_hz`; a text without speakable characters yields nothing.

        Iterate it under `contextlib.aclosing`; closing early stops the work. Raises ProviderUnavailable, and ProviderRefused for an unknown voice.
        """
        ...

    async def aclose(self) -> None:
        """Free everything; safe to call twice."""
        ...
