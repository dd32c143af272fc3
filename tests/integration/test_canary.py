"""Planted words and keys: spoken, typed, sent wrongly and refused, they are in no log, no figure, no span, no error and no address."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import httpx
import numpy as np
import pytest
from tests.administering import API
from tests.serving import own_process, until_ready
from tests.talking import Talk, talking

pytestmark = pytest.mark.anyio

SPOKEN, TYPED, LATER = "quillonbert", "zanzibaria", "marmalux"
KEY, METRICS_KEY, PERSON = "acme-canary-key-77", "metrics-canary-key-78", "thrumbletown"
CANARIES = (SPOKEN, TYPED, LATER, KEY, METRICS_KEY, PERSON)


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    got: list[bytes] = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.path.encode() + self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Takes) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()
        thread.join()


def planted(content: bytes | str) -> list[str]:
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    return [word for word in CANARIES if word in text.lower()]


async def say(talk: Talk) -> None:
    noise = np.random.default_rng(1).normal(0, 6000, 19_200).clip(-32000, 32000).astype("<i2").tobytes()
    sound = bytes(16_000) + noise + bytes(38_400)
    for start in range(0, len(sound), 640):
        await talk.send_sound(sound[start : start + 640])


async def by_voice(client: httpx.AsyncClient) -> str:
    async with talking(client, binary=True, agent="counsellor", user_id=PERSON, record_consent=True) as talk:
        await talk.until("agent_response", final=True)
        await say(talk)
        assert SPOKEN in (await talk.until("transcript", final=True))["text"].lower()
        await talk.until("agent_response", final=True)
        await talk.send(type="text", text=f"I went to {TYPED} and told a long story about it, and then another one.")
        await talk.until("agent_response", final=False)
        await talk.until_sound(60_000)  # some of it is heard by then
        await talk.send(type="interrupt")
        await talk.until("heard", interrupted=True)
        await talk.send(type="nonsense", text=f"Nobody knows {LATER}.")
        wrong = await talk.until("error")
        assert planted(str(wrong)) == []
        await talk.send(type="metrics", underruns=2, gapMs=80.0)
        await talk.send(type="end")
        await talk.until("complete")
    return talk.conversation_id


async def wrongly(client: httpx.AsyncClient) -> None:
    """What is refused does not come back in the refusal."""
    said = [{"role": "user", "content": f"My {LATER} is in {TYPED}."}]
    refusals = [
        await client.post("/v1/chat/completions", content=f'{{"model": "counsellor", "messages": "{LATER}'),
        await client.post("/v1/chat/completions", json={"model": "counsellor", "messages": LATER}),
        await client.post("/v1/chat/completions", json={"model": "counsellor", "messages": said, "temperature": LATER}),
        await client.post("/api/voice-sessions", json={"agent": "counsellor", "user_id": [LATER]}),
        await client.post("/api/login", json={"key": f"{LATER}-wrong-key"}),
        await client.get("/metrics", headers={"Authorization": f"Bearer {LATER}-wrong-key"}),
        await client.get(f"{API}/conversations/{LATER}"),
        await client.get(f"{API}/conversations/{LATER}/recording"),
        await client.get(f"/{LATER}?word={TYPED}"),
    ]
    for refusal in refusals:
        assert refusal.status_code >= 400
        assert planted(refusal.text) == [], refusal.text
        assert planted(str(refusal.headers)) == []


async def test_planted_words_are_found_in_nothing_that_is_told(
    tmp_path: Path, collector: tuple[str, list[bytes]]
) -> None:
    address, spans = collector
    settings = {
        "VOICEMIND_API_KEYS": f"acme:{KEY}",
        "VOICEMIND_METRICS_KEY": METRICS_KEY,
        "VOICEMIND_OTEL_ENDPOINT": address,
        "VOICEMIND_RECORDINGS": "on",
        "VOICEMIND_LOG_LEVEL": "debug",
        "VOICEMIND_LOG_JSON": "true",
        "VOICEMIND_SCRIPTED_STT_TEXT": f"My cat is called {SPOKEN.capitalize()}.",
    }
    with own_process(tmp_path, **settings) as served:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=served.url, timeout=30, headers=headers) as client:
            with anyio.fail_after(120):
                await until_ready(client, limit_s=90)
                identity = await by_voice(client)
                body = {"model": "counsellor", "messages": [{"role": "user", "content": f"Where is {TYPED}?"}]}
                extra = {"conversation_id": "call-1", "user_id": PERSON}
                answer = await client.post("/v1/chat/completions", json={**body, "elevenlabs_extra_body": extra})
                assert answer.status_code == 200
                await wrongly(client)
                session = await client.post("/api/voice-sessions", json={"agent": "thalia", "user_id": PERSON})
                assert planted(session.json()["wsUrl"]) == []
                figures = await client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_KEY}"})
                turns = (await client.get(f"{API}/conversations/{identity}/turns")).json()["items"]
    log = (tmp_path / "server.log").read_text()
    assert any(SPOKEN in turn["generated"].lower() for turn in turns)
    assert sum(turn["interrupted"] for turn in turns) == 1
    assert planted(log) == [], log
    assert planted(figures.text) == []
    assert planted(b"".join(spans)) == []
    assert identity in log, "turns are told, by the id of their conversation"
    assert identity.encode() in b"".join(spans)
    assert log.count('"event": "turn"') == len(turns)
    assert 'voicemind_turns_total{modality="speech",side="user"} 1.0' in figures.text
    assert "voicemind_turns_interrupted_total 1.0" in figures.text
    assert "voicemind_client_underruns_total 2.0" in figures.text
    assert 'voicemind_sessions_ended_total{reason="end"} 1.0' in figures.text
    assert 'voicemind_turn_seconds_count{part="total"}' in figures.text
