"""Follows what the agent's own voice is saying, and so tells when it can be heard, and perhaps what of a microphone's sound it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from voicemind.clock import monotonic_s
from voicemind.engines.cascade.echo import OwnVoice
from voicemind.engines.contract import NOW, AgentSound, Event, Occasion, Said, Scene
from voicemind.llm.contract import Piece
from voicemind.store.values import Modality

ECHO_S = 0.6
"""The agent's voice may come back for so long after it was played: its way to a loudspeaker and back, and the room."""


class Aloud:
    """The scene as a reply sees it; notes each frame of sound and when it will be heard."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._own_voice = OwnVoice()
        self._until = 0.0

    def hushed(self) -> None:
        """What was sent and not yet heard will not be."""
        self._until = min(self._until, monotonic_s())

    def audible(self, at_s: float) -> bool:
        """Whether the agent's voice could be in what a microphone hears at this moment."""
        return at_s < self._until + ECHO_S

    def own(self, window: bytes, ended_s: float, *, asked: bool) -> bool:
        """Whether this window of the microphone's sound is the agent's own voice. Every window is to be given; where it is not `asked` the answer is no."""
        if not self.audible(ended_s):
            return False
        self._own_voice.hears(window, ended_s)
        return asked and self._own_voice.explains()

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
            self._own_voice.spoke(event.pcm.samples, event.pcm.rate_hz, starts)
        await self._scene.show(event)
