"""Commands whose connection breaks: as processes of their own, in a pipe, on a network that is cut and on a server that restarts."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from tests.network import bad_network
from tests.serving import free_port, in_process, own_process, until_ready

from voicemind.speech.audio import Pcm, read_wav, write_wav

pytestmark = pytest.mark.anyio
LIMIT_S = 180
CAT, DOG = "My cat is called Biscuit.", "My dog is called Rex."


class Command:
    """One process: what it has written so far, and what it is told."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.out, self.err = "", ""
        self._wrote = anyio.Event()

    async def read(self, stream: ByteReceiveStream | None, name: str) -> None:
        assert stream is not None
        async for piece in stream:
            setattr(self, name, getattr(self, name) + piece.decode())
            self._wrote.set()
            self._wrote = anyio.Event()

    async def type(self, line: str) -> None:
        assert self.process.stdin is not None
        stdin: ByteSendStream = self.process.stdin
        await stdin.send(f"{line}\n".encode())

    async def until(self, text: str, *, times: int = 1) -> None:
        """Until it has written this so often, to either."""
        while (self.out + self.err).count(text) < times:
            await self._wrote.wait()


@asynccontextmanager
async def command(folder: Path, server: str, *arguments: str) -> AsyncIterator[Command]:
    """`voicemind`, talking to the server at this address."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOICEMIND_")}
    environment = {**clean, "VOICEMIND_SERVER": server, "XDG_CONFIG_HOME": str(folder)}
    with anyio.fail_after(LIMIT_S):
        async with (
            await anyio.open_process(
                [sys.executable, "-m", "voicemind", *arguments], env=environment, cwd=folder
            ) as process,
            anyio.create_task_group() as tasks,
        ):
            running = Command(process)
            tasks.start_soon(running.read, process.stdout, "out")
            tasks.start_soon(running.read, process.stderr, "err")
            yield running


async def turns(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    """What is stored of the only conversation: who said what."""
    (talk,) = (await client.get("/api/v1/conversations")).json()["items"]
    stored = (await client.get(f"/api/v1/conversations/{talk['id']}/turns")).json()["items"]
    return [(turn["role"], turn["generated"]) for turn in stored]


async def test_a_chat_in_a_pipe_goes_on_after_a_cut(tmp_path: Path) -> None:
    async with (
        in_process(tmp_path) as client,
        bad_network(client.base_url.port or 0) as network,
        command(tmp_path, f"http://127.0.0.1:{network.port}", "chat", "--agent", "thalia") as chat,
    ):
        await chat.until(" › ")
        await chat.type(CAT)
        await chat.until("Thalia › ", times=2)
        network.cut()
        await chat.until("The connection is back.")
        await chat.type(DOG)
        await chat.type("/end")
        assert await chat.process.wait() == 0, chat.err
        kept = await turns(client)
    assert [text for role, text in kept if role == "user"] == [CAT, DOG]
    assert chat.out == "".join(f"Thalia › {text}\n" for role, text in kept if role == "agent")
    assert chat.err.count("The connection was lost") == 1


async def test_a_chat_goes_on_with_a_server_that_restarts(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        with own_process(tmp_path, VOICEMIND_PORT=str(port)) as first:
            await until_ready(client, limit_s=LIMIT_S)
            async with command(tmp_path, url, "chat", "--agent", "thalia") as chat:
                await chat.type(CAT)
                await chat.until("Thalia › ", times=2)
                first.process.terminate()
                await anyio.to_thread.run_sync(first.process.wait)
                await chat.type(DOG)
                with own_process(tmp_path, VOICEMIND_PORT=str(port)):
                    await chat.until("Thalia › ", times=3)
                    await chat.type("/end")
                    assert await chat.process.wait() == 0, chat.err
                    kept = await turns(client)
    assert [text for role, text in kept if role == "user"] == [CAT, DOG]
    assert chat.out == "".join(f"Thalia › {text}\n" for role, text in kept if role == "agent")


async def test_a_chat_whose_conversation_is_gone_after_the_restart_fails_in_plain_words(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        with own_process(tmp_path, VOICEMIND_PORT=str(port)) as first:
            await until_ready(client, limit_s=LIMIT_S)
            async with command(tmp_path, url, "chat", "--agent", "thalia") as chat:
                await chat.until("Thalia › ")
                first.kill()
                elsewhere = {"VOICEMIND_PORT": str(port), "VOICEMIND_DATA_DIR": str(tmp_path / "elsewhere")}
                with own_process(tmp_path, **elsewhere):
                    assert await chat.process.wait() == 1
    assert "no such conversation" in chat.err.casefold()
    assert "Traceback" not in chat.err


async def test_a_recording_that_is_played_over_a_cut_is_answered_with_the_whole_sound(tmp_path: Path) -> None:
    loud = b"".join(int(12_000 * (-1) ** (at // 40)).to_bytes(2, "little", signed=True) for at in range(16_000))
    (tmp_path / "hello.wav").write_bytes(write_wav(Pcm(loud, 16_000)))
    lengths: list[int] = []
    for cuts in (False, True):
        async with (
            in_process(tmp_path / str(cuts)) as client,
            bad_network(client.base_url.port or 0) as network,
            command(
                tmp_path, f"http://127.0.0.1:{network.port}", "talk", "hello.wav", "--agent", "thalia", "--out", "a.wav"
            ) as talk,
        ):
            await talk.until("you › ")
            if cuts:
                network.cut()
                await talk.until("The connection is back.")
            assert await talk.process.wait() == 0, talk.err
            kept = await turns(client)
            assert [role for role, _ in kept] == ["user", "agent"]
            lengths.append(len(read_wav((tmp_path / "a.wav").read_bytes()).samples))
    assert lengths[1] == pytest.approx(lengths[0], abs=16_000 * 2)
