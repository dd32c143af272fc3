"""How long recall takes in a mind with an archive of 10,000 entries: the whole way, as a turn goes it, and its parts beside it."""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np

from benchmarks.labelled import talks
from voicemind.assembly import EMBEDDERS
from voicemind.config import Settings
from voicemind.embedding.contract import Embedder
from voicemind.mind.archive import Archives
from voicemind.mind.recall import CANDIDATES, Query, VectorIndex, fused, query, shares
from voicemind.store.sql import SqlStore
from voicemind.store.values import Entry, Evidence, MindKey, MindVersion, NewVersion

Result = dict[str, float | int | str]
ENTRIES = 10_000
QUESTIONS = 500
KEY = MindKey("bench", "counsellor", "ann")


async def measure() -> Result:
    """Milliseconds; `whole` is `Archives.recall`, from the person's words to the entries, on SQLite, with the embedding of the question."""
    chance = random.Random(7)
    words = _vocabulary()
    spent: dict[str, list[float]] = defaultdict(list)
    recalled = 0
    async with AsyncExitStack() as closing:
        folder = closing.enter_context(tempfile.TemporaryDirectory())
        store = SqlStore(f"sqlite:///{folder}/recall.db")
        await store.start()
        closing.push_async_callback(store.aclose)
        version = await _archived(store, [_sentence(words, chance) for _ in range(ENTRIES)])
        embedder = EMBEDDERS["minilm"](Settings.load())
        before, began = _resident_mb(), time.perf_counter()
        await embedder.start()
        closing.push_async_callback(embedder.aclose)
        load_s, embedder_mb = time.perf_counter() - began, _resident_mb() - before
        archives = Archives(store, embedder)
        await store.put_vectors(KEY, embedder.name, await _vectors(store, embedder))
        index = VectorIndex(embedder.dimensions)
        for entry, row in (await store.vectors(KEY, embedder.name)).items():
            index.add(entry, np.frombuffer(row, dtype="<f4"))
        first_ms = await _ms(archives.recall(version, ["Do you remember the holiday in Spain?"]))
        for _ in range(QUESTIONS):
            said = f"Do you remember {_sentence(words, chance, longest=12)}?"
            if (wanted := query([said])) is not None:
                spent["whole"].append(await _ms(archives.recall(version, [said])))
                recalled += await _parts(store, embedder, index, wanted, spent)
    return {
        "entries": ENTRIES,
        "questions": len(spent["whole"]),
        "that_recall_something": recalled,
        **{f"{name}_p{part}_ms": _part(each, part) for name, each in spent.items() for part in (50, 95, 99)},
        "first_question_ms": round(first_ms, 1),
        "embedder_load_s": round(load_s, 2),
        "embedder_mb": round(embedder_mb),
    }


async def _parts(
    store: SqlStore, embedder: Embedder, index: VectorIndex, wanted: Query, spent: dict[str, list[float]]
) -> bool:
    """The same once more, one part after the other, though a turn looks for the words while the question is embedded. Whether it recalls anything."""
    at = [time.perf_counter()]
    (vector,) = await embedder.embed([wanted.text])
    at.append(time.perf_counter())
    found = await store.match_archived(KEY, wanted.words, limit=CANDIDATES)
    at.append(time.perf_counter())
    by_words = shares(wanted.words, found)
    at.append(time.perf_counter())
    alike = index.alike(vector, also=by_words)
    at.append(time.perf_counter())
    chosen = fused(by_words, alike)
    at.append(time.perf_counter())
    await store.entries(KEY, chosen)
    at.append(time.perf_counter())
    for name, begun, ended in zip(("embed", "words", "shares", "vectors", "choice", "load"), at, at[1:], strict=False):
        spent[name].append((ended - begun) * 1e3)
    return bool(chosen)


async def _archived(store: SqlStore, texts: Sequence[str]) -> MindVersion:
    """A mind that has nothing but this archive, each entry with its evidence."""
    await store.ensure_mind(KEY, seed={"patient_memory": []})
    entries = tuple(Entry(f"{at:05}", text, (Evidence("talk", 1, text[:40]),)) for at, text in enumerate(texts))
    return await store.write_version(
        KEY, NewVersion(1, "reflection", {"patient_memory": ()}, archive={"patient_memory": entries})
    )


async def _vectors(store: SqlStore, embedder: Embedder) -> dict[str, bytes]:
    """Real points of a tenth of the entries; each of the others has one of these moved aside, since making all takes minutes."""
    texts = await store.without_vector(KEY, embedder.name, limit=ENTRIES)
    real = await embedder.embed(list(texts.values())[: ENTRIES // 10])
    aside = np.random.default_rng(7).standard_normal((ENTRIES, embedder.dimensions)).astype(np.float32)
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    points = np.tile(real, (10, 1)) + aside * (np.arange(ENTRIES) >= len(real))[:, np.newaxis]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return {entry: point.astype("<f4").tobytes() for entry, point in zip(texts, points, strict=True)}


async def _ms(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1e3


def _vocabulary() -> list[str]:
    """20,000 words, the words of our talks first and the most frequent first of all."""
    said = Counter(
        word for turns in talks().values() for turn in turns for word in re.findall(r"[a-z]+", turn.generated.lower())
    )
    known = [word for word, _ in said.most_common()]
    return known + [f"word{number}" for number in range(len(known), 20_000)]


def _sentence(words: Sequence[str], chance: random.Random, *, longest: int = 24) -> str:
    """Words by Zipf's law: the second most frequent half as often as the first."""
    count = chance.randint(5, longest)
    return " ".join(words[int(len(words) ** chance.random()) - 1] for _ in range(count))


def _part(spent: list[float], part: int) -> float:
    return round(float(np.percentile(spent, part)), 2)


def _resident_mb() -> float:
    """Linux: what of this process is in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
