"""A real server for tests: in this process, or in one of its own that can be killed."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
from tests import templates

from voicemind.assembly import running
from voicemind.channels.browser.guard import Limits
from voicemind.config import Settings
from voicemind.conversation.watching import Watch
from voicemind.ops.sockets import SocketPatience

SCRIPTED: dict[str, Any] = {
    "llm": "scripted",
    "stt": "scripted",
    "tts": "scripted",
    "vad": "energy",
    "embedding": "scripted",
}
READY_LIMIT_S = 120.0
PORTS = range(15_000, 32_000)
"""Below those that Linux gives to whoever connects (32768 and up): a port that was free may else be somebody's before the server has it."""
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of plain HTTP: reading those of this machine takes a twentieth of a second each time."""


def scripted_settings(folder: Path, **given: Any) -> Settings:
    """Settings of a server without models, in this folder, where an empty database with all tables is."""
    settings = Settings.load(
        **{**SCRIPTED, "data_dir": folder / "data", "cache_dir": folder / "cache", "sweep_every_s": 0.1, **given}
    )
    templates.place(settings.database)
    return settings


@asynccontextmanager
async def in_process(folder: Path, **given: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A ready server in this process and a client of it."""
    async with running(scripted_settings(folder, **given)) as url, asking(url) as client:
        yield client


@asynccontextmanager
async def strict_process(
    folder: Path,
    settings: Mapping[str, Any],
    *,
    limits: Limits | None = None,
    sockets: SocketPatience | None = None,
    watch: Watch | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """The same with other limits, or watched."""
    async with (
        running(scripted_settings(folder, **settings), limits=limits, sockets=sockets, watch=watch) as url,
        asking(url) as client,
    ):
        yield client


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that is ready."""
    async with httpx.AsyncClient(base_url=url, timeout=30, verify=NO_CERTIFICATES) as client:
        await until_ready(client)
        yield client


async def until_ready(client: httpx.AsyncClient, *, limit_s: float = READY_LIMIT_S) -> None:
    """Wait for /readyz."""
    with anyio.fail_after(limit_s):
        while True:
            try:
                if (await client.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await anyio.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on, of those that no connection is given by itself before it is bound."""
    while True:
        port = secrets.randbelow(PORTS.stop - PORTS.start) + PORTS.start
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Served:
    """A server process."""

    url: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    """What a command line needs in order to find this server."""

    def kill(self) -> None:
        """Pull the plug."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)


@contextmanager
def own_process(folder: Path, **environment: str) -> Iterator[Served]:
    """A server process on a free port; it is killed at the end if it still lives. Its log is in the folder."""
    port = free_port()
    scripted = {f"VOICEMIND_{name.upper()}": value for name, value in SCRIPTED.items()}
    settings = {
        **scripted,
        "VOICEMIND_DATA_DIR": str(folder / "data"),
        "VOICEMIND_CACHE_DIR": str(folder / "cache"),
        "VOICEMIND_PORT": str(port),
        **environment,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VOICEMIND_")}
    with (folder / "server.log").open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "voicemind", "serve"], env={**inherited, **settings}, stdout=out, stderr=out
        )
        try:
            yield Served(f"http://127.0.0.1:{port}", process, {**inherited, **settings})
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(timeout=10)
