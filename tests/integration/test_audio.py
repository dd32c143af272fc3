"""Speech through OpenAI's addresses: what can be sent and asked for, and what is refused how."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
import soundfile
from tests.serving import in_process
from tests.speech_services import VOICE, elevenlabs_service, openai_audio_service, spoken_words
from tests.upstreams import KEY

from voicemind.channels.audio.upload import cuts
from voicemind.speech.audio import Pcm, write_wav

pytestmark = pytest.mark.anyio

HEARD = "Hello there."
TEXT = "Good morning, my old friend."


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path) as client:
        yield client


def _tone(seconds: float, *, rate_hz: int = 16_000, channels: int = 1) -> np.ndarray[Any, Any]:
    wave = 0.3 * np.sin(2 * np.pi * 220 * np.arange(int(seconds * rate_hz)) / rate_hz)
    return np.repeat(wave[:, None], channels, axis=1)


def _file(
    seconds: float = 2, *, kind: str = "WAV", subtype: str | None = None, rate_hz: int = 16_000, channels: int = 1
) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, _tone(seconds, rate_hz=rate_hz, channels=channels), rate_hz, subtype, format=kind)
    return out.getvalue()


async def _transcribe(
    client: httpx.AsyncClient, content: bytes, *, name: str = "speech.wav", **fields: str
) -> httpx.Response:
    with anyio.fail_after(60):
        return await client.post(
            "/v1/audio/transcriptions", files={"file": (name, content)}, data={"model": "whisper-1", **fields}
        )


@pytest.mark.parametrize(
    ("kind", "subtype", "rate_hz", "channels"),
    [
        ("WAV", "PCM_16", 16_000, 1),
        ("WAV", "PCM_24", 48_000, 2),
        ("WAV", "FLOAT", 44_100, 1),
        ("WAV", "ULAW", 8_000, 1),
        ("FLAC", None, 44_100, 2),
        ("MP3", None, 44_100, 2),
        ("OGG", "VORBIS", 44_100, 1),
        ("OGG", "OPUS", 48_000, 1),
        ("AIFF", None, 22_050, 1),
    ],
)
async def test_every_common_kind_of_file_is_heard(
    client: httpx.AsyncClient, kind: str, subtype: str | None, rate_hz: int, channels: int
) -> None:
    content = _file(kind=kind, subtype=subtype, rate_hz=rate_hz, channels=channels)
    answer = await _transcribe(client, content, name="x.bin", response_format="verbose_json", language="en")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["text"] == HEARD
    assert told["language"] == "en"
    assert abs(told["duration"] - 2) < 0.15


@pytest.mark.parametrize(
    ("form", "kind", "answer"),
    [
        ("text", "text/plain", "Hello there.\n"),
        ("srt", "text/plain", "1\n00:00:00,000 --> 00:00:02,000\nHello there.\n\n"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nHello there.\n\n"),
    ],
)
async def test_a_transcript_comes_in_the_form_that_was_asked_for(
    client: httpx.AsyncClient, form: str, kind: str, answer: str
) -> None:
    said = await _transcribe(client, _file(), response_format=form)
    assert (said.headers["content-type"].partition(";")[0], said.text) == (kind, answer)


async def test_a_long_recording_is_heard_piece_by_piece_and_streamed_so(client: httpx.AsyncClient) -> None:
    answer = await _transcribe(client, _file(60), stream="true")
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert [event["type"] for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    assert len(events) >= 4
    assert "".join(event["delta"] for event in events[:-1]) == events[-1]["text"]
    assert events[-1] == {"type": "transcript.text.done", "text": " ".join([HEARD] * (len(events) - 1))}


async def test_silence_is_heard_as_nothing(client: httpx.AsyncClient) -> None:
    assert (await _transcribe(client, write_wav(Pcm(bytes(32_000), 16_000)))).json()["text"] == ""


def _lying() -> bytes:
    return _file().replace(b"data", b"data\xff\xff\xff\xff"[:4], 1)[:40] + b"\xff\xff\xff\xff" + bytes(8_000)


@pytest.mark.parametrize(
    ("content", "statuses"),
    [
        (b"", {415}),
        (_file()[:44], {415}),
        (_file()[:20], {415}),
        (b"<html><script>alert(1)</script>" + bytes(500), {415}),
        (os.urandom(4_000), {415}),
        (b"ID3" + os.urandom(3_000), {415}),
        (b"fLaC" + bytes(2_000), {415}),
        (_file(kind="FLAC")[:300], {415}),
        (_lying(), {200}),
        (_file(kind="MP3")[:-500], {200}),
    ],
    ids=["empty", "head", "half a head", "html", "noise", "no mp3", "no flac", "cut flac", "claims 4 GB", "cut mp3"],
)
async def test_what_is_no_sound_is_refused_and_what_is_cut_is_heard_as_far_as_it_goes(
    client: httpx.AsyncClient, content: bytes, statuses: set[int]
) -> None:
    answer = await _transcribe(client, content, name="../../x\x00" + "y" * 300 + ".wav")
    assert answer.status_code in statuses, answer.text
    assert (await _transcribe(client, _file())).json()["text"] == HEARD


async def test_hours_of_silence_in_a_small_file_are_refused_before_they_fill_the_memory(
    client: httpx.AsyncClient,
) -> None:
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", 8_000, 1, format="FLAC") as bomb:
        for _ in range(31):
            bomb.write(np.zeros(60 * 8_000, np.int16))
    assert len(out.getvalue()) < 1 << 20
    answer = await _transcribe(client, out.getvalue())
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


async def _answered(client: httpx.AsyncClient, *, head: str, most: int) -> tuple[bytes, int]:
    """The answer to an upload that goes on as long as nothing is answered, and how much was sent."""
    sent, answer = 0, b""
    request = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n{head}\r\n\r\n"
    with anyio.fail_after(60):
        async with await anyio.connect_tcp("127.0.0.1", client.base_url.port or 0) as stream:

            async def send(chunk: bytes) -> None:
                nonlocal sent
                await stream.send(b"%x\r\n%s\r\n" % (len(chunk), chunk) if "chunked" in head else chunk)
                sent += len(chunk)

            async def upload() -> None:
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await send(FORM)
                    while sent < most:
                        await send(bytes(1 << 16))

            await stream.send(request.encode())
            async with anyio.create_task_group() as tasks:
                if most:
                    tasks.start_soon(upload)
                with suppress(anyio.BrokenResourceError):
                    answer = await stream.receive()
                tasks.cancel_scope.cancel()
    return answer, sent


async def test_an_upload_over_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    answer, _ = await _answered(client, head=f"Content-Length: {40 << 20}", most=0)
    assert answer.startswith(b"HTTP/1.1 413")
    answer, sent = await _answered(client, head="Transfer-Encoding: chunked", most=64 << 20)
    assert answer.startswith(b"HTTP/1.1 413")
    assert sent < 40 << 20
    assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "whisper-9"}, 404, "model"),
        ({"response_format": "diarized_json"}, 400, "response_format"),
        ({"stream": "perhaps"}, 400, "stream"),
        ({"timestamp_granularities[]": "word"}, 400, "timestamp_granularities"),
        ({"include[]": "logprobs"}, 400, "include"),
    ],
)
async def test_what_cannot_be_had_of_a_transcript_is_named(
    client: httpx.AsyncClient, fields: dict[str, str], status: int, param: str
) -> None:
    answer = await _transcribe(client, _file(), **fields)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)


async def test_a_form_that_is_none_is_refused(client: httpx.AsyncClient) -> None:
    where = "/v1/audio/transcriptions"
    assert (await client.post(where, json={"model": "whisper-1"})).status_code == 415
    bad = {"Content-Type": "multipart/form-data"}
    assert (await client.post(where, content=b"x", headers=bad)).status_code == 400
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await client.post(where, content=b"--y--", headers=broken)).status_code == 400
    assert (await client.post(where, files={"other": b"x"}, data={"model": "whisper-1"})).json()["error"][
        "param"
    ] == "file"
    two = [("file", ("a", b"x")), ("file", ("b", b"y"))]
    assert (await client.post(where, files=two, data={"model": "whisper-1"})).status_code == 400


async def test_nothing_of_an_upload_stays_on_disk(
    client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for content in (_file(70), os.urandom(3 << 20)):
        await _transcribe(client, content)
    assert list((tmp_path / "temporary").iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 1


async def _speak(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    with anyio.fail_after(60):
        return await client.post("/v1/audio/speech", json={"model": "tts-1", "input": TEXT, "voice": "alloy", **fields})


@pytest.mark.parametrize("form", ["mp3", "opus", "flac", "wav"])
async def test_speech_comes_as_a_file_that_others_can_read(client: httpx.AsyncClient, form: str) -> None:
    answer = await _speak(client, response_format=form)
    assert answer.status_code == 200, answer.text
    with soundfile.SoundFile(io.BytesIO(answer.content)) as file:
        file.seekable = lambda: False  # as a player that reads on to the end
        rate_hz, samples = file.samplerate, file.read(24_000 * 60, dtype="float32")
    assert rate_hz in {24_000, 48_000}
    assert abs(len(samples) / rate_hz - 0.06 * len(TEXT)) < 0.15
    assert float(np.sqrt(np.mean(samples * samples))) > 0.05
    assert (await _transcribe(client, answer.content, name=f"x.{form}")).json()["text"] == HEARD


async def test_raw_samples_are_the_sound_and_nothing_else(client: httpx.AsyncClient) -> None:
    answer = await _speak(client, response_format="pcm")
    assert answer.headers["content-type"] == "audio/pcm"
    assert len(answer.content) == 24 * 60 * len(TEXT) * 2
    assert (await _speak(client)).headers["content-type"] == "audio/mpeg"
    assert (await _speak(client, input="…", response_format="pcm")).content == b""


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "tts-9"}, 404, "model"),
        ({"response_format": "aac"}, 400, "response_format"),
        ({"voice": "nobody"}, 400, "voice"),
        ({"input": "x" * 4097}, 400, "input"),
        ({"input": ""}, 400, "input"),
        ({"speed": 5}, 400, "speed"),
        ({"speed": 0.2}, 400, "speed"),
        ({"stream_format": "video"}, 400, "stream_format"),
    ],
)
async def test_what_cannot_be_spoken_is_named(
    client: httpx.AsyncClient, fields: dict[str, Any], status: int, param: str
) -> None:
    answer = await _speak(client, **fields)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    if fields.get("response_format"):
        assert "mp3, opus, flac, wav, pcm" in answer.json()["error"]["message"]


@pytest.mark.parametrize("speed", [0.25, 0.5, 1, 2.5, 4])
async def test_a_text_is_spoken_as_quickly_as_is_asked(client: httpx.AsyncClient, speed: float) -> None:
    answer = await _speak(client, response_format="pcm", speed=speed)
    assert answer.status_code == 200
    assert len(answer.content) == round(60 * len(TEXT) / speed) * 24 * 2


async def test_a_voice_that_cannot_speak_so_quickly_says_how_quickly_it_can(tmp_path: Path) -> None:
    async with elevenlabs_service() as service:
        given = {"tts": "elevenlabs", "elevenlabs_api_key": KEY, "elevenlabs_base_url": service.url}
        async with in_process(tmp_path, **given, elevenlabs_voice_id=VOICE) as client:
            assert (await _speak(client, model="elevenlabs", speed=1.2)).status_code == 200
            refused = await _speak(client, model="elevenlabs", speed=1.5)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "speed")
    assert "0.7 to 1.2" in refused.json()["error"]["message"]


async def test_our_own_names_and_voices_are_taken_and_agents_speak_with_theirs(client: httpx.AsyncClient) -> None:
    assert (await _speak(client, model="scripted", voice="hum")).status_code == 200
    assert (await _speak(client, model="voicemind", voice={"id": "hum"}, speed=1.0)).status_code == 200
    body = {"model": "tts-1", "input": "Yes."}
    assert (await client.post("/agents/thalia/v1/audio/speech", json=body)).status_code == 200
    assert (await client.post("/agents/nobody/v1/audio/speech", json=body)).status_code == 404


async def test_a_client_that_leaves_stops_the_voice_at_the_service(tmp_path: Path) -> None:
    async with openai_audio_service() as service:
        given: dict[str, Any] = {"tts": "openai", "openai_api_key": KEY, "openai_base_url": service.url}
        async with in_process(tmp_path, **given) as client:
            body = {"model": "tts-1", "input": "word " * 800, "response_format": "pcm"}
            service.packet = 480
            with anyio.fail_after(30):
                async with client.stream("POST", "/v1/audio/speech", json=body) as answer:
                    async for _ in answer.aiter_bytes():
                        break
                await service.idle.wait()
    assert service.running == 0


async def test_hosted_speech_answers_through_the_same_addresses_and_its_failures_have_a_status(tmp_path: Path) -> None:
    async with elevenlabs_service() as peer:
        given: dict[str, Any] = {
            "tts": "elevenlabs",
            "stt": "elevenlabs",
            "elevenlabs_api_key": KEY,
            "elevenlabs_base_url": peer.url,
        }
        async with in_process(tmp_path, **given) as client:
            heard = await _transcribe(client, write_wav(Pcm(spoken_words(0, 7), 16_000)))
            assert heard.json()["text"] == "w0 w1 w2 w3 w4 w5 w6"
            assert (await _speak(client, voice="any voice of theirs", response_format="wav")).status_code == 200
            assert "any%20voice%20of%20theirs" in peer.addresses[-1]
            assert (await _speak(client, voice="nobody")).status_code == 503
        async with in_process(tmp_path / "2", **(given | {"elevenlabs_api_key": "sk-canary-wrong"})) as client:
            answer = await _speak(client)
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_auth")
            assert "canary" not in answer.text
            assert (await _transcribe(client, _file())).status_code == 502


def test_cuts_lie_in_the_pauses() -> None:
    tone = (_tone(20)[:, 0] * 32_000).astype("<i2").tobytes()
    pause = bytes(16_000)
    sound = tone + pause + tone + pause + tone[: 16_000 * 2 * 5]
    found = cuts(sound)
    assert [start for start, _ in found[1:]] == [end for _, end in found[:-1]]
    assert (found[0][0], found[-1][1]) == (0, len(sound))
    assert len(tone) < found[0][1] < len(tone) + len(pause)
    assert 2 * len(tone) + len(pause) < found[1][1] < 2 * len(tone) + 2 * len(pause)
