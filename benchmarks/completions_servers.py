"""The servers that the completions' benchmark compares: ours as it is run by anybody, and LiteLLM's proxy in an environment of its own."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import platformdirs
from tests.serving import SCRIPTED, free_port

from benchmarks.completions_upstream import FIRST, LAST

LITELLM = "litellm[proxy]==1.106.2"
READY_S = 180.0
SYSTEM = "You are Thalia, a companion who listens well and answers in one to three short spoken sentences. " * 25
"""As long as the prompt that ours composes, so that everybody sends the service about as much."""
STYLES = ("openai", "anthropic")


class NotInstalledError(Exception):
    """What is to be compared cannot be had here."""


@dataclass(frozen=True)
class Target:
    """Where the load goes: `body` makes the request for what the service is to be told."""

    name: str
    url: str
    body: Callable[[str], Mapping[str, object]]
    process: int | None = None
    path: str = "/v1/chat/completions"
    stored: Callable[[], int] | None = None
    """How many whole answers it has stored, where it stores any."""

    def request(self, order: str) -> Callable[[], bytes]:
        """Makes HTTP requests with this order; each is a new one."""
        head = f"POST {self.path} HTTP/1.1\r\nHost: {self.url.partition('//')[2]}\r\nAuthorization: Bearer sk-bench\r\n"
        head += "Content-Type: application/json\r\nContent-Length: "

        def made() -> bytes:
            body = json.dumps(self.body(order)).encode()
            return f"{head}{len(body)}\r\n\r\n".encode() + body

        return made


def direct(url: str, style: str) -> Target:
    """Nothing in between."""
    if style == "anthropic":

        def message(order: str) -> Mapping[str, object]:
            chat = [{"role": "user", "content": order}]
            return {"model": "bench", "max_tokens": 400, "system": SYSTEM, "messages": chat, "stream": True}

        return Target("direct", url, message, path="/v1/messages")
    return Target("direct", url, lambda order: _chat("bench", order))


def _chat(model: str, order: str) -> dict[str, object]:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": order}]
    return {"model": model, "max_tokens": 400, "messages": messages, "stream": True}


def _conversation(order: str) -> Mapping[str, object]:
    """A new conversation of a new person, as a voice platform would open it."""
    name = {"conversation_id": str(uuid.uuid4())}
    messages = [{"role": "user", "content": order}]
    return {"model": "thalia", "messages": messages, "stream": True, "elevenlabs_extra_body": name}


@asynccontextmanager
async def ours(folder: Path, style: str, service: str, *, cores: set[int]) -> AsyncIterator[Target]:
    """`voicemind serve` with its defaults, SQLite in this folder, and models without need but the hosted one."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else is under way
    port = free_port()
    settings = {**{name: value for name, value in SCRIPTED.items() if name != "llm"}, "llm": style}
    settings |= {"data_dir": str(folder / "data"), "cache_dir": str(folder / "cache"), "port": str(port)}
    settings |= {f"{style}_api_key": "sk-bench", f"{style}_base_url": service + ("/v1" if style == "openai" else "")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VOICEMIND_")}
    environment |= {f"VOICEMIND_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "voicemind", "serve"]
    with running(command, environment, log=folder / "server.log", cores=cores) as process:
        url = f"http://127.0.0.1:{port}"
        await until_answers(process, url + "/readyz", log=folder / "server.log")
        file = folder / "data" / "voicemind.db"
        yield Target("ours", url, _conversation, process.pid, stored=lambda: whole_answers(file))


def whole_answers(file: Path) -> int:
    """How many answers of the scripted service are in this database from the first to the last word."""
    whole = "role = 'agent' AND NOT interrupted AND heard = generated AND generated LIKE ? || '%' || ?"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        found = database.execute(f"SELECT count(*) FROM turns WHERE {whole}", (FIRST.decode(), LAST.decode()))
        return int(found.fetchone()[0])


@asynccontextmanager
async def litellm(folder: Path, service: str, *, cores: set[int]) -> AsyncIterator[dict[str, Target]]:
    """LiteLLM's proxy: one worker, no database, its own list of prices. Raises NotInstalledError."""
    program = (await anyio.to_thread.run_sync(environment_of, "litellm", LITELLM)) / "litellm"
    folder.mkdir()  # noqa: ASYNC240 - as above
    port = free_port()
    models = [
        ("bench-openai", {"model": "openai/bench", "api_base": service + "/v1"}),
        ("bench-anthropic", {"model": "anthropic/claude-haiku-4-5", "api_base": service}),
    ]
    listed = [{"model_name": name, "litellm_params": {**params, "api_key": "sk-bench"}} for name, params in models]
    (folder / "config.yaml").write_text(json.dumps({"model_list": listed}))  # JSON is YAML too
    command = [str(program), "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONDONTWRITEBYTECODE": ""}
    environment["LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"] = "true"  # loopback; checking keys costs time
    command += ["--num_workers", "1", "--telemetry", "False"]
    with running(command, environment, log=folder / "server.log", cores=cores) as process:
        url = f"http://127.0.0.1:{port}"
        await until_answers(process, url + "/health/liveliness", log=folder / "server.log")
        yield {style: Target("LiteLLM", url, _of_model(f"bench-{style}"), process.pid) for style in STYLES}


def _of_model(model: str) -> Callable[[str], Mapping[str, object]]:
    return lambda order: _chat(model, order)


@contextmanager
def upstream(*, cores: set[int]) -> Iterator[tuple[str, int]]:
    """The scripted service in a process of its own; yields its address and its process."""
    command = [sys.executable, "-m", "benchmarks.completions_upstream"]
    with pinned(cores):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid
    finally:
        process.kill()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()


def environment_of(name: str, package: str, *beside: str) -> Path:
    """The folder of programs of an environment with this package, which is made where there is none yet. Raises NotInstalledError."""
    place = Path(platformdirs.user_cache_dir("voicemind")) / "benchmarks" / f"{name}-{package.rpartition('=')[2]}"
    if (place / "complete").exists():
        return place / "bin"
    python = place / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    install = [str(uv), "pip", "install", "--quiet", "--python", str(python)]
    if not uv.exists():
        install = [str(python), "-m", "pip", "install", "--quiet", "--no-input"]
    try:
        options = ["--without-pip"] if uv.exists() else []
        subprocess.run([sys.executable, "-m", "venv", *options, str(place)], check=True, capture_output=True)
        subprocess.run([*install, package, *beside], check=True, capture_output=True, text=True, timeout=600)
        subprocess.run([str(python), "-m", "compileall", "-q", str(place / "lib")], check=False, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotInstalledError(str(getattr(error, "stderr", "") or error).strip()[-300:]) from None
    (place / "complete").touch()
    return place / "bin"


@contextmanager
def running(
    command: list[str], environment: Mapping[str, str], *, log: Path, cores: set[int]
) -> Generator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        with pinned(cores):
            process = subprocess.Popen(command, env=dict(environment), stdout=out, stderr=out, cwd=log.parent)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=10)


@contextmanager
def pinned(cores: set[int]) -> Generator[None]:
    """What is started inside runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def until_answers(process: subprocess.Popen[bytes], url: str, *, log: Path) -> None:
    async with httpx.AsyncClient() as client:
        with anyio.move_on_after(READY_S):
            while process.poll() is None:
                try:
                    if (await client.get(url)).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await anyio.sleep(0.1)
    said = log.read_text(errors="replace")  # noqa: ASYNC240 - the end
    raise RuntimeError(f"a server does not answer: {said[-1000:]}")
