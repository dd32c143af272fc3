"""An answer on its way: joined by whoever asks for the same, given up when nobody is left, stored in every case."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import anyio
import pytest

from voicemind.conversation import generation as generations
from voicemind.conversation.generation import Generation
from voicemind.errors import ProviderUnavailable, StorageUnavailable, Superseded, VoicemindError
from voicemind.llm.contract import Finished, Piece, TextDelta, ToolCall

pytestmark = pytest.mark.anyio
LIMIT_S = 10.0
CALL = ToolCall("call_1", "end_call", "{}")


class Answer:
    """A model whose pieces come when the test says so."""

    def __init__(self, pieces: Sequence[Piece | Exception], *, is_slow: bool = False) -> None:
        self.pieces, self.stopped = pieces, anyio.Event()
        self._go = anyio.Semaphore(0)
        if not is_slow:
            self.go(len(pieces))

    def go(self, count: int = 1) -> None:
        for _ in range(count):
            self._go.release()

    async def stream(self) -> AsyncGenerator[Piece]:
        try:
            for piece in self.pieces:
                await self._go.acquire()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.stopped.set()


class Kept:
    """What was stored."""

    def __init__(self, problem: VoicemindError | None = None) -> None:
        self.turns: list[tuple[str, tuple[ToolCall, ...], bool]] = []
        self._problem = problem

    async def keep(self, said: str, calls: tuple[ToolCall, ...], broke_off: bool) -> None:
        if self._problem is not None:
            raise self._problem
        self.turns.append((said, calls, broke_off))


async def taken(generation: Generation) -> list[Piece]:
    async with aclosing(generation.taken()) as pieces:
        return [piece async for piece in pieces]


HELLO: list[Piece | Exception] = [TextDelta("Hello"), TextDelta(" there."), Finished()]


async def test_the_end_is_told_only_when_the_answer_is_stored() -> None:
    answer, kept, generation = Answer(HELLO), Kept(), Generation()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generation.run, answer.stream(), kept.keep)
            async with aclosing(generation.taken()) as pieces:
                seen = [len(kept.turns) async for piece in pieces if isinstance(piece, Finished)]
    assert seen == [1]
    assert kept.turns == [("Hello there.", (), False)]


async def test_whoever_joins_later_gets_every_piece_from_the_first_on() -> None:
    answer, kept, generation = Answer(HELLO, is_slow=True), Kept(), Generation()
    heard: list[list[Piece]] = []

    async def listen() -> None:
        heard.append(await taken(generation))

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generation.run, answer.stream(), kept.keep)
            tasks.start_soon(listen)
            answer.go()
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(listen)
            answer.go(2)
    assert heard == [HELLO, HELLO]
    assert len(kept.turns) == 1


async def test_an_answer_is_given_up_when_the_last_one_leaves_and_not_before() -> None:
    answer, kept, generation = Answer(HELLO, is_slow=True), Kept(), Generation()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generation.run, answer.stream(), kept.keep)
            first, second = generation.taken(), generation.taken()
            answer.go()
            assert await anext(first) == await anext(second) == TextDelta("Hello")
            await first.aclose()
            await anyio.wait_all_tasks_blocked()
            assert not answer.stopped.is_set()
            await second.aclose()
            await generation.over.wait()
    assert answer.stopped.is_set()
    assert kept.turns == [("Hello", (), True)]


async def test_who_takes_a_stopped_answer_is_told_that_something_newer_was_said() -> None:
    answer, kept, generation = Answer(HELLO, is_slow=True), Kept(), Generation()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generation.run, answer.stream(), kept.keep)
            async with aclosing(generation.taken()) as pieces:
                answer.go()
                assert await anext(pieces) == TextDelta("Hello")
                generation.stop()
                with pytest.raises(Superseded):
                    await anext(pieces)
    assert kept.turns == [("Hello", (), True)]


async def test_a_model_that_fails_in_the_middle_leaves_what_it_said_and_its_error() -> None:
    broken = ProviderUnavailable("gone", provider="x")
    answer, kept, generation = Answer([TextDelta("Hello"), broken]), Kept(), Generation()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generation.run, answer.stream(), kept.keep)
            async with aclosing(generation.taken()) as pieces:
                assert await anext(pieces) == TextDelta("Hello")
                with pytest.raises(ProviderUnavailable):
                    await anext(pieces)
    assert kept.turns == [("Hello", (), True)]


async def test_an_answer_that_cannot_be_stored_is_not_said_to_be_finished() -> None:
    answer, generation = Answer(HELLO), Generation()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generation.run, answer.stream(), Kept(StorageUnavailable("full")).keep)
            with pytest.raises(StorageUnavailable):
                await taken(generation)


async def test_a_store_that_takes_too_long_is_not_taken_for_one_that_has_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(generations, "KEEP_LIMIT_S", 0.01)
    answer, generation = Answer(HELLO), Generation()

    async def keep(said: str, calls: tuple[ToolCall, ...], broke_off: bool) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generation.run, answer.stream(), keep)
            with pytest.raises(StorageUnavailable):
                await taken(generation)


async def test_an_error_that_nobody_expected_is_one_of_ours_without_its_words() -> None:
    answer, kept, generation = Answer([TextDelta("Hello"), RuntimeError("canary")]), Kept(), Generation()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generation.run, answer.stream(), kept.keep)
            with pytest.raises(VoicemindError) as raised:
                await taken(generation)
    assert "canary" not in str(raised.value)
    assert kept.turns == [("Hello", (), True)]


async def test_of_an_answer_that_is_discarded_nothing_is_stored() -> None:
    answer, kept, generation = Answer(HELLO, is_slow=True), Kept(), Generation()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generation.run, answer.stream(), kept.keep)
            answer.go()
            await anyio.wait_all_tasks_blocked()
            generation.discard()
            await generation.over.wait()
    assert kept.turns == []


async def test_calls_are_stored_with_the_words_before_them() -> None:
    answer, kept, generation = Answer([TextDelta("Bye."), CALL, Finished("tool_calls")]), Kept(), Generation()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generation.run, answer.stream(), kept.keep)
            assert (await taken(generation))[1:] == [CALL, Finished("tool_calls")]
    assert kept.turns == [("Bye.", (CALL,), False)]


async def test_a_filler_is_said_once_where_the_first_word_is_late_and_is_not_stored() -> None:
    answer, kept, generation = Answer(HELLO, is_slow=True), Kept(), Generation()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generation.run, answer.stream(), kept.keep)
            async with aclosing(generation.taken(filler="One moment... ", after_s=0.001)) as pieces:
                assert await anext(pieces) == TextDelta("One moment... ")
                answer.go(3)
                assert [piece async for piece in pieces] == HELLO
    assert kept.turns == [("Hello there.", (), False)]


async def test_no_filler_is_said_where_the_answer_is_there() -> None:
    generation = Generation.given([TextDelta("Hello"), Finished()])
    with anyio.fail_after(LIMIT_S):
        async with aclosing(generation.taken(filler="One moment... ", after_s=0.001)) as pieces:
            assert [piece async for piece in pieces] == [TextDelta("Hello"), Finished()]


async def test_a_shut_down_server_keeps_what_was_said() -> None:
    answer, kept, generation = Answer(HELLO, is_slow=True), Kept(), Generation()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generation.run, answer.stream(), kept.keep)
            answer.go()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert kept.turns == [("Hello", (), True)]
