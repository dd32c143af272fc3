"""What a server counts and times: for a Prometheus, and without a word, an id or a name of anybody's.

A process has one set of these, as it has one log. Labels come from closed sets alone: codes of errors, names of providers and routes, outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from voicemind import __version__
from voicemind.errors import ProviderError

CONTENT_TYPE = CONTENT_TYPE_LATEST
REGISTRY = CollectorRegistry()
_PARTS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)
_SESSION_S = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"voicemind_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"voicemind_{name}", text, labels, registry=REGISTRY)


def _times(name: str, text: str, *labels: str, buckets: tuple[float, ...] = _PARTS_S) -> Histogram:
    return Histogram(f"voicemind_{name}", text, labels, registry=REGISTRY, buckets=buckets)


BUILD = _gauge("build_info", "Always 1; the version is in the label.", "version")
BUILD.labels(__version__).set(1)

SESSIONS = _gauge("sessions_active", "Live sessions now.", "channel")
STARTED = _counter("sessions_started", "Sessions that began.", "channel")
ENDED = _counter("sessions_ended", "Sessions that ended, by reason.", "reason")
SESSION_S = _times("session_seconds", "How long sessions lasted.", "channel", buckets=_SESSION_S)
DETACHED = _counter("sessions_detached", "Sessions that lost their client and waited for it.")
RESUMED = _counter("sessions_resumed", "Sessions whose client came back.")
QUEUE = _gauge("queue_length", "Clients that wait for a place.")
REFUSED = _counter("sessions_refused", "Sessions that could not begin, by the code that the client was told.", "code")

ENGINES_CHANGED = _counter(
    "engines_changed", "Engines that failed within a session, by code; the next one went on.", "code"
)

TURNS = _counter("turns", "Turns that were stored, by side and how they came.", "side", "modality")
INTERRUPTED = _counter("turns_interrupted", "Turns of the agent that the person cut short.")
HUSHED = _counter("interruptions", "Times that a reply was silenced.")
FALSE_ALARMS = _counter("false_alarms", "Replies that went on because nobody had wanted to interrupt.")
TURN_S = _times(
    "turn_seconds", "Where the time of a spoken reply went, by part; total is until its first sound.", "part"
)
UNDERRUNS = _counter("client_underruns", "Times that a client's buffer ran dry, as clients tell.")
GAP_S = _counter("client_gap_seconds", "Silence within replies that this made, as clients tell.")
EARLY = _counter(
    "early_thinking", "Answers thought of before the person had surely finished, tried and paid.", "outcome"
)

TOOLS = _counter("tool_calls", "Calls of tools that ended, by outcome.", "outcome")
TOOL_S = _times("tool_seconds", "How long calls of tools took.")
ERRORS = _counter("errors", "Errors that a client was told, by code.", "code")
PROVIDER_ERRORS = _counter(
    "provider_errors", "Failures of models and services, by provider and code.", "provider", "code"
)
REFLECTIONS = _counter("reflections", "Attempts at a reflection that ended, by outcome.", "outcome")

REQUESTS = _counter("http_requests", "Requests that were answered, by route and status.", "route", "status")
REQUEST_S = _times("http_first_byte_seconds", "Time until an answer's first byte, by route.", "route")

RECORDING = _gauge("recordings_active", "Sessions that are being recorded.")
RECORDINGS_BROKEN = _counter(
    "recordings_broken", "Recordings that stopped before their session did, by reason.", "reason"
)

LOOP_LAG = _gauge("loop_lag_seconds", "How late the event loop was when it last looked.")
OPEN_FILES = _gauge("open_fds", "Descriptors that are open.")
MAX_FILES = _gauge("max_fds", "Descriptors that may be open.")
ALARMS = _counter("alarms", "Times that the loop was blocked, or descriptors ran low.", "kind")

ProcessCollector(registry=REGISTRY)


def told() -> bytes:
    """All of it in Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats, 0.0.4)."""
    return generate_latest(REGISTRY)


def failed(error: ProviderError) -> None:
    """A model or a service failed."""
    PROVIDER_ERRORS.labels(error.provider, error.code).inc()


def parts_ms(timings_ms: Mapping[str, float]) -> dict[str, float]:
    """The parts of a reply's time, of which `Said.timings_ms` has the sums.

    >>> parts_ms({"endpoint": 300.0, "heard": 380.0, "thought_first": 900.0, "spoke_first": 1000.0})
    {'endpoint': 300.0, 'recognition': 80.0, 'first_token': 520.0, 'first_audio': 100.0, 'total': 1000.0}
    >>> parts_ms({"heard": 80.0, "thought_first": 20.0, "early": 1})
    {'recognition': 80.0, 'first_token': 0.0}
    """
    parts: dict[str, float] = {}
    before = 0.0
    for name, part in _SUMS.items():
        if name in timings_ms:
            parts[part] = max(timings_ms[name] - before, 0.0)
            before = max(timings_ms[name], before)
    if "spoke_first" in timings_ms:
        parts["total"] = timings_ms["spoke_first"]
    return parts


_SUMS = {
    "endpoint": "endpoint",
    "heard": "recognition",
    "thought_first": "first_token",
    "spoke_first": "first_audio",
}
