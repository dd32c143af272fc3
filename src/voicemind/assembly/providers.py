"""Every provider by the name that a setting gives it: the only module that knows whose product is behind a capability."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from pydantic import SecretStr

from voicemind.config import Settings
from voicemind.embedding.contract import Embedder
from voicemind.errors import Misconfigured
from voicemind.llm.contract import Llm
from voicemind.llm.hosted import Patience
from voicemind.mind.reflection.contract import Reflector
from voicemind.mind.reflection.extractive import ExtractiveReflector
from voicemind.mind.reflection.scripted import ScriptedReflector
from voicemind.mind.reflection.structured import StructuredReflector
from voicemind.speech.elevenlabs import Account
from voicemind.speech.prosody.contract import Prosody
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


def _anthropic_llm(settings: Settings) -> Llm:
    from voicemind.llm.anthropic import AnthropicLlm

    return AnthropicLlm(
        api_key=_key(settings, "anthropic"),
        model=settings.anthropic_model,
        base_url=settings.anthropic_base_url,
        context_tokens=settings.hosted_context_tokens,
        patience=Patience(settings.first_byte_s, settings.idle_first_byte_s),
    )


def _openai_llm(settings: Settings) -> Llm:
    from voicemind.llm.openai import OpenAiLlm

    return OpenAiLlm(
        api_key=_key(settings, "openai"),
        model=settings.openai_model,
        base_url=settings.openai_base_url,
        context_tokens=settings.hosted_context_tokens,
        patience=Patience(settings.first_byte_s, settings.idle_first_byte_s),
    )


def _key(settings: Settings, name: str) -> str:
    """The key of a hosted service; a compatible server elsewhere may want none."""
    if problem := settings.missing_key(name):
        raise Misconfigured(f"VOICEMIND_{name.upper()}_API_KEY", problem, accepted="a key of that service")
    key: SecretStr = getattr(settings, f"{name}_api_key")
    return key.get_secret_value()


def _moonshine(_: Settings) -> Stt:
    from voicemind.speech.stt.moonshine import MoonshineStt

    return MoonshineStt()


def _scripted_stt(settings: Settings) -> Stt:
    from voicemind.speech.stt.scripted import ScriptedStt

    return ScriptedStt(text=settings.scripted_stt_text, delay_ms=settings.scripted_stt_ms)


def _elevenlabs_account(settings: Settings) -> Account:
    return Account(
        _key(settings, "elevenlabs").strip(),
        settings.elevenlabs_base_url,
        settings.elevenlabs_enable_logging,
        settings.first_byte_s,
    )


def _elevenlabs_stt(settings: Settings) -> Stt:
    from voicemind.speech.stt.elevenlabs import ElevenLabsStt

    return ElevenLabsStt(_elevenlabs_account(settings), model=settings.elevenlabs_stt_model)


def _openai_stt(settings: Settings) -> Stt:
    from voicemind.speech.stt.openai import OpenAiStt

    return OpenAiStt(
        api_key=_key(settings, "openai"),
        model=settings.openai_stt_model,
        base_url=settings.openai_base_url,
        limit_s=settings.first_byte_s,
    )


def _piper(settings: Settings) -> Tts:
    from voicemind.speech.tts.piper import PiperTts

    return PiperTts(settings.cache_dir / "models")


def _scripted_tts(settings: Settings) -> Tts:
    from voicemind.speech.tts.scripted import ScriptedTts

    return ScriptedTts(delay_ms=settings.scripted_tts_ms)


def _elevenlabs_tts(settings: Settings) -> Tts:
    from voicemind.speech.tts.elevenlabs import ElevenLabsTts

    return ElevenLabsTts(
        _elevenlabs_account(settings),
        voice=settings.elevenlabs_voice_id,
        model=settings.elevenlabs_tts_model,
        rate_hz=settings.elevenlabs_rate_hz,
    )


def _openai_tts(settings: Settings) -> Tts:
    from voicemind.speech.tts.openai import OpenAiTts

    return OpenAiTts(
        api_key=_key(settings, "openai"),
        model=settings.openai_tts_model,
        voice=settings.openai_tts_voice,
        base_url=settings.openai_base_url,
        limit_s=settings.first_byte_s,
    )


def _silero(_: Settings) -> Vad:
    from voicemind.speech.vad.silero import SileroVad

    return SileroVad()


def _energy(_: Settings) -> Vad:
    from voicemind.speech.vad.energy import EnergyVad

    return EnergyVad()


def _smart_turn(settings: Settings) -> Prosody:
    from voicemind.speech.prosody.smart_turn import SmartTurnProsody

    return SmartTurnProsody(settings.cache_dir)


def _scripted_prosody(_: Settings) -> Prosody:
    from voicemind.speech.prosody.scripted import ScriptedProsody

    return ScriptedProsody()


def _minilm(settings: Settings) -> Embedder:
    from voicemind.embedding.minilm import MinilmEmbedder

    return MinilmEmbedder(settings.cache_dir / "models")


def _scripted_embedder(_: Settings) -> Embedder:
    from voicemind.embedding.scripted import ScriptedEmbedder

    return ScriptedEmbedder()


LLMS: dict[str, Callable[[Settings], Llm]] = {
    "local": _local_llm,
    "anthropic": _anthropic_llm,
    "openai": _openai_llm,
    "scripted": _scripted_llm,
}
STTS: dict[str, Callable[[Settings], Stt]] = {
    "moonshine": _moonshine,
    "elevenlabs": _elevenlabs_stt,
    "openai": _openai_stt,
    "scripted": _scripted_stt,
}
TTSS: dict[str, Callable[[Settings], Tts]] = {
    "piper": _piper,
    "elevenlabs": _elevenlabs_tts,
    "openai": _openai_tts,
    "scripted": _scripted_tts,
}
VADS: dict[str, Callable[[Settings], Vad]] = {"silero": _silero, "energy": _energy}
PROSODIES: dict[str, Callable[[Settings], Prosody | None]] = {
    "none": lambda _: None,
    "smart-turn": _smart_turn,
    "scripted": _scripted_prosody,
}
EMBEDDERS: dict[str, Callable[[Settings], Embedder]] = {"minilm": _minilm, "scripted": _scripted_embedder}
REFLECTORS: dict[str, Callable[[Llm], Reflector]] = {
    "extractive": ExtractiveReflector,
    "structured": StructuredReflector,
    "scripted": lambda _: ScriptedReflector(),
}
PROVIDERS: dict[str, tuple[str, ...]] = {
    "llm": tuple(LLMS),
    "stt": tuple(STTS),
    "tts": tuple(TTSS),
    "vad": tuple(VADS),
    "prosody": tuple(PROSODIES),
    "embedding": tuple(EMBEDDERS),
}


def build_llm(settings: Settings) -> Llm:
    """The one language model that `llm` names, not yet started. Raises Misconfigured."""
    settings = settings.thinking_with(settings.llm)
    return chosen("VOICEMIND_LLM", LLMS, settings.llm)(settings)


def build_chain(settings: Settings, llms: Sequence[Llm], *, waits: bool) -> Llm:
    """Several models as one; `waits` lets the last one take as long as it needs."""
    from voicemind.llm.fallback import FallbackLlm

    return FallbackLlm(llms, patience=Patience(settings.first_byte_s, settings.idle_first_byte_s), waits=waits)


def build_reflector(settings: Settings, llm: Llm) -> Reflector:
    """The strategy of reflection that the settings name, with the model it may ask."""
    return REFLECTORS[settings.reflector](llm)


def chosen(
    setting: str, providers: Mapping[str, Callable[[Settings], Provider]], name: str
) -> Callable[[Settings], Provider]:
    """The factory of the provider that a setting names. Raises Misconfigured, which lists the others."""
    if name not in providers:
        raise Misconfigured(setting, "there is no such provider", accepted=", ".join(sorted(providers)))
    return providers[name]
