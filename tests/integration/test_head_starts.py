"""An answer that is begun while its question is on its way to the disk: nothing of it is told before the commit, and nothing is left of it where that fails."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from tests.integration.test_exchanges import Place, Slow, asked_anew, begun_anew, place
from tests.reflecting import KEY, TENANT
from tests.serving import asking, in_process, own_process
from tests.upstreams import KEY as API_KEY
from tests.upstreams import Upstream, openai_service

from voicemind.errors import StorageUnavailable, UnknownConversation
from voicemind.llm.contract import TextDelta
from voicemind.store.sql import SqlStore

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

TALK = "new-call"
HELD_S = 20.0


class Disk:
    """Takes commits when the test lets it, or breaks."""

    def __init__(self) -> None:
        self.goes_on, self.breaks, self.held = threading.Event(), False, 0
        self.goes_on.set()

    def stop(self) -> None:
        self.goes_on.clear()

    def under(self, engine: sa.Engine) -> None:
        event.listen(engine, "commit", self._commit)

    def _commit(self, _: sa.Connection) -> None:
        self.held += not self.goes_on.is_set()
        assert self.goes_on.wait(HELD_S)
        if self.breaks:
            raise OperationalError(None, None, sqlite3.OperationalError("disk I/O error"))


def disk_under(store: SqlStore) -> Disk:
    disk = Disk()
    disk.under(store._engine)  # the tests break it on purpose
    return disk


async def until_asked(llm: Slow, *, times: int = 1) -> None:
    while len(llm.asked) < times:
        await anyio.lowlevel.checkpoint()


async def until_given_up(here: Place) -> None:
    await here.llm.stopped.wait()
    await anyio.wait_all_tasks_blocked()


async def test_the_model_is_asked_while_the_question_is_on_its_way_and_nothing_is_told_before_it_has_arrived(
    store: SqlStore,
) -> None:
    async with place(store, Slow("I am here.")) as here:
        disk, said = disk_under(store), list[str]()

        async def asks() -> None:
            said.append(await asked_anew(here, "Are you there?"))

        async with anyio.create_task_group() as tasks:
            disk.stop()
            tasks.start_soon(asks)
            await until_asked(here.llm)
            here.llm.go()
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(UnknownConversation):
                await store.turns(TENANT, TALK)
            assert said == []
            disk.goes_on.set()
        assert said == ["I am here. "]
        turns = await store.turns(TENANT, TALK)
    assert [turn.generated.strip() for turn in turns] == ["Are you there?", "I am here."]


async def test_where_the_question_cannot_be_stored_the_answer_is_given_up_and_a_repeat_is_answered_anew(
    store: SqlStore,
) -> None:
    async with place(store, Slow("I was never heard.", "I am here.")) as here:
        disk = disk_under(store)
        disk.breaks = True
        disk.stop()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_refused, here)
            await until_asked(here.llm)
            disk.goes_on.set()
        await until_given_up(here)
        disk.breaks = False
        with pytest.raises(UnknownConversation):
            await store.turns(TENANT, TALK)
        here.llm.go()
        assert await asked_anew(here, "Are you there?") == "I am here. "
        turns = await store.turns(TENANT, TALK)
    assert [turn.generated.strip() for turn in turns] == ["Are you there?", "I am here."]


async def _refused(here: Place) -> None:
    with pytest.raises(StorageUnavailable):
        await asked_anew(here, "Are you there?")


async def test_a_request_that_comes_twice_before_it_is_stored_is_answered_once(store: SqlStore) -> None:
    async with place(store, Slow("I am here.", "Never said.")) as here:
        disk, said = disk_under(store), list[str]()

        async def asks() -> None:
            said.append(await asked_anew(here, "Are you there?"))

        async with anyio.create_task_group() as tasks:
            disk.stop()
            tasks.start_soon(asks)
            await until_asked(here.llm)
            tasks.start_soon(asks)
            await anyio.wait_all_tasks_blocked()
            disk.goes_on.set()
            here.llm.go()
        assert said == ["I am here. "] * 2
        assert len(here.llm.asked) == 1
        assert len(await store.turns(TENANT, TALK)) == 2


async def test_who_is_cut_off_before_the_question_is_stored_has_said_it_all_the_same_and_is_not_answered(
    store: SqlStore,
) -> None:
    async with place(store, Slow("Never said.")) as here:
        disk = disk_under(store)
        disk.stop()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(asked_anew, here, "My cat died.")
            await until_asked(here.llm)
            tasks.cancel_scope.cancel()
        await until_given_up(here)
        disk.goes_on.set()
        while not await _kept(store):
            await anyio.lowlevel.checkpoint()
        assert [turn.generated for turn in await store.turns(TENANT, TALK)] == ["My cat died."]


async def _kept(store: SqlStore) -> bool:
    try:
        return bool(await store.turns(TENANT, TALK))
    except UnknownConversation:
        return False


async def test_an_answer_with_a_head_start_that_nobody_begins_to_take_is_given_up(store: SqlStore) -> None:
    async with place(store, Slow("Never said.")) as here:
        pieces = await begun_anew(here, "My cat died.")
        await until_asked(here.llm)
        await pieces.aclose()
        await until_given_up(here)
        assert [turn.generated for turn in await store.turns(TENANT, TALK)] == ["My cat died."]


async def test_an_answer_with_a_head_start_can_be_taken_by_hand(store: SqlStore) -> None:
    async with place(store, Slow("I am here.")) as here:
        here.llm.go()
        async with aclosing(await begun_anew(here, "Are you there?")) as pieces:
            assert await anext(pieces) == TextDelta("I ")
            with pytest.raises(RuntimeError, match="enough"):
                await pieces.athrow(RuntimeError("enough"))
        await until_given_up(here)


@asynccontextmanager
async def served(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[httpx.AsyncClient, Upstream, Disk]]:
    """A server whose disk is in our hands, and the service that it asks."""
    disk, engines = Disk(), list[sa.Engine]()
    real = sa.create_engine

    def create(*given: Any, **named: Any) -> sa.Engine:
        engines.append(real(*given, **named))
        return engines[-1]

    monkeypatch.setattr(sa, "create_engine", create)
    async with openai_service() as upstream:
        service = {"llm": "openai", "openai_api_key": API_KEY, "openai_base_url": upstream.url}
        async with in_process(folder, **service) as client:
            for engine in engines:
                disk.under(engine)
            yield client, upstream, disk


class Endless:
    """An answer without an end, and whether somebody still takes it."""

    def __init__(self) -> None:
        self.left = anyio.Event()

    async def _signs_of_life(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b": still thinking\n\n"
                await anyio.sleep(0.01)
        finally:
            self.left.set()

    def __call__(self, _: Request) -> Response:
        return StreamingResponse(self._signs_of_life(), media_type="text/event-stream")


def question(conversation: str, *, stream: bool = True) -> dict[str, object]:
    said = [{"role": "user", "content": "Tell me something long."}]
    name = {"conversation_id": conversation}
    return {"model": KEY.agent, "messages": said, "stream": stream, "elevenlabs_extra_body": name}


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - nobody tells
        await anyio.sleep(0.005)


async def test_a_client_whose_question_cannot_be_stored_gets_the_error_alone_and_the_service_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with anyio.fail_after(30):
        async with served(tmp_path, monkeypatch) as (client, upstream, disk):
            upstream.queue.append(endless := Endless())
            disk.breaks = True
            disk.stop()
            answers: list[httpx.Response] = []

            async def ask() -> None:
                answers.append(await client.post("/v1/chat/completions", json=question("call-1")))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                await until(lambda: upstream.asked)
                disk.goes_on.set()
            await endless.left.wait()
            disk.breaks = False
            assert answers[0].status_code == 503
            assert answers[0].json()["error"]["code"] == "storage_unavailable"
            again = await client.post("/v1/chat/completions", json=question("call-1", stream=False))
            assert again.json()["choices"][0]["message"]["content"]
            stored = (await client.get("/api/v1/conversations/call-1/turns")).json()["items"]
            assert [turn["role"] for turn in stored] == ["user", "agent"]


async def test_a_client_that_leaves_before_its_question_is_stored_has_the_service_left_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with anyio.fail_after(30):
        async with served(tmp_path, monkeypatch) as (client, upstream, disk):
            upstream.queue.append(endless := Endless())
            disk.stop()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_ask, client, "call-1")
                await until(lambda: upstream.asked)
                tasks.cancel_scope.cancel()
            disk.goes_on.set()
            await endless.left.wait()
            stored = (await client.get("/api/v1/conversations/call-1/turns")).json()["items"]
            assert [turn["role"] for turn in stored] == ["user"]


async def _ask(client: httpx.AsyncClient, conversation: str) -> None:
    await client.post("/v1/chat/completions", json=question(conversation))


HOLDS = """
import pathlib, time
import sqlalchemy as sa

def hold(connection):
    while pathlib.Path({flag!r}).exists():
        time.sleep(0.01)

sa.event.listen(sa.Engine, "commit", hold)
"""


async def test_a_process_that_is_killed_before_the_question_is_stored_had_told_nothing_and_loses_nothing_else(
    tmp_path: Path,
) -> None:
    flag, hooks = tmp_path / "hold", tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(HOLDS.format(flag=str(flag)))
    with anyio.fail_after(150):
        async with openai_service() as upstream:
            service = {"VOICEMIND_LLM": "openai", "VOICEMIND_OPENAI_API_KEY": API_KEY}
            service["VOICEMIND_OPENAI_BASE_URL"] = upstream.url
            with own_process(tmp_path, **service, PYTHONPATH=str(hooks)) as server:
                async with asking(server.url) as client:
                    await _ask(client, "call-1")
                    before = (await client.get("/api/v1/conversations/call-1/turns")).json()["items"]
                    assert [turn["role"] for turn in before] == ["user", "agent"]
                    asked = len(upstream.asked)
                    flag.touch()
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(_lost, client)
                        await until(lambda: len(upstream.asked) > asked)
                        await anyio.to_thread.run_sync(server.kill)
            flag.unlink()
            with own_process(tmp_path, **service) as server:
                async with asking(server.url) as client:
                    after = (await client.get("/api/v1/conversations/call-1/turns")).json()["items"]
                    assert after == before
                    assert (await client.get("/api/v1/conversations/call-2/turns")).status_code == 404
                    await _ask(client, "call-2")
                    anew = (await client.get("/api/v1/conversations/call-2/turns")).json()["items"]
                    assert [turn["role"] for turn in anew] == ["user", "agent"]


async def _lost(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.TransportError):
        await _ask(client, "call-2")
