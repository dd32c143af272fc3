"""kill -9 at any moment: what was acknowledged is there, and the file is whole."""

import random
import sqlite3
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from voicemind.store.sql import SqlStore
from voicemind.store.values import MindKey

pytestmark = pytest.mark.anyio

KILLS = 20
KEY = MindKey("acme", "counsellor", "anna")
WRITES_UNTIL_KILLED = textwrap.dedent("""
    import sys
    import anyio
    from voicemind.store.contract import MindKey, NewTurn
    from voicemind.store.sql import SqlStore

    KEY = MindKey("acme", "counsellor", "anna")

    async def speak(store, name):
        while True:
            turn = await store.append_turn("acme", name, NewTurn("user", f"{name} says something " * 20))
            sys.stdout.write(f"{name} {turn.seq}\\n")
            sys.stdout.flush()

    async def main():
        store = SqlStore(sys.argv[1])
        await store.start()
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                name = f"talk-{number}"
                await store.open_conversation(KEY, name, user_id="anna", channel="browser")
                tasks.start_soon(speak, store, name)

    anyio.run(main)
""")


def write_and_kill(url: str, *, after: int) -> dict[str, int]:
    """The last acknowledged number of each conversation, of a writer killed after that many acknowledgements."""
    acknowledged: dict[str, int] = {}
    read = 0
    writer = subprocess.Popen([sys.executable, "-c", WRITES_UNTIL_KILLED, url], stdout=subprocess.PIPE, text=True)
    with writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if not line.startswith("talk-") or not line.endswith("\n"):
                continue  # a line of the log, or the one that the kill cut off
            name, seq = line.split()
            acknowledged[name] = int(seq)
            read += 1
            if read == after:
                writer.kill()
    assert writer.returncode == -9
    return acknowledged


async def test_nothing_acknowledged_is_missing_after_twenty_kills(tmp_path: Path) -> None:
    path = tmp_path / "voicemind.db"
    url = f"sqlite:///{path}"
    chance = random.Random()
    total: dict[str, int] = {}
    with anyio.fail_after(240):
        for _ in range(KILLS):
            after = chance.randint(1, 200)
            total |= await anyio.to_thread.run_sync(partial(write_and_kill, url, after=after))
            store = SqlStore(url)
            await store.start()
            for name, last in total.items():
                seqs = [turn.seq for turn in await store.turns("acme", name)]
                assert seqs == list(range(1, len(seqs) + 1))
                assert len(seqs) >= last
            await store.aclose()
            file = sqlite3.connect(path)
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert file.execute("PRAGMA foreign_key_check").fetchall() == []
            file.close()
    assert sum(total.values()) > KILLS
