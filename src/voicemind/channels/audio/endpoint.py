"""`/v1/audio/transcriptions` and `/v1/audio/speech`: OpenAI's addresses for what this server listens and speaks with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import BinaryIO

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from voicemind.channels.audio import wire
from voicemind.channels.audio.encoding import MEDIA_TYPES, encoder
from voicemind.channels.audio.stream import ByteStream
from voicemind.channels.audio.upload import cuts, decoded, uploaded
from voicemind.channels.http import json_response, read_json
from voicemind.channels.sse import while_there
from voicemind.errors import BadRequest, ProviderUnavailable, VoicemindError
from voicemind.mind.roster import Roster
from voicemind.speech.audio import INPUT_RATE_HZ
from voicemind.speech.stt.contract import Stt
from voicemind.speech.tts.contract import Tts, sound_of

ROOTS = ("/v1", "/agents/{slug}/v1")
AT_ONCE = 4
"""Uploads that are decoded and heard at once; the others wait. Each may hold 60 MB of sound."""
_EVENTS = "text/event-stream"


class Audio:
    """The endpoints. `why_not_ready` gives one word, empty once speech can be made and heard."""

    def __init__(self, stt: Stt, tts: Tts, roster: Roster, *, why_not_ready: Callable[[], Awaitable[str]]) -> None:
        self._stt, self._tts, self._roster = stt, tts, roster
        self._why_not_ready = why_not_ready
        self._uploads = CapacityLimiter(AT_ONCE)
        self._work = CapacityLimiter(AT_ONCE)

    def routes(self) -> Sequence[Route]:
        """Where they are found; under an agent's address it is the agent's voice that speaks."""
        return [
            *(Route(f"{root}/audio/transcriptions", self.transcribe, methods=["POST"]) for root in ROOTS),
            *(Route(f"{root}/audio/speech", self.speak, methods=["POST"]) for root in ROOTS),
        ]

    async def transcribe(self, http: Request) -> Response:
        """The words of an uploaded file."""
        async with uploaded(http) as (file, fields):
            asked = wire.hearing_request(fields)
            await self._voice_of(http)
            self._accept(asked.model, wire.HEARING_MODELS, self._stt.name)
            if asked.language and self._stt.languages and asked.language.partition("-")[0] not in self._stt.languages:
                raise BadRequest(f"Only {', '.join(self._stt.languages)} is understood here.", param="language")
            await self._insist_ready()
            segments, heard = self._segments(file), list[wire.Segment]()
            if asked.streams:  # the file has been read when the first event is there
                return await _begun(http, _events(segments), _EVENTS, _broken)
            await while_there(http, _all(segments, heard))
        language = asked.language or (self._stt.languages[0] if len(self._stt.languages) == 1 else "")
        answer = wire.transcript(heard, seconds=heard[-1].end_s, language=language)[asked.response_format]
        if isinstance(answer, str):
            return PlainTextResponse(answer, media_type="text/vtt" if asked.response_format == "vtt" else "text/plain")
        return json_response(answer)

    async def speak(self, http: Request) -> Response:
        """The sound of a text, sent while it is being made."""
        asked = await read_json(http, wire.SpeechRequest)
        own = await self._voice_of(http)
        self._accept(asked.model, wire.SPEAKING_MODELS, self._tts.name)
        kind = wire.spoken_format(asked)
        speed, (slowest, quickest) = asked.speed or 1.0, self._tts.speeds
        if not slowest <= speed <= quickest:
            raise BadRequest(f"This voice speaks at speeds from {slowest} to {quickest}.", param="speed")
        named = asked.voice.id if isinstance(asked.voice, wire.VoiceId) else asked.voice
        voice = self._voice(named) or own
        await self._insist_ready()
        sound = self._encoded(asked.input, voice, kind, speed=speed)
        if asked.stream_format == "sse":
            return await _begun(http, _sound_events(sound), _EVENTS, _broken)
        return await _begun(http, sound, MEDIA_TYPES[kind], None)

    async def _voice_of(self, http: Request) -> str | None:
        """The voice of the agent in the address. Raises UnknownAgent."""
        slug = http.path_params.get("slug")
        return (await self._roster.find(http.state.tenant, slug)).voice if slug else None

    def _voice(self, named: str | None) -> str | None:
        """The voice that is meant; None for the default one. Raises BadRequest for one that is not spoken here."""
        if not named or named in self._tts.voices:
            return named or None
        if named in wire.THEIR_VOICES:
            return None
        if self._tts.voices:
            raise BadRequest(f"voice is one of {', '.join(self._tts.voices)}.", param="voice")
        return named

    def _accept(self, model: str, theirs: tuple[str, ...], ours: str) -> None:
        if model not in theirs and model not in {ours, "voicemind"}:
            known = ", ".join((ours, *theirs))
            raise wire.UnknownModel(f"There is no such model here; there is {known}.", param="model")

    async def _insist_ready(self) -> None:
        if why := await self._why_not_ready():
            raise ProviderUnavailable(f"Speech cannot be made or heard yet ({why}).", provider="voicemind")

    async def _segments(self, file: BinaryIO) -> AsyncGenerator[wire.Segment]:
        """Piece by piece, in order; at least one. Raises BadAudio and TooLarge before the first, and what the recogniser raises."""
        place = object()
        await self._uploads.acquire_on_behalf_of(place)
        try:
            samples = await to_thread.run_sync(decoded, file, limiter=self._work)
            for start, end in await to_thread.run_sync(cuts, samples, limiter=self._work):
                text = await self._heard(samples[start:end])
                yield wire.Segment(start / 2 / INPUT_RATE_HZ, end / 2 / INPUT_RATE_HZ, text)
        finally:
            self._uploads.release_on_behalf_of(place)

    async def _heard(self, samples: bytes) -> str:
        async with self._stt.utterance() as utterance:
            for at in range(0, len(samples), INPUT_RATE_HZ * 2):
                await utterance.feed(samples[at : at + INPUT_RATE_HZ * 2])
            return (await utterance.finish()).strip()

    async def _encoded(self, text: str, voice: str | None, kind: str, *, speed: float) -> AsyncGenerator[bytes]:
        """The file, from its first byte to its last."""
        file = await to_thread.run_sync(encoder, kind, self._tts.rate_hz, limiter=self._work)
        sounding = self._tts.speak(text, voice=voice, speed=speed)
        async with aclosing(sounding), aclosing(sound_of(sounding)) as pieces:
            async for piece in pieces:
                if encoded := await to_thread.run_sync(file.add, piece.samples, limiter=self._work):
                    yield encoded
        yield await to_thread.run_sync(file.end, limiter=self._work)


async def _all(segments: AsyncGenerator[wire.Segment], into: list[wire.Segment]) -> None:
    async with aclosing(segments):
        async for segment in segments:
            into.append(segment)  # noqa: PERF401 - asynchronous


async def _events(segments: AsyncGenerator[wire.Segment]) -> AsyncGenerator[bytes]:
    """A delta for each piece: nothing of what was told changes later."""
    text = ""
    async with aclosing(segments):
        async for segment in segments:
            if segment.text:
                delta = f" {segment.text}" if text else segment.text
                text += delta
                yield wire.text_delta(delta)
    yield wire.text_done(text)


async def _sound_events(sound: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(sound):
        async for piece in sound:
            if piece:
                yield wire.sound_delta(piece)
    yield wire.sound_done()


def _broken(error: VoicemindError) -> bytes:
    return wire.broken(str(error), code=error.code)


async def _begun(
    http: Request,
    chunks: AsyncGenerator[bytes],
    media_type: str,
    broken: Callable[[VoicemindError], bytes] | None,
) -> ByteStream:
    """The stream, once its first bytes are there. Raises what fails until then, and ClientDisconnect where nobody waits any more."""
    firsts: list[bytes] = []

    async def take() -> None:
        firsts.append(await anext(chunks))

    try:
        await while_there(http, take())
    except BaseException:
        await chunks.aclose()
        raise
    return ByteStream(chunks, first=firsts[0], media_type=media_type, broken=broken)
