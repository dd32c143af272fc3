"""What a language model is asked and what it answers, whoever provides it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One line of the chat that the model continues."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a model.

    `messages` start with the system message, most stable text first, so that a provider can keep the prefix cached.
    `max_tokens` bounds the answer. `temperature` is 0 to 2. Generation ends before any string of `stop`.
    `json_schema`, where given, is a JSON Schema that the whole answer must satisfy (grammar-constrained where the provider can).
    `urgent` is True where a person waits; what is not urgent gives way to what is.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 256
    temperature: float = 0.7
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    urgent: bool = True


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read (`prompt`, of which `cached` came from the prefix cache) and written (`completion`)."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """The last thing of every answer: why it ended (`length` means that `max_tokens` cut it) and what it cost."""

    reason: Literal["stop", "length"] = "stop"
    usage: Usage = field(default_factory=Usage)


class Llm(Protocol):
    """A language model.

    The opener closes: `start` before the first question, `aclose` after the last. Both may be called from the event loop and take long;
    neither blocks it.
    """

    name: str
    """What `doctor` and the logs call it, for example `qwen2.5-coder-1.5b`."""

    context_tokens: int
    """How many tokens a prompt and its answer may have together."""

    async def start(self) -> None:
        """Load what has to be loaded. Raises ProviderUnavailable or Misconfigured (a model file is missing)."""
        ...

    def stream(self, ask: Ask) -> AsyncGenerator[TextDelta | Finished, None]:
        """Answer, piece by piece; exactly one Finished comes last.

        Iterate it under `contextlib.aclosing`: closing early stops the generation at the provider within a second.
        Raises ProviderUnavailable or ProviderRefused.
        """
        ...

    async def warm(self, messages: tuple[Message, ...]) -> None:
        """Read this beginning of a prompt into the cache, so that the next answer starts sooner. Gives way to urgent questions."""
        ...

    async def aclose(self) -> None:
        """Free everything; safe to call twice."""
        ...
