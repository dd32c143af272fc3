"""Every provider by the name that a setting gives it: the only module that knows whose product is behind a capability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from voicemind.config import Settings
from voicemind.embedding.contract import Embedder
from voicemind.errors import Misconfigured
from voicemind.llm.contract import Llm
from voicemind.speech.stt.contract import Stt
from voicemind.speech.tts.contract import Tts
from voicemind.speech.vad.contract import Vad

Provider = TypeVar("Provider")


def _local_llm(settings: Settings) -> Llm:
    from voicemind.llm.local import LocalLlm
    from voicemind.models.catalog import find

    model = find(settings.llm_model)

    return LocalLlm(
        model=model,
        cache_dir=settings.cache_dir,
        threads=settings.threads,
        context_tokens=settings.context_tokens,
        warm_minds=settings.warm_minds,
    )


def _scripted_llm(settings: Settings) -> Llm:
    from voicemind.llm.scripted import ScriptedLlm

    return ScriptedLlm(delay_ms=settings.scripted_llm_ms)


def _moonshine(_: Settings) -> Stt:
    from voicemind.speech.stt.moonshine import MoonshineStt

    return MoonshineStt()


def _scripted_stt(settings: Settings) -> Stt:
    from voicemind.speech.stt.scripted import ScriptedStt

    return ScriptedStt(text=settings.scripted_stt_text, delay_ms=settings.scripted_stt_ms)


def _piper(_: Settings) -> Tts:
    from voicemind.speech.tts.piper import PiperTts

    return PiperTts()


def _scripted_tts(settings: Settings) -> Tts:
    from voicemind.speech.tts.scripted import ScriptedTts

    return ScriptedTts(delay_ms=settings.scripted_tts_ms)


def _silero(_: Settings) -> Vad:
    from voicemind.speech.vad.silero import SileroVad

    return SileroVad()


def _energy(_: Settings) -> Vad:
    from voicemind.speech.vad.energy import EnergyVad

    return EnergyVad()


def _minilm(_: Settings) -> Embedder:
    from voicemind.embedding.minilm import MinilmEmbedder

    return MinilmEmbedder()


def _scripted_embedder(_: Settings) -> Embedder:
    from voicemind.embedding.scripted import ScriptedEmbedder

    return ScriptedEmbedder()


LLMS: dict[str, Callable[[Settings], Llm]] = {"local": _local_llm, "scripted": _scripted_llm}
STTS: dict[str, Callable[[Settings], Stt]] = {"moonshine": _moonshine, "scripted": _scripted_stt}
TTSS: dict[str, Callable[[Settings], Tts]] = {"piper": _piper, "scripted": _scripted_tts}
VADS: dict[str, Callable[[Settings], Vad]] = {"silero": _silero, "energy": _energy}
EMBEDDERS: dict[str, Callable[[Settings], Embedder]] = {"minilm": _minilm, "scripted": _scripted_embedder}
PROVIDERS: dict[str, tuple[str, ...]] = {
    "llm": tuple(LLMS),
    "stt": tuple(STTS),
    "tts": tuple(TTSS),
    "vad": tuple(VADS),
    "embedding": tuple(EMBEDDERS),
}


def build_llm(settings: Settings) -> Llm:
    """The language model that the settings name, not yet started. Raises Misconfigured."""
    return chosen("VOICEMIND_LLM", LLMS, settings.llm)(settings)


def chosen(
    setting: str, providers: Mapping[str, Callable[[Settings], Provider]], name: str
) -> Callable[[Settings], Provider]:
    """The factory of the provider that a setting names. Raises Misconfigured, which lists the others."""
    if name not in providers:
        raise Misconfigured(setting, "there is no such provider", accepted=", ".join(sorted(providers)))
    return providers[name]
