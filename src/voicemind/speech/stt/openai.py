"""OpenAI's transcription, or that of any server with the same interface: an utterance is sent when it is over."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import msgspec
from anyio import to_thread

from voicemind.errors import ProviderUnavailable
from voicemind.speech.audio import INPUT_RATE_HZ, Pcm, write_wav
from voicemind.speech.hosted import audible, mapping, unavailable
from voicemind.speech.openai import BASE_URL, PROVIDER, AudioDoor

_SOUND_PER_S = 4
"""So many seconds of sound give the service a second more for its answer."""
_LONGEST_ANSWER = 1 << 20


class OpenAiStt:
    """POST /audio/transcriptions (https://platform.openai.com/docs/api-reference/audio/createTranscription, read in November 2026).

    There are no words before the end: to have them, everything would have to be sent and paid again and again.
    """

    name = PROVIDER
    languages: tuple[str, ...] = ()

    def __init__(self, *, api_key: str, model: str, base_url: str = BASE_URL, limit_s: float = 4) -> None:
        """`api_key` may be empty where the server wants none."""
        self._api_key = api_key
        self._base_url = base_url
        self._model = model
        self._limit_s = limit_s
        self._door: AudioDoor | None = None

    async def start(self) -> None:
        """Prepare the connections; nothing is asked yet."""
        self._door = AudioDoor(base_url=self._base_url, api_key=self._api_key)

    @asynccontextmanager
    async def utterance(self) -> AsyncGenerator[_Utterance]:
        """Open one utterance."""
        yield _Utterance(self)

    async def aclose(self) -> None:
        """Close the connections."""
        door, self._door = self._door, None
        if door is not None:
            await door.aclose()

    async def recognised(self, sound: Pcm) -> str:
        """The words of a clip."""
        if self._door is None:
            raise ProviderUnavailable("The service is not connected.", provider=PROVIDER)
        wav = await to_thread.run_sync(write_wav, sound)
        asked = self._door.stream(
            "audio/transcriptions",
            within_s=self._limit_s + sound.duration_ms / 1000 / _SOUND_PER_S,
            data={"model": self._model, "response_format": "json"},
            files={"file": ("speech.wav", wav, "audio/wav")},
        )
        answer = bytearray()
        async with aclosing(asked) as packets:
            async for packet in packets:
                answer += packet
                if len(answer) > _LONGEST_ANSWER:
                    raise unavailable(PROVIDER, "sent something that is no transcript")
        return _text(bytes(answer))


class _Utterance:
    """The sound so far."""

    def __init__(self, stt: OpenAiStt) -> None:
        self._stt = stt
        self._sound = bytearray()

    async def feed(self, samples: bytes) -> None:
        self._sound += samples

    async def partial(self) -> str:
        return ""

    async def finish(self) -> str:
        samples = bytes(self._sound[: len(self._sound) // 2 * 2])
        return await self._stt.recognised(Pcm(samples, INPUT_RATE_HZ)) if audible(samples) else ""


def _text(answer: bytes) -> str:
    try:
        found = mapping(msgspec.json.decode(answer)).get("text")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if not isinstance(found, str):
        raise unavailable(PROVIDER, "sent something that is no transcript")
    return found.strip()
