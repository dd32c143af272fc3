"""What a service's errors mean to us, without a word of the service's own: those may quote a key or a prompt."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from voicemind.errors import ProviderError, ProviderRefused, ProviderUnavailable, UpstreamAuth

_SPENT = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached"})
_UNTAKEN = frozenset({"unsupported_parameter", "unsupported_value", "unknown_parameter"})
_VALUE = re.compile(
    r"too (?:large|long|high|big|small|low|many|few)\b|m(?:ax|in)imum|exceed|\brange\b|(?:less|greater) than|at (?:most|least)\b"
)
_NOWHERE = re.compile(
    r"support|unknown|unrecogni[sz]ed|deprecated|unexpected|extra (?:inputs|fields)|may (?:not|only)\b|cannot be\b|not (?:permitted|allowed|available)"
)

Objection = Literal["value", "once", "always"]
"""What a service minds in a field: its value, the field with this request, or the field with any."""


class Failed(Exception):
    """One attempt failed. `delay_s` is the pause before the next: None for our own choice, infinite where none would help."""

    def __init__(self, error: ProviderError, *, delay_s: float | None = None, counts: bool = True) -> None:
        super().__init__(str(error))
        self.error = error
        self.delay_s = delay_s
        self.counts = counts


@dataclass(frozen=True, slots=True)
class Problem:
    """What a service says of an error: for deciding, never for showing."""

    code: str = ""
    param: str = ""
    message: str = ""

    @classmethod
    def of(cls, body: object) -> Problem:
        """From the body of an error, in the form of Anthropic (`error.type`) or of OpenAI (`error.code`)."""
        found = _mapping(body)
        error = _mapping(found.get("error")) or found
        code = error.get("code") or error.get("type") or ""
        return cls(str(code), str(error.get("param") or ""), str(error.get("message") or ""))


def meaning(provider: str, status: int, problem: Problem) -> ProviderError:
    """Our error for a status."""
    if status in {401, 403}:
        return UpstreamAuth(f"{provider} does not accept the key of this server ({status}).", provider=provider)
    if problem.code in _SPENT or status == 402:
        return refused(provider, "any request: the credit of this key is used up")
    if status == 404:
        return refused(provider, "the request: it knows no such model, or no such address")
    if status in {408, 409, 429} or status >= 500:
        return unavailable(provider, f"is overloaded or out of order ({status})")
    if status == 413 or "context" in problem.code or "too long" in problem.message:
        return refused(provider, "the request: the prompt is longer than its context")
    return refused(provider, f"the request ({status})")


def objection(problem: Problem) -> Objection:
    """What the service minds in the field that it names. Only what no request may have says something about the model."""
    message = problem.message.casefold()
    if problem.code in _UNTAKEN:
        return "always"
    if "schema" in message.replace("json_schema", ""):
        return "value" if "invalid schema" in message else "once"
    if _VALUE.search(message):
        return "value"
    return "always" if _NOWHERE.search(message) else "once"


def unavailable(provider: str, what: str) -> ProviderUnavailable:
    """The provider cannot answer now."""
    return ProviderUnavailable(f"{provider} {what}.", provider=provider)


def refused(provider: str, what: str) -> ProviderRefused:
    """The provider will not answer this."""
    return ProviderRefused(f"{provider} refuses {what}.", provider=provider)


def named_delay_s(headers: Mapping[str, str]) -> float | None:
    """How long the service asks to wait (`retry-after-ms` or `retry-after` in seconds); None where it does not say."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1)):
        try:
            delay_s = float(headers.get(name, "")) * unit_s
        except ValueError:  # absent, or a date
            continue
        if math.isfinite(delay_s) and delay_s >= 0:
            return delay_s
    return None


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
