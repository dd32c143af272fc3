"""Measures the store: how long an acknowledged turn takes, and loading a mind with its transcript."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import anyio
import anyio.to_thread
import sqlalchemy as sa
import structlog
from uuid_utils import uuid7

from voicemind.clock import utc_now
from voicemind.store import tables
from voicemind.store.sql import SqlStore
from voicemind.store.values import Entry, Evidence, MindKey, NewTurn

TENANT = "bench"
WORDS = "I live in Oslo with a cat called Biscuit, and I would rather talk about tomorrow than about today. "
Result = dict[str, float | int | str]


async def measure(
    *, rounds: int = 5, turns: int = 2_000, minds: int = 10_000, loads: int = 300, folder: str = ""
) -> Result:
    """Both on SQLite, in milliseconds. `folder` holds the files: it belongs on the disk to be measured."""
    place = Path(tempfile.mkdtemp(prefix="voicemind-bench-", dir=folder or None))
    try:
        return {
            **await measure_turns(place, rounds=rounds, turns=turns),
            **await measure_loads(place, minds=minds, loads=loads),
        }
    finally:
        shutil.rmtree(place)


async def measure_turns(place: Path, *, rounds: int, turns: int) -> Result:
    """From `append_turn` to its answer with 1 and 50 writers, beside bare inserts under FULL; medians of the rounds."""
    store = SqlStore(f"sqlite:///{place / 'turns.db'}")
    await store.start()
    control = _control_database(place / "control.db")
    samples: dict[str, list[list[float]]] = {"control": [], "turn_1": [], "turn_50": []}
    try:
        for number in range(rounds):
            samples["control"].append(await anyio.to_thread.run_sync(_control_inserts, control, turns // 4))
            samples["turn_1"].append(await _append_round(store, f"{number}-1", writers=1, turns=turns // 4))
            samples["turn_50"].append(await _append_round(store, f"{number}-50", writers=50, turns=turns))
    finally:
        control.close()
        await store.aclose()
    return _figures(samples)


async def measure_loads(place: Path, *, minds: int, loads: int) -> Result:
    """Time of `mind` and of `turns` (1,000 of them) in a database of that many minds; no mind is read twice."""
    path = place / "loads.db"
    store = SqlStore(f"sqlite:///{path}")
    await store.start()
    await store.aclose()
    await anyio.to_thread.run_sync(_fill, path, minds)
    store = SqlStore(f"sqlite:///{path}")
    opening = time.perf_counter()
    await store.start()
    samples: dict[str, list[list[float]]] = {"load_mind": [[]], "load_transcript": [[]], "load_both": [[]]}
    started = (time.perf_counter() - opening) * 1e3
    try:
        for number in random.Random(7).sample(range(minds), loads):
            begin = time.perf_counter()
            mind = await store.mind(_key(number))
            between = time.perf_counter()
            transcript = await store.turns(TENANT, f"long-{number % LONG}")
            end = time.perf_counter()
            if mind is None or len(transcript) != 1_000:
                raise RuntimeError("the benchmark's own data is incomplete")
            for name, spent in (
                ("load_mind", between - begin),
                ("load_transcript", end - between),
                ("load_both", end - begin),
            ):
                samples[name][0].append(spent * 1e3)
    finally:
        await store.aclose()
    size_mb = path.stat().st_size / 1e6
    return {**_figures(samples), "minds": minds, "database_mb": round(size_mb, 1), "start_ms": round(started, 1)}


async def _append_round(store: SqlStore, name: str, *, writers: int, turns: int) -> list[float]:
    spent: list[float] = []

    async def write(writer: int) -> None:
        conversation = f"{name}-{writer}"
        await store.open_conversation(_key(writer), conversation, user_id=f"user-{writer}", channel="bench")
        for _ in range(turns // writers):
            begin = time.perf_counter()
            await store.append_turn(
                TENANT, conversation, NewTurn("user", WORDS, heard=WORDS, timings_ms={"heard": 12.5})
            )
            spent.append((time.perf_counter() - begin) * 1e3)

    async with anyio.create_task_group() as tasks:
        for writer in range(writers):
            tasks.start_soon(write, writer)
    return spent


def _control_database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE turns (seq INTEGER PRIMARY KEY, generated TEXT, heard TEXT)")
    return connection


def _control_inserts(connection: sqlite3.Connection, turns: int) -> list[float]:
    spent: list[float] = []
    for _ in range(turns):
        begin = time.perf_counter()
        connection.execute("INSERT INTO turns (generated, heard) VALUES (?, ?)", (WORDS, WORDS))
        spent.append((time.perf_counter() - begin) * 1e3)
    return spent


LONG = 20
"""Transcripts of 1,000 turns in the filled database."""


def _fill(path: Path, minds: int) -> None:
    """Minds of four blocks with six entries each, every entry with evidence; past the store, which is slower."""
    engine = sa.create_engine(f"sqlite:///{path}")
    now = utc_now()
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in ("minds", "mind_versions", "entries", "evidence")}
    for number in range(minds):
        key, mind_id = _key(number), str(uuid7())
        blocks = {
            label: [Entry(str(uuid7()), WORDS, (Evidence("long-0", 1, WORDS),)) for _ in range(6)]
            for label in ("fixed", "identity", "memory", "goals")
        }
        of = {"mind_id": mind_id, "tenant": TENANT}
        rows["minds"].append(
            {
                "id": mind_id,
                "tenant": TENANT,
                "agent": key.agent,
                "user_id": key.user_id,
                "version": 1,
                "created_at": now,
            }
        )
        content = {label: [entry.id for entry in block] for label, block in blocks.items()}
        rows["mind_versions"].append(
            {**of, "number": 1, "author": "preset", "created_at": now, "content": content, "notes": ""}
        )
        for entry in (entry for block in blocks.values() for entry in block):
            rows["entries"].append({**of, "id": entry.id, "text": entry.text, "version": 1})
            quoted = entry.evidence[0]
            place = {
                "position": 0,
                "conversation_id": quoted.conversation_id,
                "turn": quoted.turn,
                "quote": quoted.quote,
            }
            rows["evidence"].append({**of, "entry_id": entry.id, **place})
    with engine.begin() as connection:
        for name, values in rows.items():
            connection.execute(sa.insert(tables.metadata.tables[name]), values)
        _fill_transcripts(connection)
    engine.dispose()


def _fill_transcripts(connection: sa.Connection) -> None:
    now = utc_now()
    connection.execute(sa.insert(tables.users).values(tenant=TENANT, id="user", anonymous=False, created_at=now))
    for number in range(LONG):
        conversation = f"long-{number}"
        of = {"tenant": TENANT, "agent": "agent", "user_id": "user", "channel": "bench", "status": "active"}
        times = {"created_at": now, "active_at": now}
        connection.execute(
            sa.insert(tables.conversations).values(id=conversation, anonymous=False, turns=1_000, **of, **times)
        )
        said = {
            "generated": WORDS,
            "heard": WORDS,
            "interrupted": False,
            "modality": "speech",
            "timings_ms": {"heard": 12.5},
        }
        connection.execute(
            sa.insert(tables.turns),
            [
                {
                    "tenant": TENANT,
                    "conversation_id": conversation,
                    "seq": seq,
                    "role": "user",
                    "created_at": now,
                    **said,
                }
                for seq in range(1, 1_001)
            ],
        )


def _key(number: int) -> MindKey:
    return MindKey(TENANT, "agent", f"user-{number}")


def _figures(samples: dict[str, list[list[float]]]) -> Result:
    figures: Result = {}
    for name, rounds in samples.items():
        for label, share in (("p50", 0.50), ("p99", 0.99)):
            each = [_at(spent, share) for spent in rounds]
            figures[f"{name}_{label}_ms"] = round(median(each), 3)
            if len(each) > 1:
                figures[f"{name}_{label}_spread_ms"] = round(max(each) - min(each), 3)
    return figures


def _at(spent: Sequence[float], share: float) -> float:
    ordered = sorted(spent)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    sys.stdout.write(json.dumps(anyio.run(measure, backend_options={"use_uvloop": True}), indent=2) + "\n")
