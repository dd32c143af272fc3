"""What speech services that somebody else runs have in common: what their refusals mean, and how long and how often they are asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import anyio
import msgspec
import numpy as np

from voicemind.errors import ProviderError, ProviderRefused, ProviderUnavailable, UpstreamAuth
from voicemind.speech.audio import INPUT_RATE_HZ, as_floats

REPEATS = 2
FIRST_DELAY_S = 0.25
SILENCE_S = 15
"""How long an answer that has begun may pause, in seconds."""
LONGEST_REFUSAL = 64 << 10
"""Bytes of an error's body that are looked at."""

_SPENT = frozenset({"quota_exceeded", "insufficient_quota", "billing_hard_limit_reached"})
_AT_ONCE = frozenset({"too_many_concurrent_requests", "concurrent_limit_exceeded"})
_REFUSALS = {
    404: "the request: it knows no such model or voice, or no such address",
    413: "the request: it is too large",
}
_SILENCE_RMS = 0.002  # of full scale, -54 dB, in the loudest 30 ms
_WINDOW = INPUT_RATE_HZ * 30 // 1000


class Failed(Exception):
    """One attempt failed. `delay_s` is the pause before the next: None for our own choice, infinite where none would help.

    `code` is the service's own word for it; an attempt that does not count may be repeated as if it had not been made.
    """

    def __init__(
        self, error: ProviderError, *, delay_s: float | None = None, code: str = "", counts: bool = True
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.delay_s = math.inf if isinstance(error, ProviderRefused) else delay_s
        self.code = code
        self.counts = counts


class Budget:
    """The time that may pass until something is heard, repeats included: at most two, after growing pauses."""

    def __init__(self, limit_s: float) -> None:
        self._until = anyio.current_time() + limit_s
        self._repeats = 0

    @property
    def left_s(self) -> float:
        """Seconds; never less than zero."""
        return max(self._until - anyio.current_time(), 0)

    def delay_s(self, failed: Failed) -> float:
        """The pause before the next attempt; infinite where there is none."""
        delay_s = FIRST_DELAY_S * 2**self._repeats if failed.delay_s is None else failed.delay_s
        self._repeats += failed.counts
        return math.inf if self._repeats > REPEATS or delay_s >= self.left_s else delay_s


def unavailable(provider: str, what: str) -> ProviderUnavailable:
    """The provider cannot answer now."""
    return ProviderUnavailable(f"{provider} {what}.", provider=provider)


def refused(provider: str, what: str) -> ProviderRefused:
    """The provider will not do this."""
    return ProviderRefused(f"{provider} refuses {what}.", provider=provider)


def meaning(provider: str, status: int, code: str = "") -> ProviderError:
    """Our error for a status, without a word of the service's own: those may quote a key or what is said."""
    if code in _SPENT or status == 402:
        return refused(provider, "any request: the credit of this key is used up")
    if code in _AT_ONCE:
        return unavailable(provider, "answers no more requests at once on this plan")
    if status in {401, 403}:
        return UpstreamAuth(f"{provider} does not accept the key of this server ({status}).", provider=provider)
    if status in {408, 409, 425, 429} or status >= 500:
        return unavailable(provider, f"is overloaded or out of order ({status})")
    return refused(provider, _REFUSALS.get(status, f"the request ({status})"))


def code_in(body: bytes) -> str:
    """The service's own word for an error, for deciding and never for showing: `error.code` or `detail.status`; empty where there is none."""
    try:
        found = msgspec.json.decode(body[:LONGEST_REFUSAL])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    outer = mapping(found)
    for name in ("error", "detail"):
        inner = mapping(outer.get(name))
        if found_code := inner.get("code") or inner.get("status") or inner.get("type"):
            return str(found_code)
    return str(outer.get("error") or outer.get("code") or "")


def named_delay_s(headers: Mapping[str, str]) -> float | None:
    """How long the service asks to wait (`retry-after`, in seconds); None where it does not say."""
    try:
        delay_s = float(headers.get("retry-after", ""))
    except ValueError:  # absent, or a date
        return None
    return delay_s if math.isfinite(delay_s) and delay_s >= 0 else None


def mapping(value: object) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def audible(samples: bytes) -> bool:
    """Whether any 30 ms of 16 kHz sound are louder than -54 dB: services that are sent silence make up words for it."""
    floats = as_floats(samples[: len(samples) // 2 * 2])
    whole = floats[: floats.size // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    return bool(whole.size) and bool(np.sqrt(np.mean(whole * whole, axis=1)).max() > _SILENCE_RMS)
