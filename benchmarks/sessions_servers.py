"""The servers that the sessions' benchmark compares: ours as anybody runs it with scripted models, a bare echo, and Pipecat."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import anyio
import anyio.to_thread
import httpx
from tests.serving import SCRIPTED, free_port

from benchmarks.completions_servers import environment_of, running, until_answers
from benchmarks.sessions_load import BareDialect, Dialect, EchoDialect

PIPECAT = "pipecat-ai[websocket]==1.14.0"
UVICORN = "uvicorn[standard]==0.54.0"
STT_MS, LLM_MS, TTS_MS = 100, 300, 100
SCRIPT_MS = STT_MS + LLM_MS + TTS_MS
HEARD = "Lighthouse keepers, stormy winters, harbour boats, candles."
"""Makes the scripted model answer with about four seconds of speech."""


@dataclass(frozen=True)
class Target:
    """Where people talk to; `invite` makes the address of one more socket."""

    name: str
    process: int
    url: str
    dialect: Dialect
    invite: Callable[[httpx.AsyncClient], Awaitable[str]]
    answers_messages: bool = True
    """Whether it knows our small message."""


@asynccontextmanager
async def ours(
    folder: Path, *, cores: set[int], name: str = "ours", settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncGenerator[Target]:
    """`voicemind serve` with its defaults, Silero, and scripted models that take their time; SQLite in this folder."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else is under way
    port = free_port()
    chosen = {**SCRIPTED, "vad": "silero", "scripted_stt_text": HEARD, "max_concurrent_sessions": "10000"}
    chosen |= {"scripted_stt_ms": STT_MS, "scripted_llm_ms": LLM_MS, "scripted_tts_ms": TTS_MS, "port": port}
    chosen |= {"data_dir": folder / "data", "cache_dir": folder / "cache", "detached_s": 0, **settings}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VOICEMIND_")}
    environment |= {f"VOICEMIND_{key.upper()}": str(value) for key, value in chosen.items()}
    command = [sys.executable, "-m", "voicemind", "serve"]
    with running(command, environment, log=folder / "server.log", cores=cores) as process:
        url = f"http://127.0.0.1:{port}"
        await until_answers(process, url + "/readyz", log=folder / "server.log")

        async def invite(client: httpx.AsyncClient) -> str:
            answer = await client.post(f"{url}/api/voice-sessions", json={"greet": False})
            answer.raise_for_status()
            return str(answer.json()["wsUrl"]) + "&binary=1"

        yield Target(name, process.pid, url, Dialect(), invite)


@asynccontextmanager
async def echo(folder: Path, *, cores: set[int]) -> AsyncGenerator[Target]:
    """The control."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else is under way
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("sessions_echo.py")), str(port)]
    with running(command, os.environ, log=folder / "server.log", cores=cores) as process:
        url = f"http://127.0.0.1:{port}"
        await until_answers(process, url + "/readyz", log=folder / "server.log")
        yield Target("echo", process.pid, url, EchoDialect(), _always(f"ws://127.0.0.1:{port}/echo"))


@asynccontextmanager
async def pipecat(folder: Path, *, cores: set[int]) -> AsyncGenerator[Target]:
    """Pipecat with its WebSocket transport, its Silero, and models scripted alike. Raises NotInstalledError."""
    programs = await anyio.to_thread.run_sync(environment_of, "pipecat", PIPECAT, UVICORN)
    folder.mkdir()  # noqa: ASYNC240 - nothing else is under way
    port = free_port()
    script = Path(__file__).with_name("sessions_pipecat.py")
    command = [str(programs / "python"), str(script), str(port), str(STT_MS), str(LLM_MS), str(TTS_MS), HEARD]
    with running(command, os.environ, log=folder / "server.log", cores=cores) as process:
        url = f"http://127.0.0.1:{port}"
        await until_answers(process, url + "/readyz", log=folder / "server.log")
        yield Target(
            "Pipecat",
            process.pid,
            url,
            BareDialect(24_000),
            _always(f"ws://127.0.0.1:{port}/talk"),
            answers_messages=False,
        )


def _always(url: str) -> Callable[[httpx.AsyncClient], Awaitable[str]]:
    async def invite(_: httpx.AsyncClient) -> str:
        await anyio.lowlevel.checkpoint()
        return url

    return invite
