"""Follows what the agent's own voice is saying, and so tells when it can be heard, and perhaps what of a microphone's sound it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from voicemind.clock import monotonic_s
from voicemind.engines.contract import NOW, AgentSound, Event, Occasion, Said, Scene
from voicemind.llm.contract import Piece
from voicemind.store.values import Modality

ECHO_S = 0.6
"""The agent's voice may come back for so long after it was played: its way to a loudspeaker and back, and the room."""


class Echo(Protocol):
    """Knows the agent's own voice when it comes back. Times are seconds of a clock that never jumps."""

    def spoke(self, samples: bytes, rate_hz: int, at_s: float) -> None:
        """This is said to the person, beginning at that moment: 16-bit mono."""
        ...

    def explains(self, samples: bytes, at_s: float) -> bool:
        """Whether 32 ms of the microphone's sound (16-bit mono, 16 kHz), captured from that moment on, are nothing but the agent's own voice."""
        ...


class NoEcho:
    """For people with headphones: nothing ever comes back."""

    def spoke(self, samples: bytes, rate_hz: int, at_s: float) -> None:
        """Nothing to remember."""

    def explains(self, samples: bytes, at_s: float) -> bool:
        """Never."""
        return False


class Aloud:
    """The scene as a reply sees it; notes each frame of sound and when it will be heard."""

    def __init__(self, scene: Scene, echo: Echo) -> None:
        self._scene, self._echo = scene, echo
        self._until = 0.0

    def hushed(self) -> None:
        """What was sent and not yet heard will not be."""
        self._until = min(self._until, monotonic_s())

    def audible(self, at_s: float) -> bool:
        """Whether the agent's voice could be in what a microphone hears at this moment."""
        return at_s < self._until + ECHO_S

    def own(self, window: bytes, at_s: float) -> bool:
        """Whether this window of the microphone's sound is the agent's own voice."""
        return self.audible(at_s) and self._echo.explains(window, at_s)

    async def user_said(self, text: str, *, modality: Modality, message_id: str = "") -> None:
        """As the scene does."""
        await self._scene.user_said(text, modality=modality, message_id=message_id)

    def answer(self, occasion: Occasion = NOW) -> AsyncGenerator[Piece, None]:
        """As the scene does."""
        return self._scene.answer(occasion)

    async def agent_said(self, said: Said) -> None:
        """As the scene does."""
        await self._scene.agent_said(said)

    async def show(self, event: Event) -> None:
        """As the scene does. Sound is heard when everything before it has been."""
        if isinstance(event, AgentSound):
            starts = max(self._until, monotonic_s())
            self._until = starts + len(event.pcm.samples) / 2 / event.pcm.rate_hz
            self._echo.spoke(event.pcm.samples, event.pcm.rate_hz, starts)
        await self._scene.show(event)
