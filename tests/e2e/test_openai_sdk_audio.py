"""The official `openai` SDK as it is, against a real server on loopback: transcriptions and speech."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import openai
import pytest
import soundfile
from tests.serving import in_process

pytestmark = pytest.mark.anyio

TEXT = "Good morning, my old friend."


@pytest.fixture
async def sdk(tmp_path: Path) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        in_process(tmp_path, scripted_stt_text=TEXT) as client,
        openai.AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key="none", max_retries=0, timeout=30) as sdk,
    ):
        yield sdk


async def _spoken(sdk: openai.AsyncOpenAI) -> bytes:
    async with sdk.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input=TEXT
    ) as response:
        assert response.headers["content-type"] == "audio/mpeg"
        return b"".join([chunk async for chunk in response.iter_bytes()])


async def test_what_is_spoken_can_be_transcribed(sdk: openai.AsyncOpenAI) -> None:
    mp3 = await _spoken(sdk)
    samples, rate_hz = soundfile.read(io.BytesIO(mp3))
    assert abs(len(samples) / rate_hz - 0.06 * len(TEXT)) < 0.15
    heard = await sdk.audio.transcriptions.create(model="gpt-4o-transcribe", file=("speech.mp3", mp3))
    assert heard.text == TEXT
    assert heard.usage is not None
    assert heard.usage.type == "duration"


async def test_every_form_of_a_transcript_is_understood(sdk: openai.AsyncOpenAI) -> None:
    file = ("speech.mp3", await _spoken(sdk))
    verbose = await sdk.audio.transcriptions.create(
        model="whisper-1", file=file, response_format="verbose_json", timestamp_granularities=["segment"], language="en"
    )
    assert (verbose.text, verbose.language) == (TEXT, "en")
    assert verbose.segments is not None
    assert [segment.text for segment in verbose.segments] == [TEXT]
    assert verbose.segments[0].end == verbose.duration
    assert (await sdk.audio.transcriptions.create(model="whisper-1", file=file, response_format="text")).strip() == TEXT
    assert "-->" in await sdk.audio.transcriptions.create(model="whisper-1", file=file, response_format="srt")


async def test_a_transcript_streams(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.audio.transcriptions.create(
        model="gpt-4o-mini-transcribe", file=("speech.mp3", await _spoken(sdk)), stream=True
    )
    events = [event async for event in stream]
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[0].type == "transcript.text.delta"
    assert events[0].delta == TEXT


async def test_raw_samples_come_while_they_are_made(sdk: openai.AsyncOpenAI) -> None:
    async with sdk.audio.speech.with_streaming_response.create(
        model="tts-1", voice="nova", input=TEXT, response_format="pcm"
    ) as response:
        chunks = [chunk async for chunk in response.iter_bytes(4800)]
    assert len(chunks) > 5
    assert float(np.abs(np.frombuffer(b"".join(chunks), "<i2")).max()) > 3000


async def test_what_is_wrong_is_an_error_of_the_sdk(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await sdk.audio.speech.create(model="tts-9", voice="alloy", input=TEXT)
    with pytest.raises(openai.BadRequestError, match="mp3, opus, flac, wav, pcm"):
        await sdk.audio.speech.create(model="tts-1", voice="alloy", input=TEXT, response_format="aac")
    with pytest.raises(openai.APIStatusError) as refused:
        await sdk.audio.transcriptions.create(model="whisper-1", file=("x.wav", b"no sound at all"))
    assert (refused.value.status_code, refused.value.code) == (415, "bad_audio")
