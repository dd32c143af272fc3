"""Fault 8: what two hundred clients that drip their requests cost everybody else."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import anyio
import httpx
from tests.serving import own_process, until_ready

Result = dict[str, float | int | str]
SLOW, ROUNDS, EVERY_S, FOR_S = 200, 3, 0.02, 4.0
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
BODY = HEAD + b"Content-Length: 100000\r\n\r\n"
GOOD = {"model": "thalia", "messages": [{"role": "user", "content": "Hello"}]}


async def measure() -> Result:
    """p95 of an answer in milliseconds from when it was due, without and with the slow ones, medians of the rounds; how long a slow one was endured."""
    found: dict[str, list[float]] = {"alone": [], "beside": []}
    endured: list[float] = []
    with tempfile.TemporaryDirectory() as folder, own_process(Path(folder)) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            await until_ready(client)
            await _p95(client, for_s=0.5)
            for _ in range(ROUNDS):
                found["alone"].append(await _p95(client, for_s=FOR_S))
                async with anyio.create_task_group() as tasks:
                    for number in range(SLOW):
                        tasks.start_soon(_slow, server.url, number, endured)
                    found["beside"].append(await _p95(client, for_s=FOR_S))
    alone, beside = median(found["alone"]), median(found["beside"])
    return {
        "alone_p95_ms": round(alone, 2),
        "beside_200_slow_p95_ms": round(beside, 2),
        "ratio": round(beside / alone, 2),
        "slow_closed": len(endured),
        "slow_of": SLOW * ROUNDS,
        "longest_endured_s": round(max(endured), 1),
    }


async def _p95(client: httpx.AsyncClient, *, for_s: float) -> float:
    spent: list[float] = []
    begin = time.perf_counter()
    body = json.dumps(GOOD).encode()
    for number in range(int(for_s / EVERY_S)):
        due = begin + number * EVERY_S
        await anyio.sleep(max(due - time.perf_counter(), 0))
        answer = await client.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
        answer.raise_for_status()
        spent.append((time.perf_counter() - due) * 1e3)
    return sorted(spent)[int(len(spent) * 0.95)]


async def _slow(url: str, number: int, endured: list[float]) -> None:
    """Half of them drip a head, half a body, until they are closed."""
    begin = time.perf_counter()
    async with await anyio.connect_tcp("127.0.0.1", urlsplit(url).port or 0) as stream:
        try:
            await stream.send(HEAD if number % 2 else BODY)
            while True:
                await anyio.sleep(0.5)
                await stream.send(b"X-Drip: 1\r\n" if number % 2 else b" ")
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            endured.append(time.perf_counter() - begin)
