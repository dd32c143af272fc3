"""What requests to `/v1/audio/*` look like, and what their answers do (OpenAI API reference, "Audio", read 2026-11). Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from voicemind.errors import BadRequest, ClientMistake

LONGEST_INPUT = 4096
HEARING_MODELS = (
    "whisper-1",
    "gpt-transcribe",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
)
SPEAKING_MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15")
"""What clients of OpenAI ask for by default: all of them are the one that this server is set up with."""
THEIR_VOICES = frozenset(
    "alloy ash ballad coral echo fable onyx nova sage shimmer verse marin cedar".split()  # noqa: SIM905
)
"""OpenAI's own: where they are not spoken here, the default voice is."""

Heard = Literal["json", "text", "verbose_json", "srt", "vtt"]
HEARD_FORMATS: tuple[Heard, ...] = ("json", "text", "verbose_json", "srt", "vtt")
SPOKEN_FORMATS = ("mp3", "opus", "flac", "wav", "pcm")


class UnknownModel(ClientMistake):
    """There is no such model here."""

    code = "model_not_found"
    status = 404


class VoiceId(msgspec.Struct):
    """A voice, named the long way."""

    id: str


class SpeechRequest(msgspec.Struct):
    """The body of a request to speak; what is not named here (`instructions`) is ignored."""

    model: str
    input: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_INPUT)]
    voice: Annotated[str, msgspec.Meta(max_length=200)] | VoiceId | None = None
    response_format: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(SPOKEN_FORMATS)})] | None = None
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=4)] | None = None
    stream_format: Literal["audio", "sse"] | None = None


@dataclass(frozen=True, slots=True)
class HearingRequest:
    """The fields of a request to transcribe, without its file."""

    model: str
    language: str
    response_format: Heard
    streams: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """What was said between two moments, in seconds."""

    start_s: float
    end_s: float
    text: str


def spoken_format(asked: SpeechRequest) -> str:
    """The format that is wanted, MP3 where none is named. Raises BadRequest for one that cannot be made here."""
    if asked.response_format not in {None, *SPOKEN_FORMATS}:
        raise BadRequest(f"response_format is one of {', '.join(SPOKEN_FORMATS)}.", param="response_format")
    return asked.response_format or SPOKEN_FORMATS[0]


def hearing_request(fields: Sequence[tuple[str, str]]) -> HearingRequest:
    """From the fields of a form; hints that nothing here can use (`prompt`, `temperature`, `chunking_strategy`) are ignored.

    Raises BadRequest for what was asked for and is not to be had.
    """
    given = dict(fields)
    if "model" not in given:
        raise BadRequest("Name a model.", param="model")
    form = given.get("response_format", "json")
    if form not in HEARD_FORMATS:
        raise BadRequest(f"response_format is one of {', '.join(HEARD_FORMATS)}.", param="response_format")
    if any(name.rstrip("[]") == "timestamp_granularities" and value == "word" for name, value in fields):
        raise BadRequest("Times are known of segments here, not of words.", param="timestamp_granularities")
    if any(name.rstrip("[]") == "include" for name, _ in fields):
        raise BadRequest("There are no logprobs here.", param="include")
    streams = given.get("stream", "false").lower()
    if streams not in {"true", "false", "1", "0"}:
        raise BadRequest("stream is true or false.", param="stream")
    return HearingRequest(given["model"], given.get("language", ""), form, streams in {"true", "1"})


def whole_text(segments: Sequence[Segment]) -> str:
    """All that was said.

    >>> whole_text([Segment(0, 1, "Hello."), Segment(1, 2, ""), Segment(2, 3, "Goodbye.")])
    'Hello. Goodbye.'
    """
    return " ".join(segment.text for segment in segments if segment.text)


def transcript(segments: Sequence[Segment], *, seconds: float, language: str) -> dict[Heard, Any]:
    """The answer in each of its formats: text for three of them, JSON for the others."""
    text, said = whole_text(segments), [segment for segment in segments if segment.text]
    usage = {"type": "duration", "seconds": round(seconds, 3)}
    return {
        "json": {"text": text, "usage": usage},
        "text": text + "\n",
        "verbose_json": {
            "task": "transcribe",
            "language": language or "unknown",
            "duration": round(seconds, 3),
            "text": text,
            "segments": [_verbose(number, segment) for number, segment in enumerate(said)],
            "usage": usage,
        },
        "srt": "".join(f"{number}\n{_span(cue, ',')}\n{cue.text}\n\n" for number, cue in enumerate(said, 1)),
        "vtt": "WEBVTT\n\n" + "".join(f"{_span(cue, '.')}\n{cue.text}\n\n" for cue in said),
    }


def event(fields: dict[str, Any]) -> bytes:
    """One server-sent event; its kind is a field of its own."""
    return b"data: " + msgspec.json.encode(fields) + b"\n\n"


def text_delta(text: str) -> bytes:
    """More of a transcript: the deltas put together are its text."""
    return event({"type": "transcript.text.delta", "delta": text})


def text_done(text: str) -> bytes:
    """The end of a transcript."""
    return event({"type": "transcript.text.done", "text": text})


def sound_delta(sound: bytes) -> bytes:
    """More of the speech."""
    return event({"type": "speech.audio.delta", "audio": base64.b64encode(sound).decode()})


def sound_done() -> bytes:
    """The end of the speech. No tokens are counted here."""
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    return event({"type": "speech.audio.done", "usage": usage})


def broken(message: str, *, code: str) -> bytes:
    """Instead of further events."""
    return event({"type": "error", "error": {"message": message, "type": "server_error", "param": None, "code": code}})


def _verbose(number: int, segment: Segment) -> dict[str, Any]:
    """What no recogniser here tells (tokens and how sure it is) has the value that says nothing."""
    unknown = {"tokens": [], "temperature": 0.0, "avg_logprob": 0.0, "compression_ratio": 1.0, "no_speech_prob": 0.0}
    times = {"start": round(segment.start_s, 3), "end": round(segment.end_s, 3)}
    return {"id": number, "seek": int(segment.start_s * 100), **times, "text": segment.text, **unknown}


def _span(segment: Segment, point: str) -> str:
    """When a subtitle is shown.

    >>> _span(Segment(1.5, 3661.25, "Hello."), ",")
    '00:00:01,500 --> 01:01:01,250'
    """
    return " --> ".join(_clock(moment_s, point) for moment_s in (segment.start_s, segment.end_s))


def _clock(moment_s: float, point: str) -> str:
    seconds, ms = divmod(round(moment_s * 1000), 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{point}{ms:03}"
