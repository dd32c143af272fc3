"""OpenAI's voices, or those of any server with the same interface."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from voicemind.errors import ProviderRefused, ProviderUnavailable
from voicemind.speech.audio import Pcm
from voicemind.speech.hosted import refused
from voicemind.speech.openai import BASE_URL, PROVIDER, AudioDoor
from voicemind.speech.tts.contract import ANY_SPEED, Sounding

OWN_VOICES = (
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "fable",
    "onyx",
    "nova",
    "sage",
    "shimmer",
    "verse",
    "marin",
    "cedar",
)
_PIECE_BYTES = 24_000 * 40 // 1000 * 2
"""40 ms: smaller packets are put together."""


class OpenAiTts:
    """POST /audio/speech (https://platform.openai.com/docs/api-reference/audio/createSpeech, read in November 2026), as raw samples.

    OpenAI's own voices are known; those of another server are whatever it knows.
    """

    name = PROVIDER
    rate_hz = 24_000
    languages: tuple[str, ...] = ()
    speeds = ANY_SPEED

    def __init__(self, *, api_key: str, model: str, voice: str, base_url: str = BASE_URL, limit_s: float = 4) -> None:
        """`api_key` may be empty where the server wants none; `voice` speaks where none is named."""
        is_openai = base_url.rstrip("/") == BASE_URL
        self.voices = tuple(dict.fromkeys((voice, *OWN_VOICES))) if is_openai else ()
        self._api_key = api_key
        self._base_url = base_url
        self._model = model
        self._voice = voice
        self._limit_s = limit_s
        self._door: AudioDoor | None = None

    async def start(self) -> None:
        """Prepare the connections; nothing is asked yet."""
        self._door = AudioDoor(base_url=self._base_url, api_key=self._api_key)

    async def speak(self, text: str, *, voice: str | None = None, speed: float = 1.0) -> AsyncGenerator[Sounding]:
        """See the contract. A voice that breaks off stays broken off: nobody knows how far it was."""
        if voice is not None and self.voices and voice not in self.voices:
            raise ProviderRefused(f"openai has no voice {voice!r}.", provider=PROVIDER)
        if self._door is None:
            raise ProviderUnavailable("The service is not connected.", provider=PROVIDER)
        if not any(letter.isalnum() for letter in text):
            return
        asked = self._door.stream(
            "audio/speech",
            within_s=self._limit_s,
            json={
                "model": self._model,
                "input": text.strip(),
                "voice": voice or self._voice,
                "response_format": "pcm",
                **({"speed": speed} if speed != 1 else {}),  # not every server knows the field
            },
        )
        waiting, is_first = bytearray(), True
        async with aclosing(asked) as packets:
            async for packet in packets:
                waiting += packet
                if len(waiting) < _PIECE_BYTES:
                    continue
                _check(waiting, is_first=is_first)
                is_first = False
                whole = len(waiting) // 2 * 2
                yield Pcm(bytes(waiting[:whole]), self.rate_hz)
                del waiting[:whole]
        _check(waiting, is_first=is_first)
        if rest := bytes(waiting[: len(waiting) // 2 * 2]):
            yield Pcm(rest, self.rate_hz)

    async def aclose(self) -> None:
        """Close the connections."""
        door, self._door = self._door, None
        if door is not None:
            await door.aclose()


def _check(sound: bytearray, *, is_first: bool) -> None:
    """Some servers send a file, or an error, whatever they were asked for: as samples it would be a bang."""
    if is_first and sound.startswith((b"RIFF", b"ID3", b"fLaC", b"OggS", b'{"', b"<!")):
        raise refused(PROVIDER, "to send raw samples: it cannot be used as a voice here")
