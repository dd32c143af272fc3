"""A span for each of the agent's turns, sent to a collector that speaks OTLP: figures, and not a word of what was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread

from voicemind import __version__
from voicemind.clock import epoch_ms, monotonic_s
from voicemind.errors import Misconfigured
from voicemind.ops.metrics import parts_ms

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SEND_LIMIT_MS = 3000
STOP_LIMIT_S = 5.0
_NS_A_MS = 1_000_000
Attributes = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class TimedTurn:
    """A turn of the agent's that is over. Times are monotonic seconds: `began_s` is when the person had finished; `timings_ms` as in `Said`."""

    began_s: float
    ended_s: float
    timings_ms: Mapping[str, float]
    attributes: Attributes


class Traces(Protocol):
    """Where spans go."""

    def turn(self, turn: TimedTurn) -> None:
        """One turn is over. Never waits."""
        ...

    async def aclose(self) -> None:
        """Send what is left."""
        ...


class NoTraces:
    """They go nowhere, and cost nothing."""

    def turn(self, turn: TimedTurn) -> None:
        """Nothing."""

    async def aclose(self) -> None:
        """Nothing."""


class SentTraces:
    """They go where the provider sends them, from its own thread."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace

        self._provider = provider
        self._tracer = provider.get_tracer("voicemind", __version__)
        self._within = trace.set_span_in_context

    def turn(self, turn: TimedTurn) -> None:
        """A span `turn` from when the person had finished until the agent had, and in it one for each part."""
        now_ns = epoch_ms() * _NS_A_MS
        began_ns = now_ns - round((monotonic_s() - turn.began_s) * 1e9)
        ended_ns = now_ns - round((monotonic_s() - turn.ended_s) * 1e9)
        span = self._tracer.start_span("turn", start_time=began_ns, attributes=dict(turn.attributes))
        within = self._within(span)
        at_ns = began_ns
        for part, ms in parts_ms(turn.timings_ms).items():
            if part != "total":
                child = self._tracer.start_span(part, context=within, start_time=at_ns)
                at_ns += round(ms * _NS_A_MS)
                child.end(at_ns)
        if "spoke_first" in turn.timings_ms:
            self._tracer.start_span("speaking", context=within, start_time=at_ns).end(max(at_ns, ended_ns))
        span.end(max(at_ns, ended_ns))

    async def aclose(self) -> None:
        """Send what is left, within seconds."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_LIMIT_S):
            await anyio.to_thread.run_sync(self._provider.shutdown, abandon_on_cancel=True)


def sent_to(endpoint: str) -> Traces:
    """Traces to a collector at this address, to which `/v1/traces` is added (opentelemetry.io/docs/specs/otel/protocol/exporter); to none where it is empty.

    Raises Misconfigured where the library is missing.
    """
    if not endpoint:
        return NoTraces()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        problem = "spans need their library: pip install 'voicemind[otel]'"
        raise Misconfigured("VOICEMIND_OTEL_ENDPOINT", problem, accepted="an address, with voicemind[otel]") from None
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=SEND_LIMIT_MS / 1000)
    resource = Resource.create({"service.name": "voicemind", "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return SentTraces(provider)
