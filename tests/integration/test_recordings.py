"""Recordings over a running server: made where somebody agreed, aligned with what was said, served in ranges, and gone when they have to be."""

import io
import os
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import numpy.typing as npt
import pytest
from tests.administering import API
from tests.serving import in_process, own_process, until_ready
from tests.talking import Talk, talking

pytestmark = [pytest.mark.anyio, pytest.mark.alone]

RATE = 16_000
FRAME_S = 0.02
SAID = "My cat is called Biscuit and I live in Oslo."


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path, scripted_stt_text=SAID, recordings="on") as client:
        yield client


def files(tmp_path: Path) -> list[str]:
    folder = tmp_path / "data/recordings"
    return sorted(file.suffix for file in folder.iterdir()) if folder.is_dir() else []


async def say(talk: Talk, seconds: float = 1.2) -> None:
    """An utterance between silences, at the pace of a microphone."""
    noise = np.random.default_rng(1).normal(0, 6000, int(RATE * seconds)).clip(-32000, 32000).astype("<i2").tobytes()
    sound = bytes(RATE) + noise + bytes(RATE * 2)
    began = anyio.current_time()
    for number, start in enumerate(range(0, len(sound), 640)):
        await anyio.sleep_until(began + (number + 1) * FRAME_S)
        await talk.send_sound(sound[start : start + 640])


async def spoken(client: httpx.AsyncClient, **body: Any) -> str:
    """One spoken turn and its answer, to the end; the conversation's id."""
    consent = {"record_consent": True, **body}
    async with talking(client, binary=True, **{"agent": "counsellor", "greet": False, **consent}) as talk:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(say, talk)
            await talk.until("agent_response", final=True)
        await talk.send(type="end")
        await talk.until("complete")
    return talk.conversation_id


def sides(content: bytes) -> npt.NDArray[np.int16]:
    with wave.open(io.BytesIO(content)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def loud_ms(side: npt.NDArray[np.int16]) -> tuple[float, float]:
    found = np.flatnonzero(np.abs(side.astype(np.int32)) > 600)
    return found[0] * 1000 / RATE, found[-1] * 1000 / RATE


async def test_both_sides_are_where_the_turns_say(client: httpx.AsyncClient) -> None:
    identity = await spoken(client)
    answer = await client.get(f"{API}/conversations/{identity}/recording")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == 'attachment; filename="conversation.wav"'
    sound = sides(answer.content)
    told = (await client.get(f"{API}/conversations/{identity}/recording/turns")).json()
    assert told["duration_ms"] == len(sound) * 1000 // RATE
    user, agent = told["turns"]
    assert [(place["turn"], place["role"]) for place in (user, agent)] == [(1, "user"), (2, "agent")]
    assert (user["start_ms"], user["end_ms"]) == pytest.approx(loud_ms(sound[:, 0]), abs=40)
    assert (agent["start_ms"], agent["end_ms"]) == pytest.approx(loud_ms(sound[:, 1]), abs=60)
    assert agent["start_ms"] > user["end_ms"]
    outline = (await client.get(f"{API}/conversations/{identity}/recording/peaks")).json()
    assert outline["length"] == -(-len(sound) // outline["samples_per_pixel"])
    assert len(outline["data"]) == outline["length"] * 4
    first = next(at for at in range(outline["length"]) if outline["data"][at * 4 + 1] > 2)
    assert first * outline["samples_per_pixel"] * 1000 / RATE == pytest.approx(user["start_ms"], abs=70)


async def test_a_player_can_ask_for_a_part(client: httpx.AsyncClient) -> None:
    identity = await spoken(client)
    address = f"{API}/conversations/{identity}/recording"
    whole = (await client.get(address)).content
    for wanted, expected in (("0-43", whole[:44]), ("1000-", whole[1000:]), ("-50", whole[-50:])):
        part = await client.get(address, headers={"Range": f"bytes={wanted}"})
        assert (part.status_code, part.content) == (206, expected)
        assert part.headers["content-range"].endswith(f"/{len(whole)}")
    beyond = await client.get(address, headers={"Range": f"bytes={len(whole) + 5}-"})
    assert beyond.status_code == 416


async def test_an_interrupted_reply_ends_in_the_recording_where_it_was_silenced(client: httpx.AsyncClient) -> None:
    async with talking(client, binary=True, agent="thalia", greet=False, record_consent=True) as talk:
        assert dict(talk.seen)["ready"]["recording"] is True
        await talk.send(type="text", text="Tell me a long story about the palace and the harbour and the king please.")
        await talk.until("state", state="speaking")
        while len(talk.sound) < 48_000:
            with anyio.fail_after(60):
                frame = await talk.socket.recv()
            if isinstance(frame, bytes):
                talk.sound += frame[16:]
        await talk.send(type="interrupt")
        await talk.until("interrupted")
        sent_ms = len(talk.sound) / 48
        await talk.until("agent_response", final=True)
        await talk.send(type="text", text="Go on.")
        await talk.until("agent_response", final=True)
        await talk.send(type="end")
        await talk.until("complete")
    told = (await client.get(f"{API}/conversations/{talk.conversation_id}/recording/turns")).json()
    cut, second = told["turns"][1], told["turns"][3]
    heard_ms = cut["end_ms"] - cut["start_ms"]
    assert 300 < heard_ms <= sent_ms, "more sounded than was sent"
    sound = sides((await client.get(f"{API}/conversations/{talk.conversation_id}/recording")).content)
    between = sound[(cut["end_ms"] + 10) * 16 : (second["start_ms"] - 10) * 16, 1]
    assert not between.any()


@pytest.mark.parametrize(
    ("settings", "body"),
    [
        ({"recordings": "on"}, {}),
        ({"recordings": "on"}, {"record_consent": False}),
        ({"recordings": "on"}, {"record_consent": True, "channel": "text"}),
        ({}, {"record_consent": True}),
    ],
)
async def test_nothing_is_written_without_both_the_setting_and_consent(
    tmp_path: Path, settings: dict[str, Any], body: dict[str, Any]
) -> None:
    async with in_process(tmp_path, **settings) as client:
        async with talking(client, binary=True, agent="counsellor", greet=False, **body) as talk:
            assert dict(talk.seen)["ready"]["recording"] is False
            if body.get("channel") != "text":
                await talk.send_sound(bytes(640))
            await talk.send(type="text", text="Hello")
            await talk.until("agent_response", final=True)
            await talk.send(type="end")
            await talk.until("complete")
        for part in ("", "/peaks", "/turns"):
            answer = await client.get(f"{API}/conversations/{talk.conversation_id}/recording{part}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "recording_not_found")
    assert files(tmp_path) == []


async def test_who_goes_on_with_a_conversation_without_a_word_is_recorded_as_before(client: httpx.AsyncClient) -> None:
    async with talking(client, binary=True, agent="counsellor", greet=False, record_consent=True) as talk:
        await talk.send_sound(bytes(640))
    same: dict[str, Any] = {"agent": "counsellor", "greet": False, "conversation_id": talk.conversation_id}
    async with talking(client, binary=True, **same) as again:
        assert dict(again.seen)["ready"]["recording"] is True
    async with talking(client, binary=True, **same, record_consent=False) as again:
        assert dict(again.seen)["ready"]["recording"] is False


async def test_another_tenants_recording_does_not_exist(tmp_path: Path) -> None:
    keys = "acme:acme-key-1,globex:globex-key-1"
    async with in_process(tmp_path, recordings="on", scripted_stt_text=SAID, api_keys=keys) as client:
        client.headers["Authorization"] = "Bearer acme-key-1"
        identity = await spoken(client)
        assert (await client.get(f"{API}/conversations/{identity}/recording")).status_code == 200
        for part in ("", "/peaks", "/turns"):
            address = f"{API}/conversations/{identity}/recording{part}"
            assert (await client.get(address, headers={"Authorization": "Bearer globex-key-1"})).status_code == 404
        theirs = {"Authorization": "Bearer globex-key-1"}
        assert (await client.delete(f"{API}/conversations/{identity}/recording", headers=theirs)).status_code == 404
        assert (await client.get(f"{API}/conversations/{identity}/recording")).status_code == 200


@pytest.mark.parametrize("erased", ["conversation", "user"])
async def test_erasure_takes_the_recording_with_it_and_says_so(
    tmp_path: Path, client: httpx.AsyncClient, erased: str
) -> None:
    identity = await spoken(client, user_id="ann")
    dossier = (await client.get(f"{API}/users/ann/export")).json()
    assert [talk["recording"] for talk in dossier["conversations"]] == [f"{API}/conversations/{identity}/recording"]
    assert (await client.get(f"{API}/conversations/{identity}/recording")).status_code == 200
    assert files(tmp_path) == [".peaks", ".turns", ".wav"]
    address = f"{API}/users/ann" if erased == "user" else f"{API}/conversations/{identity}"
    receipt = (await client.delete(address)).json()
    assert receipt["counts"]["recordings"] == 1
    assert receipt["scrubbed"]
    assert files(tmp_path) == []


async def test_a_recording_can_be_erased_while_it_is_made_and_is_not_made_any_more(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    async with talking(client, binary=True, agent="counsellor", greet=False, record_consent=True) as talk:
        await say(talk, 0.2)
        address = f"{API}/conversations/{talk.conversation_id}/recording"
        assert (await client.get(address)).status_code == 200
        assert (await client.delete(address)).status_code == 204
        assert files(tmp_path) == []
        await talk.send(type="text", text="Hello")
        await talk.until("agent_response", final=True)
        await talk.send(type="end")
        await talk.until("complete")
    assert (await client.get(address)).status_code == 404
    assert (await client.delete(address)).status_code == 404
    assert files(tmp_path) == []
    assert (await client.get(f"{API}/conversations/{talk.conversation_id}/turns")).json()["items"]


async def test_what_is_older_than_the_rules_allow_is_swept(tmp_path: Path) -> None:
    async with in_process(tmp_path, recordings="on", recordings_days=2, scripted_stt_text=SAID) as client:
        identity = await spoken(client)
        young = await spoken(client)
        assert (await client.get(f"{API}/conversations/{identity}/recording")).status_code == 200
        assert (await client.get(f"{API}/conversations/{young}/recording")).status_code == 200
        folder = tmp_path / "data/recordings"
        oldest = min(folder.glob("*.wav"), key=lambda file: file.stat().st_mtime_ns)
        for file in folder.glob(f"{oldest.stem}.*"):
            os.utime(file, (time.time() - 3 * 86_400,) * 2)
        with anyio.fail_after(60):
            while oldest.exists():  # noqa: ASYNC110 - the sweep comes by itself
                await anyio.sleep(0.02)
        assert (await client.get(f"{API}/conversations/{identity}/recording")).status_code == 404
        assert (await client.get(f"{API}/conversations/{young}/recording")).status_code == 200
        assert len(files(tmp_path)) == 3


async def test_files_of_nobody_are_swept(tmp_path: Path) -> None:
    async with in_process(tmp_path, recordings="on"):
        folder = tmp_path / "data/recordings"
        folder.mkdir(mode=0o700)
        stray = folder / f"{'a' * 32}.wav"
        stray.write_bytes(b"RIFF")
        with anyio.fail_after(60):
            while stray.exists():  # noqa: ASYNC110 - the sweep comes by itself
                await anyio.sleep(0.02)


async def test_a_server_that_is_killed_leaves_a_recording_that_plays(tmp_path: Path) -> None:
    with own_process(tmp_path, VOICEMIND_RECORDINGS="on") as served:
        async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
            await until_ready(client, limit_s=90)
            async with talking(client, binary=True, agent="counsellor", greet=False, record_consent=True) as talk:
                while not list((tmp_path / "data/recordings").glob("*.wav")) or played_s(tmp_path) < 1:
                    await say(talk, 1.0)
                served.kill()
    assert played_s(tmp_path) >= 1
    with own_process(tmp_path, VOICEMIND_RECORDINGS="on") as served:
        async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
            await until_ready(client, limit_s=90)
            answer = await client.get(f"{API}/conversations/{talk.conversation_id}/recording")
            assert len(sides(answer.content)) >= RATE
            assert np.abs(sides(answer.content)[:, 0]).max() > 1000


def played_s(tmp_path: Path) -> float:
    (path,) = (tmp_path / "data/recordings").glob("*.wav")
    return len(sides(path.read_bytes())) / RATE
