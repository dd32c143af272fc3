"""Moonshine: understands spoken English on this machine."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, cast

import anyio
import numpy as np
import numpy.typing as npt
from anyio import to_thread

from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.speech.audio import INPUT_RATE_HZ, as_floats
from voicemind.speech.threads import Threads

Floats = npt.NDArray[np.float32]

_OPTIONS = {"vad_threshold": "0.0"}
"""The library's own voice activity is off: ours cuts the utterances, and with its own on, a transcriber that is used a
second time begins with a "You" that nobody said."""

_SILENCE_RMS = 0.002
"""Of full scale, -54 dB, in the loudest frame. Below it the model would say "You" rather than nothing."""

_QUOTES = " \"'“”‘’"
"""The model sometimes opens a quotation that nobody made, and never closes it."""

_FRAME = INPUT_RATE_HZ * 30 // 1000
_LONGEST = INPUT_RATE_HZ * 20
"""Longer clips are recognised in pieces: beyond half a minute the model invents numbers, and partials take too long."""


class MoonshineStt:
    """The tiny English model. Partials come from recognising everything again, which takes 7 % of its length."""

    name = "moonshine"
    languages: tuple[str, ...] = ("en",)
    whole_partials: Literal[True] = True

    def __init__(self, *, at_once: int = 2) -> None:
        """`at_once` transcribers are built, 100 MB each; more utterances than that wait for one another."""
        self._at_once = at_once
        self._threads = Threads(at_once, name=self.name)
        self._idle: list[_Transcriber] = []

    async def start(self) -> None:
        """Build the transcribers, 0.5 s each. Raises Misconfigured where the extra `local` is not installed."""
        self._idle = [await to_thread.run_sync(self._built) for _ in range(self._at_once)]

    @asynccontextmanager
    async def utterance(self) -> AsyncGenerator[_Utterance]:
        """Open one utterance."""
        yield _Utterance(self)

    async def aclose(self) -> None:
        """Free the transcribers. Those at work are waited for, what waits for them fails."""
        idle, self._idle = self._idle, []
        with anyio.CancelScope(shield=True):
            await self._threads.aclose()
            idle, self._idle = idle + self._idle, []
            for transcriber in idle:
                await to_thread.run_sync(transcriber.close)

    async def recognised(self, sound: Floats) -> str:
        """The words of a clip of 16 kHz, empty for silence."""
        return await self._threads.run(self._recognised, sound)

    def _recognised(self, sound: Floats) -> str:
        """In a thread, of which there are never more than transcribers."""
        if not _audible(sound):
            return ""
        try:
            transcriber = self._idle.pop()
        except IndexError:
            raise ProviderUnavailable("Moonshine is not running.", provider=self.name) from None
        try:
            return transcriber.words(sound)
        except RuntimeError as error:
            raise ProviderUnavailable("Moonshine failed.", provider=self.name) from error
        finally:
            self._idle.append(transcriber)

    def _built(self) -> _Transcriber:
        try:
            return _Transcriber()
        except ImportError as error:
            problem = "Moonshine needs the extra `local`: pip install 'voicemind[local]'"
            raise Misconfigured("VOICEMIND_STT", problem) from error
        except RuntimeError as error:
            raise ProviderUnavailable("Moonshine's model cannot be loaded.", provider=self.name) from error


class _Utterance:
    """The sound so far, and the words of those pieces of it that are settled."""

    def __init__(self, stt: MoonshineStt) -> None:
        self._stt = stt
        self._open = bytearray()
        self._settled: list[str] = []

    async def feed(self, samples: bytes) -> None:
        self._open += samples

    async def partial(self) -> str:
        while len(self._open) // 2 > _LONGEST:
            cut = 2 * _quietest(as_floats(bytes(self._open[: 2 * _LONGEST])))
            words = await self._stt.recognised(as_floats(bytes(self._open[:cut])))
            del self._open[:cut]
            self._settled.append(words)
        rest = await self._stt.recognised(as_floats(bytes(self._open[: len(self._open) // 2 * 2])))
        return " ".join(words for words in (*self._settled, rest) if words)

    async def finish(self) -> str:
        return await self.partial()


class _Transcriber:
    """The library's transcriber, given its samples without a copy into a Python list."""

    def __init__(self) -> None:
        moonshine: Any = importlib.import_module("moonshine_voice")
        transcriber: Any = importlib.import_module("moonshine_voice.transcriber")
        api: Any = importlib.import_module("moonshine_voice.moonshine_api")
        self._failed: type[Exception] = moonshine.MoonshineError
        self._check = importlib.import_module("moonshine_voice.errors").check_error
        self._transcript_type: Any = api.TranscriptC
        weights = Path(moonshine.__file__).parent / "assets" / "tiny-en"
        try:
            self._inner = transcriber.Transcriber(str(weights), moonshine.ModelArch.TINY, options=_OPTIONS)
        except self._failed as error:
            raise RuntimeError("the model cannot be loaded") from error

    def words(self, sound: Floats) -> str:
        """Blocks for 7 % of the sound's length. Raises RuntimeError."""
        samples = np.ascontiguousarray(sound)
        out = cast("Any", ctypes.POINTER(self._transcript_type)())
        pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        library, handle = self._inner._lib, self._inner._handle  # its own method takes a list only
        code = library.moonshine_transcribe_without_streaming(
            handle, pointer, samples.size, INPUT_RATE_HZ, 0, ctypes.byref(out)
        )
        try:
            self._check(code)
        except self._failed as error:
            raise RuntimeError("recognition failed") from error
        if not out:
            return ""
        lines = (out.contents.lines[number].text for number in range(out.contents.line_count))
        texts = (ctypes.string_at(line).decode("utf-8", errors="ignore") for line in lines if line)
        return " ".join(text.strip(_QUOTES) for text in texts)

    def close(self) -> None:
        """Free the weights."""
        self._inner.close()


def _frames(sound: Floats) -> Floats:
    """How loud each 30 ms are, shape (n // 480,)."""
    whole = sound[: sound.size // _FRAME * _FRAME].reshape(-1, _FRAME)
    levels: Floats = np.sqrt(np.mean(whole * whole, axis=1))
    return levels


def _audible(sound: Floats) -> bool:
    return sound.size >= _FRAME and bool(_frames(sound).max() > _SILENCE_RMS)


def _quietest(sound: Floats) -> int:
    """The sample in the second half at which a cut hurts least."""
    levels = _frames(sound)
    half = levels.size // 2
    return (half + int(np.argmin(levels[half:]))) * _FRAME
