"""An embedder without a model: texts that share words lie near one another. For demonstrations, tests and load."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np

from voicemind.embedding.contract import Vectors


class ScriptedEmbedder:
    """Every word adds one to a coordinate that its letters choose; a text without words is the first axis."""

    name = "scripted"

    def __init__(self, *, dimensions: int = 256) -> None:
        self.dimensions = dimensions

    async def start(self) -> None:
        """Nothing to load."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """See the contract."""
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in re.findall(r"\w+", text.casefold()) or [""]:
                row[zlib.crc32(word.encode()) % self.dimensions if word else 0] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if len(texts) else vectors

    async def aclose(self) -> None:
        """Nothing to free."""
