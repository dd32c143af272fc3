"""What the embedded model promises beyond the contract: who waits for whom, and that the process stays ours."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.llm.contract import Ask, Finished, Message, Piece, TextDelta
from voicemind.llm.local import LocalLlm
from voicemind.models.catalog import find

SMALL = find("smollm2-135m")

pytestmark = [pytest.mark.anyio, pytest.mark.models]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the module, so that the weights are loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
async def llm() -> AsyncIterator[LocalLlm]:
    started = LocalLlm(model=SMALL, cache_dir=Path(), context_tokens=2048, threads=1)
    with anyio.fail_after(120):
        await started.start()
    yield started
    await started.aclose()


def _ask(text: str, *, max_tokens: int, urgent: bool = True) -> Ask:
    return Ask((Message("user", text),), max_tokens=max_tokens, temperature=0, urgent=urgent)


async def _answer(llm: LocalLlm, ask: Ask) -> list[Piece]:
    return [piece async for piece in llm.stream(ask)]


async def test_an_urgent_ask_goes_before_a_reflection_which_is_then_done_in_full(llm: LocalLlm) -> None:
    order: list[str] = []
    begun = anyio.Event()

    async def reflect() -> None:
        begun.set()
        pieces = await _answer(llm, _ask("Count from one to a hundred.", max_tokens=60, urgent=False))
        order.append("reflection")
        assert [type(piece) for piece in pieces] == [TextDelta, Finished]

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reflect)
            await begun.wait()
            await _answer(llm, _ask("Hello!", max_tokens=4))
            order.append("urgent")
    assert order == ["urgent", "reflection"]


async def test_an_urgent_ask_breaks_off_a_prompt_that_is_being_warmed(llm: LocalLlm) -> None:
    order: list[str] = []
    mind = (Message("system", "Remember the seven towns of the north and their rivers. " * 50),)

    async def warm() -> None:
        await llm.warm(mind)
        order.append("warm")

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(warm)
            await anyio.wait_all_tasks_blocked()
            await _answer(llm, _ask("Hello!", max_tokens=4))
            order.append("urgent")
        assert order == ["urgent", "warm"]
        finished = (await _answer(llm, Ask((*mind, Message("user", "Which?")), max_tokens=1)))[-1]
    assert isinstance(finished, Finished)
    assert finished.usage.cached > 500


async def test_urgent_asks_are_served_in_the_order_in_which_they_come(llm: LocalLlm) -> None:
    order: list[int] = []

    async def talk(number: int) -> None:
        await _answer(llm, _ask(f"Say {number}.", max_tokens=3))
        order.append(number)

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(talk, number)
                await anyio.wait_all_tasks_blocked()
    assert order == [0, 1, 2]


async def test_one_who_stops_waiting_does_not_hold_up_the_next(llm: LocalLlm) -> None:
    with anyio.fail_after(120):
        async with aclosing(llm.stream(_ask("Tell me a story.", max_tokens=400))) as story:
            await anext(story)
            with anyio.move_on_after(0.05) as impatient:
                await _answer(llm, _ask("Hello?", max_tokens=2))
            assert impatient.cancelled_caught
        assert await _answer(llm, _ask("Hello!", max_tokens=2))


def _own_listeners() -> list[str]:
    """The TCP sockets of this process that wait for somebody to connect."""
    inodes = {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}
    rows = [
        row.split() for table in ("tcp", "tcp6") for row in Path(f"/proc/self/net/{table}").read_text().splitlines()
    ]
    return [row[1] for row in rows[1:] if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]


async def test_the_process_keeps_its_signals_and_opens_no_port(llm: LocalLlm) -> None:
    assert llm.name == "smollm2-135m"
    listening = _own_listeners()  # a plugin of pytest's may have a port
    caught: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: caught.append(number))
    try:
        second = LocalLlm(model=SMALL, cache_dir=Path(), context_tokens=512, threads=1)
        with anyio.fail_after(60):
            await second.start()
            await _answer(second, _ask("Hello!", max_tokens=2))
            assert _own_listeners() == listening
            await second.aclose()
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caught == [signal.SIGTERM]


async def test_closing_during_an_answer_ends_it_with_an_error() -> None:
    llm = LocalLlm(model=SMALL, cache_dir=Path(), context_tokens=512, threads=1)
    with anyio.fail_after(60):
        await llm.start()
        stream = llm.stream(_ask("Tell me a story.", max_tokens=400))
        async with aclosing(stream):
            await anext(stream)
            await llm.aclose()
            with pytest.raises(ProviderUnavailable):
                async for _ in stream:
                    pass
        with pytest.raises(ProviderUnavailable):
            await _answer(llm, _ask("Hello!", max_tokens=2))


async def test_weights_that_are_not_there_are_a_wrong_setting(tmp_path: Path) -> None:
    llm = LocalLlm(model=find("qwen2.5-coder-1.5b"), cache_dir=tmp_path)
    with pytest.raises(Misconfigured, match="voicemind models pull"):
        await llm.start()
    await llm.aclose()


async def test_the_event_loop_stays_free_while_the_model_works(llm: LocalLlm) -> None:
    rounds = 0

    async def beat() -> None:
        nonlocal rounds
        while True:
            await anyio.sleep(0.005)
            rounds += 1

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beat)
            pieces = await _answer(llm, _ask("river " * 200, max_tokens=30))
            tasks.cancel_scope.cancel()
    assert rounds > len(pieces)
