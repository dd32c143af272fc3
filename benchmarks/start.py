"""Metric 13 and the memory of an idle server: from the process's start to a ready scripted server, beside a bare one on the same libraries."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import anyio
import httpx
from tests.serving import free_port, own_process

Result = dict[str, float | int | str]
BARE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
async def ready(_): return PlainTextResponse("ok")
uvicorn.run(Starlette(routes=[Route("/readyz", ready)]), port=int(sys.argv[1]), log_level="critical", ws="websockets-sansio")
"""


async def measure(*, rounds: int = 5) -> Result:
    """Seconds and megabytes, medians of the rounds; ours and the bare server start in turn. The first start makes the database, the others open it."""
    ours: list[float] = []
    bare: list[float] = []
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds + 1):
            spent, megabytes = await _ours(Path(folder))
            ours.append(spent)
            memory.append(megabytes)
            bare.append(await _bare())
    return {
        "first_start_s": round(ours[0], 2),
        "start_s": round(median(ours[1:]), 2),
        "start_spread_s": round(max(ours[1:]) - min(ours[1:]), 2),
        "bare_start_s": round(median(bare), 2),
        "idle_mb": round(median(memory)),
    }


async def _ours(folder: Path) -> tuple[float, float]:
    began = time.perf_counter()
    with own_process(folder) as server:
        await _until_ready(server.url)
        spent = time.perf_counter() - began
        return spent, _resident_mb(server.process.pid)


async def _bare() -> float:
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", BARE, str(port)])  # noqa: ASYNC220 - forking is part of what is measured
    try:
        await _until_ready(f"http://127.0.0.1:{port}")
        return time.perf_counter() - began
    finally:
        process.kill()
        process.wait(timeout=10)


async def _until_ready(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        with anyio.fail_after(60):
            while True:
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await anyio.sleep(0.005)


def _resident_mb(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
