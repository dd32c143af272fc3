"""The peers that stand for ElevenLabs in our tests speak its wire: its own library understands them, and so do its types."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import numpy as np
import pytest
from anyio import to_thread
from elevenlabs import AsyncElevenLabs, ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.realtime import AudioFormat, CommitStrategy, RealtimeEvents
from elevenlabs.types import (
    AudioOutputMulti,
    CloseContext,
    CommittedTranscriptPayload,
    FinalOutputMulti,
    InitializeConnectionMulti,
    PartialTranscriptPayload,
    SendTextMulti,
    SessionStartedPayload,
)
from pydantic import BaseModel
from tests.speech_services import CHAR_MS, VOICE, ElevenLabsPeer, Fault, elevenlabs_service, spoken_words
from tests.upstreams import KEY
from websockets.asyncio.client import connect

from voicemind.speech.elevenlabs import Account
from voicemind.speech.tts.elevenlabs import ElevenLabsTts
from voicemind.speech.tts.elevenlabs_wire import beginning, ending

pytestmark = pytest.mark.anyio


@pytest.fixture
async def peer() -> AsyncIterator[ElevenLabsPeer]:
    async with elevenlabs_service() as peer:
        yield peer


async def _transcribed(peer: ElevenLabsPeer, sound: bytes) -> list[dict[str, Any]]:
    """Every event that ElevenLabs' own client is told, until the transcript is committed or it is over."""
    told: list[dict[str, Any]] = []
    over = anyio.Event()
    sdk = AsyncElevenLabs(api_key=KEY, base_url=peer.url)
    connection = await sdk.speech_to_text.realtime.connect(
        {
            "model_id": "scribe_v2_realtime",
            "audio_format": AudioFormat.PCM_16000,
            "sample_rate": 16000,
            "commit_strategy": CommitStrategy.MANUAL,
        }
    )
    for event in (RealtimeEvents.SESSION_STARTED, RealtimeEvents.PARTIAL_TRANSCRIPT, RealtimeEvents.ERROR):
        connection.on(event, told.append)
    connection.on(RealtimeEvents.COMMITTED_TRANSCRIPT, told.append)
    connection.on(RealtimeEvents.COMMITTED_TRANSCRIPT, lambda _: over.set())
    connection.on(RealtimeEvents.CLOSE, lambda _: over.set())
    connection.on(RealtimeEvents.COMMIT_THROTTLED, lambda _: over.set())
    for start in range(0, len(sound), 3200):
        await connection.send({"audio_base_64": base64.b64encode(sound[start : start + 3200]).decode()})
    await connection.commit()
    with anyio.fail_after(10):
        await over.wait()
    await connection.close()
    return told


async def test_elevenlabs_client_is_told_its_partials_and_its_transcript(peer: ElevenLabsPeer) -> None:
    told = await _transcribed(peer, spoken_words(0, 4))
    kinds = [message["message_type"] for message in told]
    assert kinds[0] == "session_started"
    assert kinds.count("committed_transcript") == 1
    assert "partial_transcript" in kinds
    assert told[-1]["text"] == "w0 w1 w2 w3"
    shapes: dict[str, type[BaseModel]] = {
        "session_started": SessionStartedPayload,
        "partial_transcript": PartialTranscriptPayload,
        "committed_transcript": CommittedTranscriptPayload,
    }
    for message in told:
        assert set(message) <= set(shapes[message["message_type"]].model_fields)


async def test_elevenlabs_client_is_told_of_its_errors(peer: ElevenLabsPeer) -> None:
    peer.faults.append(Fault(after=1, error="quota_exceeded"))
    told = await _transcribed(peer, spoken_words(0, 4))
    assert "quota_exceeded" in [message.get("message_type") for message in told]
    assert (await _transcribed(peer, bytes(3200)))[-1]["message_type"] == "commit_throttled"


@pytest.mark.filterwarnings("ignore:ConnectionClosed.code")
async def test_elevenlabs_client_hears_the_voice(peer: ElevenLabsPeer) -> None:
    def spoken(voice: str) -> bytes:
        sdk = ElevenLabs(api_key=KEY, base_url=peer.url)
        sdk.text_to_speech._ws_base_url = peer.url.replace("http", "ws")  # the library insists on TLS
        return b"".join(
            sdk.text_to_speech.convert_realtime(
                voice, text=iter(["Good morning, ", "my friend."]), model_id="m", output_format="pcm_16000"
            )
        )

    with anyio.fail_after(20):
        sound = await to_thread.run_sync(spoken, VOICE)
        with pytest.raises(ApiError):
            await to_thread.run_sync(spoken, "nobody")
    assert abs(len(sound) / 32 - CHAR_MS * len("Good morning, my friend. ")) <= CHAR_MS
    assert float(np.abs(np.frombuffer(sound, "<i2")).max()) > 3000


async def test_several_contexts_are_spoken_over_one_socket_in_the_shapes_of_the_library(peer: ElevenLabsPeer) -> None:
    url = f"{peer.url.replace('http', 'ws')}/v1/text-to-speech/{VOICE}/multi-stream-input?output_format=pcm_24000"
    finals: list[str] = []
    async with connect(url, additional_headers={"xi-api-key": KEY}) as socket:
        for context in ("a", "b"):
            for message in beginning(context, "Good morning."):
                await socket.send(message)
        with anyio.fail_after(10):
            while len(finals) < 2:
                told = json.loads(await socket.recv())
                known = FinalOutputMulti if told.get("isFinal") else AudioOutputMulti
                names = {field.alias or name for name, field in known.model_fields.items()}
                names |= {"contextId", "isFinal", "normalizedAlignment"}
                assert set(told) <= names
                if told.get("isFinal"):
                    finals.append(told["contextId"])
                else:
                    assert AudioOutputMulti.model_validate(told).audio
    assert sorted(finals) == ["a", "b"]


async def test_what_we_send_has_the_shapes_of_the_library(peer: ElevenLabsPeer) -> None:
    shapes: list[type[BaseModel]] = [InitializeConnectionMulti, SendTextMulti, CloseContext]
    for shape, message in zip(shapes, beginning("a", "Hello."), strict=True):
        assert set(json.loads(message)) <= set(shape.model_fields)
        shape.model_validate(json.loads(message))
    CloseContext.model_validate(json.loads(ending("a")))
    tts = ElevenLabsTts(Account(KEY, peer.url), voice=VOICE)
    assert [piece async for piece in tts.speak("Hello.")]
    await tts.aclose()
    assert "auto_mode=true&sync_alignment=true" in peer.addresses[0]
