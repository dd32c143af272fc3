"""kill -9 at every point between the last word and the new version: reflected exactly once, nothing lost."""

import os
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from tests.mortal import HANGS, POINTS, SWEEPS, SWEPT, THINKING
from tests.reflecting import KEY, LIMIT_S, MEMORY, SWEEPING, TENANT, Home, at_work

from voicemind.store.sql import SqlStore
from voicemind.store.values import Reflection

pytestmark = [pytest.mark.anyio, pytest.mark.soak]

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "3"))
ROOT = Path(__file__).parents[2]


def sentence(number: int) -> str:
    return f"My lucky number is {number}."


def mortal(url: str, point: str, conversation: str, number: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.mortal", url, point, conversation, sentence(number)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def die(url: str, point: str, conversation: str, number: int) -> None:
    """A whole life of a process, which must end at this point."""
    with mortal(url, point, conversation, number) as process:
        told, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == -9, told


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    file = sqlite3.connect(path)
    try:
        return file.execute(statement).fetchall()
    finally:
        file.close()


async def check_one(home: Home, reflection: Reflection, number: int) -> None:
    """This conversation wrote the version after the one that it read, and its transcript is whole."""
    name = reflection.conversation_id
    assert [turn.generated for turn in await home.store.turns(TENANT, name)] == [sentence(number), "I see."]
    assert (reflection.status, reflection.before, reflection.after) == ("done", number + 1, number + 2)
    assert (await home.store.conversation(TENANT, name)).status == "reflected"
    version = await home.store.mind_version(KEY, number + 2)
    assert version is not None
    assert (version.author, version.conversation_id) == ("reflection", name)
    assert any(str(number) in entry.text for entry in version.blocks[MEMORY])


def check_all(path: Path) -> None:
    """As many versions as conversations and one more, each by another conversation; one reflection each; the file is whole."""
    versions = rows(path, "SELECT number, conversation_id FROM mind_versions ORDER BY number")
    talks = [f"talk-{number}" for number in range(ROUNDS)]
    assert versions == [(1, None), *((number, talk) for number, talk in enumerate(talks, start=2))]
    assert rows(path, "SELECT version FROM minds") == [(ROUNDS + 1,)]
    assert sorted(rows(path, "SELECT conversation_id, status FROM reflections")) == sorted(
        (talk, "done") for talk in talks
    )
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "PRAGMA foreign_key_check") == []


@pytest.mark.parametrize("point", POINTS)
async def test_a_process_that_is_killed_at_this_point_has_reflected_exactly_once_after_its_restart(
    point: str, tmp_path: Path
) -> None:
    path = tmp_path / "voicemind.db"
    url = f"sqlite:///{path}"
    for number in range(ROUNDS):
        name = f"talk-{number}"
        with anyio.fail_after(2 * LIMIT_S):
            await anyio.to_thread.run_sync(partial(die, url, point, name, number))
            store = SqlStore(url)
            await store.start()
            async with at_work(Home.build(store, patience=SWEEPING)) as home:
                await check_one(home, await home.over(name), number)
            await store.aclose()
    check_all(path)


async def test_a_process_that_is_killed_while_it_sweeps_loses_no_conversation(tmp_path: Path) -> None:
    path = tmp_path / "voicemind.db"
    url = f"sqlite:///{path}"
    names = [f"talk-{number}-{swept}" for number in range(ROUNDS) for swept in range(SWEPT)]
    for number in range(ROUNDS):
        with anyio.fail_after(2 * LIMIT_S):
            await anyio.to_thread.run_sync(partial(die, url, SWEEPS, f"talk-{number}", number))
            store = SqlStore(url)
            await store.start()
            async with at_work(Home.build(store, patience=SWEEPING)) as home:
                for name in names[number * SWEPT : (number + 1) * SWEPT]:
                    assert (await home.over(name)).status == "done"
                    assert len(await store.turns(TENANT, name)) == 2
            await store.aclose()
    versions = rows(path, "SELECT number, conversation_id FROM mind_versions ORDER BY number")
    assert [number for number, _ in versions] == list(range(1, len(names) + 2))
    assert sorted(str(talk) for _, talk in versions[1:]) == sorted(names)
    assert sorted(rows(path, "SELECT conversation_id FROM reflections")) == sorted((name,) for name in names)


async def test_a_process_takes_over_what_another_was_reflecting_on_when_it_was_killed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'voicemind.db'}"
    store = SqlStore(url)
    with anyio.fail_after(2 * LIMIT_S):
        await store.start()
        with mortal(url, HANGS, "talk-0", 0) as victim:
            try:
                assert victim.stdout is not None
                while THINKING not in await anyio.to_thread.run_sync(victim.stdout.readline):
                    assert victim.poll() is None
                async with at_work(Home.build(store, name="survivor")) as home:
                    before = await home.store.reflection(TENANT, "talk-0")
                    victim.kill()
                    after = await home.over("talk-0")
                    await check_one(home, after, 0)
            finally:
                victim.kill()
        await store.aclose()
    assert before is not None
    assert (before.status, before.attempts) == ("running", 1)
    assert after.attempts == 2
