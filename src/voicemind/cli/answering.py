"""What `voicemind doctor` says where more than one language model answers: which one answers what, and whether each can."""

from __future__ import annotations

from collections.abc import Iterable

from voicemind.assembly.lineup import names_in
from voicemind.cli.diagnosis import Check, hosted_model, model_file, provider
from voicemind.config import Settings
from voicemind.mind.agent import Agent


def answering(settings: Settings, agents: Iterable[Agent], accepted: tuple[str, ...]) -> list[Check]:
    """Nothing where one model answers everything; else who answers what, and a check of each further model that cannot.

    `accepted` are the providers there are.
    """
    names = names_in(settings)
    parts = {"most turns": names.fast, "turns that ask for more": names.strong, "reflection": settings.llm}
    told = [f"{part}: {_shown(settings, name)}" for part, name in parts.items()]
    if names.fallback:
        told.append(f"where they cannot: {', then '.join(_shown(settings, name) for name in names.fallback)}")
    wanted = dict.fromkeys((names.fast, names.strong, *names.fallback))
    for agent in agents:
        own = agent.models
        if own is None:
            continue
        fast, strong = own.fast or names.fast, own.strong or own.fast or names.strong
        told.append(f"{agent.slug}: {_shown(settings, fast)} and {_shown(settings, strong)}")
        wanted |= dict.fromkeys((fast, strong, *(own.fallback or ())))
    wanted.pop(settings.llm, None)
    if not wanted:
        return []
    return [Check("who answers", "ok", "; ".join(told)), *_problems(settings, wanted, accepted)]


def _problems(settings: Settings, names: Iterable[str], accepted: tuple[str, ...]) -> list[Check]:
    found: list[Check] = []
    for name in names:
        alone = settings.thinking_with(name)
        check = provider(alone, "llm", accepted)
        if check.state == "ok":
            check = model_file(alone) or hosted_model(alone) or check
        if check.state != "ok":
            found.append(Check(f"model {name}", check.state, check.found, check.fix))
    return found


def _shown(settings: Settings, name: str) -> str:
    """The provider and its model, as far as it has several."""
    alone = settings.thinking_with(name)
    model = getattr(alone, "llm_model" if alone.llm == "local" else f"{alone.llm}_model", "")
    return f"{alone.llm}:{model}" if model else alone.llm
