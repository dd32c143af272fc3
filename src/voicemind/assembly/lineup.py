"""The language models of one process: each that is named is built once, and agents pick among them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from voicemind.assembly.providers import LLMS, build_chain, build_llm
from voicemind.config import Settings
from voicemind.errors import Misconfigured, ProviderRefused
from voicemind.llm.contract import Llm
from voicemind.mind.agent import Agent
from voicemind.mind.routing import Tier

EMBEDDED = frozenset({"local", "scripted"})
"""Providers that wait for no service: as a last resort they may take the time that they need."""


@dataclass(frozen=True, slots=True)
class _Names:
    """Whom the settings name for which part."""

    fast: str
    strong: str
    fallback: tuple[str, ...]


def names_in(settings: Settings) -> _Names:
    """The models that the settings name, defaults filled in."""
    fast = settings.fast_llm or settings.llm
    fallback = tuple(filter(None, (name.strip() for name in settings.fallback_llms.split(","))))
    return _Names(fast, settings.strong_llm or fast, fallback)


def named(agents: Iterable[Agent]) -> tuple[str, ...]:
    """The models that agents' files name as `provider` or `provider:model`; a plain `model` only means one that is there anyway."""
    names: dict[str, None] = {}
    for agent in agents:
        own = agent.models
        wanted = (agent.model, *((own.fast, own.strong, *(own.fallback or ())) if own else ()))
        names |= dict.fromkeys(name for name in wanted if name and (name != agent.model or _is_qualified(name)))
    return tuple(names)


def _is_qualified(name: str) -> bool:
    return name.partition(":")[0] in LLMS


class Models:
    """Every model once, whoever names it. The first of `llms` is the server's own."""

    def __init__(self, settings: Settings, wanted: Iterable[str] = ()) -> None:
        """Nothing is started yet. Raises Misconfigured, naming the setting or the model."""
        self._settings = settings
        self._names = names_in(settings)
        self._built: dict[str, Llm] = {}
        self._keys: dict[str, str] = {}
        self._chains: dict[tuple[str, ...], Llm] = {}
        self._add(settings.llm, "VOICEMIND_LLM")
        self._add(self._names.fast, "VOICEMIND_FAST_LLM")
        self._add(self._names.strong, "VOICEMIND_STRONG_LLM")
        for name in self._names.fallback:
            self._add(name, "VOICEMIND_FALLBACK_LLMS")
        for name in wanted:
            self._add(name, f"the model {name} of an agent")
        self.default = self._chain(settings.llm, self._names.fallback)

    @property
    def llms(self) -> tuple[Llm, ...]:
        """What has to be started and closed."""
        return tuple(self._built.values())

    def pick(self, agent: Agent, tier: Tier) -> Llm:
        """The model for an agent's turn, with those behind it that answer where it cannot. Raises ProviderRefused where there is none of that name."""
        own = agent.models
        fast = agent.model or (own and own.fast) or self._names.fast
        strong = agent.model or (own and (own.strong or own.fast)) or self._names.strong
        fallback = self._names.fallback if own is None or own.fallback is None else own.fallback
        name = strong if tier == "strong" else fast
        for wanted in (name, *fallback):
            if self._found(wanted) is None:
                server = ", ".join(llm.name for llm in self.llms)
                problem = f"{agent.name} is to think with {wanted}, and this server thinks with {server}."
                raise ProviderRefused(problem, provider=self.default.name)
        return self._chain(name, fallback)

    def _add(self, name: str, setting: str) -> None:
        if name.partition(":")[0] not in LLMS:
            raise Misconfigured(setting, "there is no such provider", accepted=", ".join(sorted(LLMS)))
        key = self._keys[name] = self._key(name)
        if key not in self._built:
            self._built[key] = build_llm(self._settings.thinking_with(name))

    def _key(self, name: str) -> str:
        """The name with its model, so that a default that is named is not built twice."""
        settings = self._settings.thinking_with(name)
        field = "llm_model" if settings.llm == "local" else f"{settings.llm}_model"
        return f"{settings.llm}:{getattr(settings, field, '')}"

    def _found(self, name: str) -> str | None:
        """The key of a model: by its name here, or by the plain name that it has elsewhere."""
        if name in self._keys:
            return self._keys[name]
        if _is_qualified(name):
            return key if (key := self._key(name)) in self._built else None
        return next((key for key, llm in self._built.items() if llm.name == name), None)

    def _chain(self, name: str, fallback: tuple[str, ...]) -> Llm:
        """One model, or several as one; each combination is made once."""
        if not fallback:
            return self._built[self._found(name) or ""]
        names = (name, *fallback)
        if names not in self._chains:
            keys = tuple(dict.fromkeys(key for each in names if (key := self._found(each)) is not None))
            self._chains[names] = self._linked(keys)
        return self._chains[names]

    def _linked(self, keys: tuple[str, ...]) -> Llm:
        if len(keys) == 1:
            return self._built[keys[0]]
        waits = keys[-1].partition(":")[0] in EMBEDDED
        return build_chain(self._settings, [self._built[key] for key in keys], waits=waits)
