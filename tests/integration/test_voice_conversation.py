"""`/voice-conversation` from the outside: typed, spoken, interrupted, ended, remembered."""

import base64
import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from tests.serving import in_process
from tests.talking import Talk, end, talking
from websockets.exceptions import ConnectionClosed

pytestmark = [pytest.mark.anyio, pytest.mark.alone]

RATE = 16_000
SAID = "My cat is called Biscuit and I live in Oslo."


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path, scripted_stt_text=SAID) as client:
        yield client


def speech(seconds: float) -> bytes:
    """Something that the energy detector takes for a voice."""
    noise = np.random.default_rng(1).normal(0, 6000, int(RATE * seconds))
    return noise.clip(-32000, 32000).astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    return bytes(int(RATE * seconds) * 2)


async def say(talk: Talk, *, binary: bool = True) -> None:
    """An utterance between two silences, in frames of 20 ms."""
    sound = silence(0.5) + speech(1.2) + silence(1.2)
    for start in range(0, len(sound), 640):
        frame = sound[start : start + 640]
        if binary:
            await talk.send_sound(frame)
        else:
            await talk.send(type="audio", data=base64.b64encode(frame).decode())


def kinds(talk: Talk) -> list[str]:
    return [kind for kind, _ in talk.seen]


async def test_typed_words_are_answered_in_pieces_and_stored_in_order(client: httpx.AsyncClient) -> None:
    async with talking(client, agent="thalia", channel="text", greet=False) as talk:
        await talk.send(type="text", text="Tell me about the court.")
        heard = await talk.until("transcript", final=True)
        answer = await talk.until("agent_response", final=True)
        assert (heard["text"], heard["turn"], answer["turn"]) == ("Tell me about the court.", 1, 2)
        partial = [data["text"] for kind, data in talk.seen if kind == "agent_response" and not data["final"]]
        assert len(partial) > 1
        assert all(later.startswith(earlier) for earlier, later in pairwise(partial))
        assert partial[-1].strip() == answer["text"]
        assert talk.sound == b""


async def test_the_first_message_is_said_once_and_not_again_when_the_talk_goes_on(client: httpx.AsyncClient) -> None:
    async with talking(client, agent="thalia", channel="text") as talk:
        greeting = await talk.until("agent_response", final=True)
        assert greeting["turn"] == 1
    async with talking(client, agent="thalia", channel="text", conversation_id=talk.conversation_id) as again:
        await again.send(type="text", text="Hello")
        assert (await again.until("agent_response", final=True))["turn"] == 3


@pytest.mark.parametrize("binary", [True, False])
async def test_a_spoken_sentence_is_transcribed_answered_and_heard(client: httpx.AsyncClient, binary: bool) -> None:
    async with talking(client, binary=binary, agent="counsellor", greet=False) as talk:
        await say(talk, binary=binary)
        partial = await talk.until("transcript", final=False)
        assert SAID.startswith(partial["text"])
        assert (await talk.until("transcript", final=True))["text"] == SAID
        answer = await talk.until("agent_response", final=True)
        assert answer["text"]
        assert not answer["interrupted"]
        if binary:
            sound = bytes(talk.sound)
        else:
            chunks = [data for kind, data in talk.seen if kind == "audio_chunk"]
            assert {chunk["rate"] for chunk in chunks} == {24_000}
            sound = b"".join(base64.b64decode(chunk["audioBase64"]) for chunk in chunks)
            assert [chunk["positionMs"] for chunk in chunks] == sorted(chunk["positionMs"] for chunk in chunks)
        assert np.abs(np.frombuffer(sound, "<i2")).max() > 1000
        states = [data["state"] for kind, data in talk.seen if kind == "state"]
        assert states[states.index("thinking") :][:2] == ["thinking", "speaking"]


async def test_an_interruption_hushes_the_reply_and_keeps_only_what_was_heard(client: httpx.AsyncClient) -> None:
    async with talking(client, binary=True, agent="thalia", greet=False) as talk:
        await talk.send(type="text", text="Tell me a long story about the palace and the harbour and the king please.")
        await talk.until("state", state="speaking")
        await talk.until_sound(60_000)
        await talk.send(type="interrupt")
        hushed = await talk.until("interrupted")
        talk.sound.clear()
        answer = await talk.until("agent_response", final=True)
        assert answer["interrupted"]
        assert answer["generation"] == hushed["generation"]
        await talk.send(type="interrupt")
        await talk.until("interrupted")
        assert talk.sound == b"", "sound of the old reply came after the acknowledgement"
        await talk.send(type="text", text="Go on.")
        assert not (await talk.until("agent_response", final=True))["interrupted"]


async def test_speaking_into_a_reply_interrupts_it(client: httpx.AsyncClient) -> None:
    async with talking(client, binary=True, agent="thalia", greet=False) as talk:
        await talk.send(type="text", text="Tell me a long story about the palace and the harbour and the king please.")
        await talk.until("state", state="speaking")
        await say(talk)
        await talk.until("interrupted")
        assert (await talk.until("transcript", final=True))["text"] == SAID


async def test_after_end_the_conversation_is_complete_and_remembered(client: httpx.AsyncClient) -> None:
    async with talking(client, agent="counsellor", user_id="ann", channel="text", greet=False) as talk:
        await talk.send(type="text", text=SAID)
        await talk.until("agent_response", final=True)
        await talk.send(type="end")
        complete = await talk.until("complete")
        assert (complete["conversationId"], complete["reason"], complete["turns"]) == (talk.conversation_id, "end", 2)
    answer = await end(client, talk.conversation_id)
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) >= {"status", "before", "after", "reflection_notes", "transcript_length"}
    assert (body["conversation_id"], body["version"]) == (talk.conversation_id, 2)
    assert [operation["kind"] for operation in body["operations"]] == ["add", "add"]
    assert (body["status"], body["transcript_length"]) == ("success", 2)
    assert "Biscuit" not in str(body["before"])
    assert "Biscuit" in body["after"]["patient_memory"]
    assert "Oslo" in body["after"]["patient_memory"]
    assert (await end(client, talk.conversation_id)).json() == body

    async with talking(client, agent="counsellor", user_id="ann", channel="text", greet=False) as later:
        await later.send(type="text", text="What is my cat called?")
        assert "Biscuit" in (await later.until("agent_response", final=True))["text"]
    async with talking(client, agent="counsellor", user_id="bob", channel="text", greet=False) as other:
        await other.send(type="text", text="What is my cat called?")
        assert "Biscuit" not in (await other.until("agent_response", final=True))["text"]


async def test_the_last_words_survive_a_hang_up(client: httpx.AsyncClient) -> None:
    async with talking(client, binary=True, agent="counsellor", user_id="cleo", greet=False) as talk:
        sound = silence(0.5) + speech(1.2)
        for start in range(0, len(sound), 640):
            await talk.send_sound(sound[start : start + 640])
        await talk.until("transcript", final=False)
    body = (await end(client, talk.conversation_id)).json()
    assert body["transcript_length"] == 1
    assert "Biscuit" in body["after"]["patient_memory"]


async def test_ending_from_outside_finishes_a_live_session(client: httpx.AsyncClient) -> None:
    async with talking(client, agent="counsellor", channel="text", greet=False) as talk:
        await talk.send(type="text", text="Hello there, it was a long day.")
        await talk.until("agent_response", final=True)
        assert (await end(client, talk.conversation_id)).json()["transcript_length"] == 2
        assert (await talk.until("complete"))["reason"] == "end"


async def test_an_ended_conversation_takes_nothing_more(client: httpx.AsyncClient) -> None:
    async with talking(client, agent="thalia", channel="text", greet=False) as talk:
        await talk.send(type="end")
        await talk.until("complete")
    answer = await client.post("/api/voice-sessions", json={"agent": "thalia", "conversation_id": talk.conversation_id})
    assert answer.status_code == 409
    assert answer.json()["error"] == "already_ended"


async def test_a_left_conversation_is_ended_and_remembered_by_itself(tmp_path: Path) -> None:
    async with in_process(tmp_path, detached_s=0) as client:
        async with talking(client, agent="counsellor", user_id="dan", channel="text", greet=False) as talk:
            await talk.send(type="text", text=SAID)
            await talk.until("agent_response", final=True)
        await remembers(client, "dan")


async def test_a_stale_conversation_is_swept_and_remembered(tmp_path: Path) -> None:
    async with in_process(tmp_path) as client:
        answer = await client.post(
            "/v1/chat/completions",
            json={
                "model": "counsellor",
                "messages": [{"role": "user", "content": SAID}],
                "elevenlabs_extra_body": {"conversation_id": "call-1", "patient_id": "eve"},
            },
        )
        assert answer.status_code == 200
        with sqlite3.connect(tmp_path / "data/voicemind.db", timeout=10) as database:  # as if that were long ago
            long_ago = "2000-01-01T00:00:00.000000+00:00"
            database.execute("UPDATE conversations SET active_at = ? WHERE id = 'call-1'", (long_ago,))
        await remembers(client, "eve")


async def remembers(client: httpx.AsyncClient, user_id: str) -> None:
    """Ask, without a conversation, until the mind has it."""
    question = {
        "model": "counsellor",
        "messages": [{"role": "user", "content": "What is my cat called?"}],
        "elevenlabs_extra_body": {"patient_id": user_id},
    }
    with anyio.fail_after(60):
        while "Biscuit" not in (await client.post("/v1/chat/completions", json=question)).text:  # noqa: ASYNC110 - asked as a client would
            await anyio.sleep(0.05)


async def test_no_more_sessions_than_allowed(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, max_concurrent_sessions=1, queue_places=0) as client,
        talking(client, agent="thalia", channel="text"),
    ):
        answer = await client.post("/api/voice-sessions", json={"agent": "thalia"})
        assert answer.status_code == 503
        assert answer.headers["retry-after"]


async def test_an_idle_session_ends(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, session_timeout_minutes=0.005) as client,
        talking(client, agent="thalia", channel="text", greet=False) as talk,
    ):
        assert (await talk.until("complete"))["reason"] == "idle"


async def test_an_open_microphone_alone_does_not_keep_a_session(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, session_timeout_minutes=0.01) as client,
        talking(client, binary=True, agent="thalia", greet=False) as talk,
        anyio.create_task_group() as tasks,
    ):

        async def microphone() -> None:
            with suppress(ConnectionClosed):  # the server is the first to know that it is over
                while True:
                    await talk.send_sound(silence(0.02))
                    await anyio.sleep(0.02)

        tasks.start_soon(microphone)
        assert (await talk.until("complete"))["reason"] == "idle"
        tasks.cancel_scope.cancel()


async def test_a_live_conversation_is_not_swept_however_long_nobody_speaks(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, stale_minutes=0.03, sweep_every_s=0.02) as client,
        talking(client, agent="thalia", channel="text", greet=False) as talk,
    ):
        for text in ("Hello", "Are you there?"):
            await anyio.sleep(2)  # longer than stale, and many sweeps
            await talk.send(type="text", text=text)
            assert (await talk.until("agent_response", final=True))["text"]


async def test_a_reload_in_the_middle_goes_on_where_the_old_page_stopped(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path, detached_s=0.2, sweep_every_s=0.02, scripted_llm_ms=50) as client,
        talking(client, agent="thalia", channel="text", greet=False) as old,
    ):
        await old.send(type="text", text="I live in Oslo.")
        await old.until("transcript", final=True)
        same: dict[str, Any] = {
            "agent": "thalia",
            "channel": "text",
            "conversation_id": old.conversation_id,
            "greet": False,
        }
        async with talking(client, **same) as new:
            await anyio.sleep(0.4)  # longer than a left conversation is kept
            await new.send(type="text", text="Where do I live?")
            assert (await new.until("agent_response", final=True))["turn"] >= 3


async def test_an_impossible_claim_of_what_was_played_harms_nobody(client: httpx.AsyncClient) -> None:
    async with talking(client, binary=True, agent="thalia", greet=False) as talk:
        await talk.send(type="text", text="Tell me a long story about the palace and the harbour and the king please.")
        generation = (await talk.until("agent_response", final=False))["generation"]
        await talk.send(type="played", generation=generation, ms=1e308)
        await talk.send(type="interrupt")
        await talk.until("interrupted")
        await talk.send(type="text", text="Go on.")
        assert not (await talk.until("agent_response", final=True, interrupted=False))["interrupted"]


async def test_a_turn_that_cannot_be_stored_is_told_and_closes_the_socket(tmp_path: Path) -> None:
    async with in_process(tmp_path) as client, talking(client, agent="thalia", channel="text", greet=False) as talk:
        with sqlite3.connect(tmp_path / "data/voicemind.db") as database:
            database.execute("UPDATE conversations SET status = 'ended' WHERE id = ?", (talk.conversation_id,))
        await talk.send(type="text", text="Hello")
        assert (await talk.until("error"))["code"] == "already_ended"
        with pytest.raises(ConnectionClosed) as closed:
            await talk.until("complete")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1011
