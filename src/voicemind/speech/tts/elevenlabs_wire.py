"""What ElevenLabs' multi-context socket is told and tells about one text, and where in the text the voice is. Pure.

Wire: https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input and the `elevenlabs` library 2.78, read in November 2026.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from voicemind.speech.audio import Pcm
from voicemind.speech.elevenlabs import PROVIDER
from voicemind.speech.hosted import Failed, mapping, unavailable
from voicemind.speech.tts.contract import Mark, Sounding

SPEEDS = (0.7, 1.2)
"""What the service takes (https://elevenlabs.io/docs/api-reference/voices/settings/get, "speed", read in November 2026)."""

_SKIPPED = 24
"""So many characters of the text may go unmentioned before one that is mentioned."""


def beginning(context: str, text: str, *, speed: float = 1.0) -> list[str]:
    """Open a context, have the text said at once, and close the context behind it. What of the voice's settings is not named stays as it is."""
    settings = {"voice_settings": {"speed": speed}} if speed != 1 else {}
    messages = (
        {"text": " ", "context_id": context, **settings},
        {"text": f"{text.strip()} ", "context_id": context, "flush": True},
        {"context_id": context, "close_context": True},
    )
    return [msgspec.json.encode(message).decode() for message in messages]


def ending(context: str) -> str:
    """Close a context whose sound nobody wants any more."""
    return msgspec.json.encode({"context_id": context, "close_context": True}).decode()


def context_of(message: dict[str, Any]) -> str:
    """Which context a message is about; empty where it does not say."""
    return str(message.get("contextId") or message.get("context_id") or "")


def is_final(message: dict[str, Any]) -> bool:
    """Whether nothing more comes of its context."""
    return message.get("isFinal") is True or message.get("is_final") is True


class Spoken:
    """How far a text has been said, over one socket or several."""

    def __init__(self, text: str, rate_hz: int) -> None:
        self._text = text
        self._rate_hz = rate_hz
        self._odd = b""
        self._bytes = 0
        self._cursor = 0
        self._mark = Mark(0, 0.0)

    @property
    def rest(self) -> str:
        """What is still to be said, from the last whole word on."""
        return self._text[self._mark.chars :]

    @property
    def is_over(self) -> bool:
        """Whether nothing speakable is left."""
        return not any(letter.isalnum() for letter in self.rest)

    @property
    def has_sounded(self) -> bool:
        """Whether anything has been heard."""
        return self._bytes > 0

    @property
    def has_marks(self) -> bool:
        """Whether it is known how far it is."""
        return self._mark.chars > 0

    def again(self) -> None:
        """Go on from the last whole word."""
        self._odd = b""
        self._cursor = self._mark.chars

    def heard(self, message: dict[str, Any]) -> list[Sounding]:
        """The marks and the sound of a message. Raises Failed where the sound cannot be read."""
        try:
            raw = base64.b64decode(message.get("audio") or b"", validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise Failed(unavailable(PROVIDER, "sent something that is no sound")) from None
        begins_ms = self._ms
        joined = self._odd + raw
        samples = joined[: len(joined) // 2 * 2]
        self._odd = joined[len(samples) :]
        self._bytes += len(samples)
        marks = self._marked(mapping(message.get("alignment")), begins_ms)
        return [*marks, Pcm(samples, self._rate_hz)] if samples else []

    @property
    def _ms(self) -> float:
        return self._bytes / 2 / self._rate_hz * 1000

    def _marked(self, alignment: dict[str, Any], begins_ms: float) -> list[Sounding]:
        """A mark behind each word. The times are those in the message's own sound, in milliseconds."""
        said = zip(
            _list(alignment, "chars"),
            _list(alignment, "charStartTimesMs", "char_start_times_ms"),
            _list(alignment, "charDurationsMs", "char_durations_ms"),
            strict=False,
        )
        marks: list[Sounding] = []
        for char, start_ms, lasts_ms in said:
            if not isinstance(start_ms, int | float) or not isinstance(lasts_ms, int | float) or not self._past(char):
                continue
            if self._text[self._cursor : self._cursor + 1].strip():  # in the middle of a word
                continue
            mark = Mark(self._cursor, round(min(begins_ms + start_ms + lasts_ms, self._ms), 1))
            if mark.chars > self._mark.chars and mark.ms > self._mark.ms:
                self._mark = mark
                marks.append(mark)
        return marks

    def _past(self, char: object) -> bool:
        """Put the cursor behind this character; whether it is one of the text's, and no gap."""
        if not isinstance(char, str) or not char.strip():
            return False
        at = self._text.find(char, self._cursor, self._cursor + _SKIPPED + len(char))
        if at < 0:
            return False
        self._cursor = at + len(char)
        return True


def _list(alignment: dict[str, Any], *names: str) -> list[Any]:
    for name in names:
        found: Any = alignment.get(name)
        if isinstance(found, list):
            return found  # pyright: ignore[reportUnknownVariableType] - JSON
    return []
