"""The main job with the embedded models, as a person would try it: speak, leave, come back in another process, be remembered."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from tests.serving import Served, own_process, until_ready

from voicemind.config import Settings
from voicemind.speech.audio import Pcm, read_wav, write_wav
from voicemind.speech.tts.contract import sound_of
from voicemind.speech.tts.piper import PiperTts

pytestmark = [pytest.mark.anyio, pytest.mark.models]

EMBEDDED = {
    "VOICEMIND_LLM": "local",
    "VOICEMIND_STT": "moonshine",
    "VOICEMIND_TTS": "piper",
    "VOICEMIND_VAD": "silero",
    "VOICEMIND_CACHE_DIR": str(Settings.load().cache_dir),
}


async def record(path: Path) -> None:
    tts = PiperTts()
    await tts.start()
    samples = b"".join(
        [piece.samples async for piece in sound_of(tts.speak("My cat is called Biscuit and I live in Oslo."))]
    )
    await tts.aclose()
    path.write_bytes(write_wav(Pcm(samples, tts.rate_hz)))


def voicemind(server: Served, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "voicemind", *words]
    return subprocess.run(
        command, env={**server.environment, "COLUMNS": "200"}, capture_output=True, text=True, timeout=900, check=False
    )


async def test_a_person_is_remembered_in_the_next_conversation_and_nobody_else_is_told(tmp_path: Path) -> None:
    hello, answer = tmp_path / "hello.wav", tmp_path / "a.wav"
    await record(hello)
    with own_process(tmp_path, **EMBEDDED) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            await until_ready(client, limit_s=180)
        talked = voicemind(server, "talk", "--agent", "counsellor", "--user", "first", str(hello), "--out", str(answer))
        assert talked.returncode == 0, talked.stderr
        assert np.abs(np.frombuffer(read_wav(answer.read_bytes()).samples, "<i2")).max() > 1000
        first = voicemind(
            server, "chat", "--agent", "counsellor", "--user", "first", "--once", "What is my cat called?"
        )
        assert first.returncode == 0, first.stderr
        assert "Biscuit" in first.stdout
        second = voicemind(
            server, "chat", "--agent", "counsellor", "--user", "second", "--once", "What is my cat called?"
        )
        assert second.returncode == 0, second.stderr
        assert second.stdout.strip()
        assert "Biscuit" not in second.stdout


async def test_what_has_changed_since_is_known_in_the_next_conversation(tmp_path: Path) -> None:
    with own_process(tmp_path, **EMBEDDED) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            await until_ready(client, limit_s=180)

        def said(text: str) -> str:
            answer = voicemind(server, "chat", "--agent", "counsellor", "--user", "third", "--once", text)
            assert answer.returncode == 0, answer.stderr
            return answer.stdout.strip()

        said("My cat is called Biscuit.")
        said("Biscuit died last spring, now I have a dog, Rollo.")
        cat, dog = said("What happened to my cat Biscuit?"), said("Who is Rollo?")
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            mind = (await client.get("/api/v1/minds/counsellor/third")).json()
    lines = [entry["text"] for block in mind["blocks"] for entry in block["entries"]]
    assert "The user's cat Biscuit died last spring." in lines
    assert "The user's cat is called Biscuit." not in lines
    assert re.search(r"died|passed away|dead|no longer with|lost", cat, re.IGNORECASE), cat
    assert "dog" in dog.lower(), dog
