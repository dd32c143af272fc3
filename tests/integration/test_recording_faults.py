"""Recordings whose disk or whose code fails: the server lives, conversations go on, others are recorded, and erasing says what it could not do."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.administering import API
from tests.serving import in_process
from tests.talking import opened, talking

from voicemind.conversation import recording
from voicemind.conversation.tape import Shelf, Tape
from voicemind.ops import metrics

pytestmark = pytest.mark.anyio

LIMIT_S = 30.0
AGREED: dict[str, Any] = {"agent": "thalia", "greet": False, "record_consent": True}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data/recordings"
    folder.mkdir(parents=True)
    return folder


async def until(is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(LIMIT_S):
        while not is_so():  # noqa: ASYNC110 - a disk tells nobody
            await anyio.sleep(0.02)


def broken(reason: str) -> float:
    return metrics.REGISTRY.get_sample_value("voicemind_recordings_broken_total", {"reason": reason}) or 0.0


class Unlistable:
    """A folder that cannot be listed while `is_bad`; counts the tries."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_bad, self.tries = True, 0
        scandir = os.scandir

        def listed(path: Any = ".") -> Any:
            if self.is_bad and "recordings" in str(path):
                self.tries += 1
                raise OSError(errno.EMFILE, "Too many open files")
            return scandir(path)

        monkeypatch.setattr(os, "scandir", listed)


async def test_a_link_to_nowhere_among_the_recordings_is_swept(tmp_path: Path, folder: Path) -> None:
    link = folder / "gone.wav"
    link.symlink_to(tmp_path / "nowhere")
    async with in_process(tmp_path) as client:
        await until(lambda: not link.is_symlink())
        assert (await client.get("/readyz")).status_code == 200


async def test_a_sweep_that_cannot_list_the_recordings_leaves_the_server_alive_and_ends_what_is_stale(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Unlistable(monkeypatch)
    async with in_process(tmp_path, detached_s=0.1) as client:
        await until(lambda: disk.tries > 2)
        async with talking(client, agent="thalia", channel="text", greet=False) as talk:
            await talk.send(type="text", text="Hello")
            await talk.until("agent_response", final=True)
        with anyio.fail_after(LIMIT_S):
            address = f"{API}/conversations/{talk.conversation_id}"
            while (await client.get(address)).json()["status"] in ("active", "detached"):  # noqa: ASYNC110 - the sweep comes by itself
                await anyio.sleep(0.05)


async def test_a_part_of_the_sweep_that_breaks_keeps_no_other_part_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed(self: Shelf) -> dict[str, float]:
        raise ValueError("a bug")

    monkeypatch.setattr(Shelf, "listed", listed)
    async with in_process(tmp_path, detached_s=0.1) as client:
        async with talking(client, agent="thalia", channel="text", greet=False) as talk:
            await talk.send(type="text", text="Hello")
            await talk.until("agent_response", final=True)
        with anyio.fail_after(LIMIT_S):
            address = f"{API}/conversations/{talk.conversation_id}"
            while (await client.get(address)).json()["status"] in ("active", "detached"):  # noqa: ASYNC110 - the sweep comes by itself
                await anyio.sleep(0.05)


async def test_erasing_answers_its_receipt_where_the_recordings_cannot_be_listed(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Unlistable(monkeypatch)
    async with in_process(tmp_path) as client:
        await opened(client, agent="thalia", channel="text", greet=False, user_id="ann")
        answer = await client.delete(f"{API}/users/ann")
        assert (answer.status_code, answer.json()["scrubbed"]) == (200, False)
        disk.is_bad = False
        await opened(client, agent="thalia", channel="text", greet=False, user_id="ann")
        assert (await client.delete(f"{API}/users/ann")).json()["scrubbed"] is True


@pytest.mark.parametrize("mistake", [ValueError("a bug"), MemoryError(), OSError(errno.ENOSPC, "No space left")])
async def test_a_recording_that_breaks_ends_alone_and_its_client_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: Exception
) -> None:
    write, first = Tape.write, list[Tape]()

    def breaks(self: Tape, *given: Any, **named: Any) -> None:
        first[:] = first or [self]
        if self is first[0]:
            raise mistake
        write(self, *given, **named)

    monkeypatch.setattr(Tape, "write", breaks)
    before = broken("broken")
    async with in_process(tmp_path, recordings="on") as client, talking(client, **AGREED) as talk:
        assert (await talk.until("error"))["code"] == "recording_stopped"
        assert broken("broken") == before + 1
        async with talking(client, binary=True, **AGREED) as other:
            await other.send_sound(bytes(6400))
            await other.send(type="end")
            await other.until("complete")
        assert (await client.get(f"{API}/conversations/{other.conversation_id}/recording")).status_code == 200
        await talk.send(type="text", text="Hello")
        await talk.until("agent_response", final=True)


async def test_recordings_go_on_once_there_are_threads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    async def run_sync(do: Callable[[], Any], *given: Any, **named: Any) -> Any:
        if getattr(do, "__name__", "") == "do" and len(refused) < 2:
            refused.append("now")
            raise RuntimeError("can't start new thread")
        return await real(do, *given, **named)

    real = anyio.to_thread.run_sync
    monkeypatch.setattr(anyio.to_thread, "run_sync", run_sync)
    async with in_process(tmp_path, recordings="on") as client:
        async with talking(client, binary=True, **AGREED) as talk:
            await talk.send_sound(bytes(6400))
            await until(lambda: len(refused) == 2)
            await talk.send(type="end")
            await talk.until("complete")
        assert (await client.get(f"{API}/conversations/{talk.conversation_id}/recording")).status_code == 200


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Tape], bool]]:
    """The first tape that is written hangs until the test is over; says whether one is that."""
    write, first, free = Tape.write, list[Tape](), threading.Event()

    def slow(self: Tape, *given: Any, **named: Any) -> None:
        first[:] = first or [self]
        if self is first[0]:
            free.wait()
        write(self, *given, **named)

    monkeypatch.setattr(Tape, "write", slow)
    yield lambda tape: tape in first
    free.set()


async def test_a_file_that_hangs_keeps_no_other_recording_waiting_and_stops_when_it_is_too_far_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hung: Callable[[Tape], bool]
) -> None:
    monkeypatch.setattr(recording, "WRITE_LIMIT_S", 1.0)
    monkeypatch.setattr("voicemind.conversation.recorder.NOTES_LIMIT_BYTES", 100_000)
    before = broken("slow")
    async with in_process(tmp_path, recordings="on") as client, talking(client, binary=True, **AGREED) as talk:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(microphone, talk.send_sound)
            assert (await talk.until("error"))["code"] == "recording_stopped"
            tasks.cancel_scope.cancel()
        assert broken("slow") == before + 1
        async with talking(client, binary=True, **AGREED) as other:
            await other.send_sound(bytes(6400))
            await other.send(type="end")
            await other.until("complete")
        address = f"{API}/conversations/{other.conversation_id}/recording"
        assert (await client.get(address)).status_code == 200
        assert (await client.delete(address)).status_code == 204


async def microphone(send: Callable[[bytes], Any]) -> None:
    while True:
        await send(bytes(640))
        await anyio.sleep(0.02)


async def test_a_withdrawn_consent_stops_the_recording_that_is_being_made_and_erases_it(tmp_path: Path) -> None:
    async with in_process(tmp_path, recordings="on") as client, talking(client, binary=True, **AGREED) as talk:
        folder = tmp_path / "data/recordings"
        await talk.send_sound(bytes(3200))
        await until(lambda: bool(list(folder.glob("*.wav"))))
        same = {"agent": "thalia", "greet": False, "conversation_id": talk.conversation_id}
        assert (await opened(client, **same))["recording"] is True, "another ticket withdraws nothing"
        assert list(folder.glob("*.wav"))
        assert (await opened(client, **same, record_consent=False))["recording"] is False
        assert not list(folder.iterdir())
        assert metrics.REGISTRY.get_sample_value("voicemind_recordings_active") == 0
        await talk.send_sound(bytes(3200))
        await talk.send(type="text", text="Hello")
        await talk.until("agent_response", final=True)
        await talk.send(type="end")
        await talk.until("complete")
        assert not list(folder.iterdir())
        address = f"{API}/conversations/{talk.conversation_id}/recording"
        assert (await client.get(address)).status_code == 404


async def test_a_withdrawal_over_a_text_session_counts_too(tmp_path: Path) -> None:
    async with in_process(tmp_path, recordings="on") as client, talking(client, binary=True, **AGREED) as talk:
        same = {"agent": "thalia", "greet": False, "conversation_id": talk.conversation_id, "channel": "text"}
        await opened(client, **same, record_consent=False)
        assert (await opened(client, **{**same, "channel": "voice"}))["recording"] is False
