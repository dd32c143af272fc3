"""A server that is looked at from outside: who may read its figures, what is in them, and what it does when descriptors run out."""

import contextlib
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.serving import SCRIPTED, free_port, in_process, until_ready
from tests.talking import talking

pytestmark = pytest.mark.anyio

KEYS = "acme:acme-key-1,globex:globex-key-1"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path) as client:
        yield client


async def figures(client: httpx.AsyncClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels, as a Prometheus reads them."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_without_keys_this_machine_may_look_and_no_page_of_another(client: httpx.AsyncClient) -> None:
    assert (await figures(client))[("voicemind_build_info", frozenset({("version", "0.1.0")}))] == 1
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        assert (await client.get("/metrics", headers=headers)).status_code == 403
    assert (await client.post("/metrics")).status_code == 405


@pytest.mark.parametrize(
    ("settings", "allowed", "refused"),
    [
        ({"api_keys": "acme:acme-key-1"}, ["acme-key-1"], ["", "wrong-key-1"]),
        ({}, [], ["", "acme-key-1", "wrong-key-1"]),
        ({"metrics_key": "only-for-metrics"}, ["only-for-metrics"], ["", "acme-key-1", "wrong-key-1"]),
        ({"metrics": "open"}, ["", "wrong-key-1"], []),
    ],
)
async def test_with_keys_whoever_has_the_right_one_may_look(
    tmp_path: Path, settings: dict[str, Any], allowed: list[str], refused: list[str]
) -> None:
    async with in_process(tmp_path, **{"api_keys": KEYS, **settings}) as client:
        for key, status in [*((key, 200) for key in allowed), *((key, 401) for key in refused)]:
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {key}"} if key else {})
            assert answer.status_code == status, key
        for key in refused:
            answer = await client.get("/metrics", headers={"X-Api-Key": key} if key else {})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        if "metrics_key" in settings:
            headers = {"Authorization": "Bearer only-for-metrics"}
            assert (await client.get("/api/v1/agents", headers=headers)).status_code == 401


async def test_a_server_need_not_show_its_figures(tmp_path: Path) -> None:
    async with in_process(tmp_path, metrics="off") as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_guesses_at_the_key_are_limited_and_use_up_nobodys_rate(tmp_path: Path) -> None:
    given: dict[str, Any] = {"api_keys": KEYS, "metrics_key": "only-for-metrics"}
    async with in_process(tmp_path, rate_per_minute=6, **given) as client:
        wrong = {"Authorization": "Bearer wrong-key-1"}
        assert [(await client.get("/metrics", headers=wrong)).status_code for _ in range(3)] == [401, 429, 429]
        assert (await client.get("/api/v1/agents", headers={"X-Api-Key": "acme-key-1"})).status_code == 200


async def test_figures_that_no_client_can_have_are_refused(client: httpx.AsyncClient) -> None:
    before = await figures(client)
    async with talking(client, agent="thalia", channel="text", greet=False) as talk:
        for report in ({"underruns": 10_001}, {"gapMs": 600_001}, {"underruns": 2**53, "gapMs": 1e9}):
            await talk.send(type="metrics", **report)
            await talk.until("error")
        await talk.send(type="metrics", underruns=2, gapMs=50)
        await talk.send(type="end")
        await talk.until("complete")
    after = await figures(client)
    names = ("voicemind_client_underruns_total", "voicemind_client_gap_seconds_total")
    grown = [after[name, frozenset()] - before[name, frozenset()] for name in names]
    assert grown == pytest.approx([2, 0.05])


async def test_requests_and_errors_are_counted_by_what_they_were_for(client: httpx.AsyncClient) -> None:
    before = await figures(client)
    body = {"model": "counsellor", "messages": [{"role": "user", "content": "Hello"}]}
    for stream in (False, True):
        assert (await client.post("/v1/chat/completions", json={**body, "stream": stream})).status_code == 200
    assert (await client.post("/v1/chat/completions", json={**body, "model": "nobody"})).status_code == 404
    assert (await client.get("/api/v1/users/somebody-secret")).status_code == 404
    after = await figures(client)

    def grown(name: str, **labels: str) -> float:
        key = (f"voicemind_{name}", frozenset(labels.items()))
        return after.get(key, 0.0) - before.get(key, 0.0)

    assert grown("http_requests_total", route="chat_completions", status="200") == 2
    assert grown("http_requests_total", route="chat_completions", status="404") == 1
    assert grown("http_first_byte_seconds_count", route="chat_completions") == 3
    assert grown("http_requests_total", route="rest", status="404") == 1
    assert grown("errors_total", code="model_not_found") == 1
    assert grown("errors_total", code="user_not_found") == 1
    assert "somebody-secret" not in (await client.get("/metrics")).text


async def test_reflections_are_counted(client: httpx.AsyncClient) -> None:
    before = await figures(client)
    extra = {"conversation_id": "call-1", "user_id": "ann"}
    body = {"model": "counsellor", "messages": [{"role": "user", "content": "My cat is called Biscuit."}]}
    answer = await client.post("/v1/chat/completions", json={**body, "elevenlabs_extra_body": extra})
    assert answer.status_code == 200
    assert (await client.post("/api/elevenlabs/end", json={"conversation_id": "call-1"})).status_code == 200
    done = ("voicemind_reflections_total", frozenset({("outcome", "done")}))
    assert (await figures(client)).get(done, 0) - before.get(done, 0) == 1


SERVED_WITH_64 = textwrap.dedent("""
    import resource, sys
    from voicemind.__main__ import main
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    sys.argv[1:] = ["serve"]
    main()
""")


@contextlib.contextmanager
def served_with_64(folder: Path, log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server in a process that may open 64 descriptors, its connections never too old; stopped in order."""
    port = free_port()
    given = {**SCRIPTED, "data_dir": folder / "data", "cache_dir": folder / "cache", "port": port}
    given |= {"keep_alive_s": 600, "slow_request_s": 600}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VOICEMIND_")}
    settings = {f"VOICEMIND_{name.upper()}": str(value) for name, value in given.items()}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVED_WITH_64], env={**kept, **settings}, stdout=out, stderr=out
        )
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait(timeout=120)


async def test_a_process_with_64_descriptors_survives_more_callers_than_it_can_hold(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with served_with_64(tmp_path, log) as (url, process):
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            await until_ready(client, limit_s=90)
            with contextlib.ExitStack() as crowd:
                for _ in range(150):
                    crowd.enter_context(calling(url))
                with anyio.fail_after(60):
                    while "descriptors run low" not in log.read_text():  # noqa: ASYNC110 - another process writes it
                        await anyio.sleep(0.05)
                assert process.poll() is None
            await until_ready(client, limit_s=60)
            told = (await client.get("/metrics")).text
    assert 'voicemind_alarms_total{kind="files"} ' in told
    assert "voicemind_max_fds 64.0" in told
    assert process.returncode == 0
    assert "Traceback" not in log.read_text(), log.read_text()


def calling(url: str) -> socket.socket:
    """Somebody who has begun to ask, and says no more."""
    caller = socket.socket()
    caller.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        caller.connect(("127.0.0.1", int(url.rpartition(":")[2])))
    with contextlib.suppress(OSError):
        caller.send(b"POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
    return caller
