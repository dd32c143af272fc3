"""How long recall takes in a mind with an archive of 10,000 entries, and what the embedder costs."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.labelled import talks
from benchmarks.memory import FullText
from voicemind.assembly import EMBEDDERS
from voicemind.config import Settings
from voicemind.embedding.contract import Vectors
from voicemind.mind.recall import CANDIDATES, VectorIndex, fused, query, share

Result = dict[str, float | int | str]
ENTRIES = 10_000
QUESTIONS = 300


async def measure() -> Result:
    """Milliseconds of each part; `search` is all but the embedding of the question."""
    chance = random.Random(7)
    words = _vocabulary()
    texts = {f"{number:05}": _sentence(words, chance) for number in range(ENTRIES)}
    before = _resident_mb()
    embedder = EMBEDDERS["minilm"](Settings.load())
    began = time.perf_counter()
    await embedder.start()
    load_s = time.perf_counter() - began
    table, index = FullText(list(texts.items())), VectorIndex(embedder.dimensions)
    for entry, vector in zip(texts, _unit(len(texts), embedder.dimensions), strict=True):
        index.add(entry, vector)
    spent: dict[str, list[float]] = {"embed": [], "words": [], "vectors": [], "search": []}
    for _ in range(QUESTIONS):
        wanted = query([f"Do you remember {_sentence(words, chance, longest=12)}?"])
        if wanted is None:
            continue
        at = [time.perf_counter()]
        vector = (await embedder.embed([wanted.text]))[0]
        at.append(time.perf_counter())
        found = table.find(wanted.words, limit=CANDIDATES)
        at.append(time.perf_counter())
        alike = index.alike(vector, also=found)
        at.append(time.perf_counter())
        fused({entry: share(wanted.words, texts[entry]) for entry in found}, alike)
        at.append(time.perf_counter())
        for name, first, last in (("embed", 0, 1), ("words", 1, 2), ("vectors", 2, 3), ("search", 1, 4)):
            spent[name].append((at[last] - at[first]) * 1e3)
    resident = _resident_mb() - before
    await embedder.aclose()
    return {
        "entries": ENTRIES,
        "embedder_load_s": round(load_s, 2),
        "resident_mb_with_index": round(resident),
        **{f"{name}_p{part}_ms": _part(found, part) for name, found in spent.items() for part in (50, 99)},
    }


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


def _unit(count: int, dimensions: int) -> Vectors:
    points: Vectors = np.random.default_rng(7).standard_normal((count, dimensions)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points


def _part(spent: list[float], part: int) -> float:
    return round(float(np.percentile(spent, part)), 2)


def _resident_mb() -> float:
    """Linux: what of this process is in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
