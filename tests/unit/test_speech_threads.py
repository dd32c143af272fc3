"""Work in threads that somebody may no longer wait for."""

from __future__ import annotations

import threading

import anyio
import numpy as np
import pytest
from anyio import to_thread

from voicemind.speech.stt.moonshine import MoonshineStt
from voicemind.speech.threads import Threads

pytestmark = pytest.mark.anyio


class Gate:
    """Work that takes until it is let go; counts how much of it is under way, and the most that ever was."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.under_way = self.most = 0
        self._lock = threading.Lock()

    def work(self) -> None:
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        self.begun.release()
        self.let_go.wait(10)
        with self._lock:
            self.under_way -= 1


class SlowTranscriber(Gate):
    """Stands for the library's."""

    is_closed = False

    def words(self, sound: object) -> str:
        self.work()
        return "words"

    def close(self) -> None:
        self.is_closed = True


async def until_begun(gate: Gate) -> None:
    with anyio.fail_after(10):
        assert await to_thread.run_sync(lambda: gate.begun.acquire(timeout=10))


async def test_work_that_was_left_keeps_its_thread_until_it_is_done() -> None:
    gate, threads = Gate(), Threads(1, name="test")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(threads.run, gate.work)
        await until_begun(gate)
        tasks.cancel_scope.cancel()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(threads.run, gate.work)
        await anyio.wait_all_tasks_blocked()
        assert gate.under_way == 1, "the one that was left; the next one waits for it"
        gate.let_go.set()
    await threads.aclose()

    assert gate.most == 1


async def test_work_that_was_left_before_it_began_is_never_done() -> None:
    gate, threads = Gate(), Threads(1, name="test")
    done: list[str] = []

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(threads.run, gate.work)
        await until_begun(gate)
        with anyio.move_on_after(0):
            await threads.run(done.append, "never")
        gate.let_go.set()
    await threads.aclose()

    assert done == []


async def test_what_work_raises_reaches_the_one_who_waits() -> None:
    threads = Threads(1, name="test")

    with pytest.raises(ValueError, match="invalid literal"):
        await threads.run(int, "x")
    assert await threads.run(int, "7") == 7

    await threads.aclose()
    assert await threads.run(int, "8") == 8, "who is closed can be started again"
    await threads.aclose()


async def test_a_session_that_ends_while_it_is_recognised_leaves_others_their_words() -> None:
    stt, slow = MoonshineStt(at_once=1), SlowTranscriber()
    stt._idle = [slow]  # type: ignore[list-item]
    sound = np.full(16_000, 0.5, dtype=np.float32)
    words: list[str] = []

    async def recognise() -> None:
        words.append(await stt.recognised(sound))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(recognise)
            await until_begun(slow)
            tasks.cancel_scope.cancel()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(recognise)
            await anyio.wait_all_tasks_blocked()
            slow.let_go.set()
        await stt.aclose()

    assert words == ["words"]
    assert slow.is_closed
