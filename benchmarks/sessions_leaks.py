"""Metric 11: what a server still holds after thousands of people came, talked and went, three in ten of them without a word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
from tests.serving import SCRIPTED

from benchmarks.completions_servers import pinned, until_answers
from benchmarks.sessions_inside import CONNECT
from benchmarks.sessions_load import Dialect, Noted, Person, Script
from benchmarks.sessions_sound import murmur
from benchmarks.sessions_wire import NotOpenError

CYCLES, WARM_UP, AT_ONCE = 2_000, 2_400, 16
"""The warm-up fills what is bounded: a thousand minds that stay in memory, two people in three having one, and the pages of the database that each connection keeps."""
ABRUPT = 0.3
SETTLED_S = 3.0

Result = dict[str, float | int | str]


async def leaks(folder: Path, *, cores: set[int]) -> Result:
    """How much more is held after the cycles than before, and kilobytes a cycle over their second half."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else is under way
    settings = {**SCRIPTED, "vad": "silero", "data_dir": folder / "data", "cache_dir": folder / "cache"}
    settings |= {"detached_s": 0, "max_concurrent_sessions": 10_000}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VOICEMIND_")}
    environment |= {f"VOICEMIND_{name.upper()}": str(value) for name, value in settings.items()}
    with (folder / "server.log").open("ab") as log, pinned(cores):
        command = [sys.executable, "-m", "benchmarks.sessions_inside"]
        process = subprocess.Popen(  # noqa: ASYNC220 - as above
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
    try:
        assert process.stdout is not None
        url = (await anyio.to_thread.run_sync(process.stdout.readline)).decode().strip()
        await until_answers(process, url + "/readyz", log=folder / "server.log")
        errors = await _cycles(url, WARM_UP)
        held = [await _held(process, CONNECT)]
        for _ in range(2):
            errors += await _cycles(url, CYCLES // 2)
            held.append(await _held(process))
    finally:
        process.kill()
        process.wait(timeout=10)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
    first, middle, last = held
    left = {name: last[name] - first[name] for name in ("tasks", "descriptors", "threads")}
    return {
        "leak_cycles": CYCLES,
        "leak_errors": errors,
        "leak_left": " / ".join(str(count) for count in left.values()),
        "leak_kb_a_cycle": round((last["kb"] - middle["kb"]) / (CYCLES // 2), 2),
        "leak_kb_a_cycle_first_half": round((middle["kb"] - first["kb"]) / (CYCLES // 2), 2),
        "leak_mb": round(last["kb"] / 1024),
    }


async def _cycles(url: str, count: int) -> int:
    """So many people; how many could not talk."""
    noted = Noted(since=0.0)
    places = anyio.Semaphore(AT_ONCE)
    chunks = [Dialect().chunk(murmur(20))] * 3
    script = Script(chunks, {0: "ask", 1: "write"})

    async def one(number: int, client: httpx.AsyncClient) -> None:
        async with places:
            person = Person(script, Dialect(), noted)
            try:
                answer = await client.post(f"{url}/api/voice-sessions", json={"greet": False})
                answer.raise_for_status()
                await person.open(str(answer.json()["wsUrl"]) + "&binary=1")
            except (NotOpenError, httpx.HTTPError) as error:
                noted.errors[str(error)] += 1
                return
            for _ in chunks:
                person.step(0.0)
                await anyio.sleep(0.02)
            if number % 10 < ABRUPT * 10:
                person.drop()
            else:
                person.leave(0.0)
            await anyio.sleep(0.02)

    async with httpx.AsyncClient(timeout=60) as client, anyio.create_task_group() as tasks:
        for number in range(count):
            tasks.start_soon(one, number, client)
    await anyio.sleep(SETTLED_S)
    return noted.errors.total()


async def _held(process: subprocess.Popen[bytes], line: str = "") -> dict[str, int]:
    """What the process says that it holds, once it has done what the line asks for."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()
    return dict(json.loads(await anyio.to_thread.run_sync(process.stdout.readline)))
