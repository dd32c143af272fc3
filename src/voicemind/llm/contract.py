"""What a language model is asked and what it answers, whoever provides it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

ToolChoice = Literal["auto", "none", "required"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may ask for. `parameters` is the JSON Schema of its arguments, an object."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a function. `arguments` is the whole JSON text as the model wrote it, "{}" where there are none; `id` is the provider's."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One line of the chat that the model continues.

    An assistant's message may hold `tool_calls` besides or instead of words. A tool's message is the result of the call `tool_call_id` and
    follows the message with that call.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a model.

    `messages` start with the system message, most stable text first, so that a provider can keep the prefix cached.
    `max_tokens` bounds the answer. `temperature` is 0 to 2. Generation ends before any string of `stop`.
    `json_schema`, where given, is a JSON Schema that the whole answer must satisfy (grammar-constrained where the provider can).
    `urgent` is True where a person waits; what is not urgent gives way to what is.
    `tools` may be called as `tool_choice` says; `must_call`, where given, names the one that has to be. `top_p` is 0 to 1; `seed` makes the same
    question give the same answer as far as the provider can; None leaves either to the provider.
    `within_s` is how long a provider that waits for a service may wait for the answer to begin; None leaves that to its own patience.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 256
    temperature: float = 0.7
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    urgent: bool = True
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    must_call: str = ""
    top_p: float | None = None
    seed: int | None = None
    within_s: float | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer; never empty. `is_refusal` marks words with which the model declines to answer."""

    text: str
    is_refusal: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read (`prompt`, of which `cached` came from the prefix cache) and written (`completion`)."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """The last thing of every answer: why it ended and what it cost.

    `length` means that `max_tokens` cut it, `tool_calls` that the results of the calls before it are waited for, `refusal` that the model declined.
    """

    reason: Literal["stop", "length", "tool_calls", "refusal"] = "stop"
    usage: Usage = field(default_factory=Usage)


Piece = TextDelta | ToolCall | Finished
"""What an answer comes in: words and whole calls in the order in which the model gave them, then one Finished."""


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

    def stream(self, ask: Ask) -> AsyncGenerator[Piece, None]:
        """Answer, piece by piece; exactly one Finished comes last. A call comes when all of it is there.

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
