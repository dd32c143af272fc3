"""Spans of turns: from when the person had finished until the agent had, in parts, and without a word."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import anyio
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from voicemind.clock import monotonic_s
from voicemind.errors import Misconfigured
from voicemind.ops.traces import NoTraces, SentTraces, TimedTurn, sent_to

TIMINGS = {"endpoint": 300.0, "heard": 400.0, "thought_first": 900.0, "spoke_first": 1000.0}


def turn() -> TimedTurn:
    now = monotonic_s()
    return TimedTurn(now - 5.0, now, TIMINGS, {"voicemind.conversation_id": "talk-1", "voicemind.turn": 2})


def ms(at_ns: int | None) -> float:
    assert at_ns is not None
    return at_ns / 1e6


def test_a_turn_is_a_span_with_its_parts_in_it_one_after_the_other() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    SentTraces(provider).turn(turn())
    spans = {span.name: span for span in kept.get_finished_spans()}
    whole = spans.pop("turn")
    assert list(spans) == ["endpoint", "recognition", "first_token", "first_audio", "speaking"]
    assert whole.attributes == {"voicemind.conversation_id": "talk-1", "voicemind.turn": 2}
    assert ms(whole.end_time) - ms(whole.start_time) == pytest.approx(5000, abs=20)
    lengths = [ms(span.end_time) - ms(span.start_time) for span in spans.values()]
    assert lengths == pytest.approx([300, 100, 500, 100, 4000], abs=20)
    at = whole.start_time
    for span in spans.values():
        assert span.start_time == at
        assert span.parent is not None
        assert whole.context is not None
        assert span.parent.span_id == whole.context.span_id
        at = span.end_time
    provider.shutdown()


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    got: list[tuple[str, bytes]] = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    with HTTPServer(("127.0.0.1", 0), Takes) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()
        thread.join()


@pytest.mark.anyio
async def test_spans_reach_a_collector_at_the_latest_when_the_server_stops(
    collector: tuple[str, list[tuple[str, bytes]]],
) -> None:
    address, got = collector
    traces = sent_to(address + "/")
    traces.turn(turn())
    with anyio.fail_after(20):
        await traces.aclose()
    (path, body) = got[0]
    assert path == "/v1/traces"
    sent = ExportTraceServiceRequest.FromString(body)
    assert [span.name for span in sent.resource_spans[0].scope_spans[0].spans][-1] == "turn"


@pytest.mark.anyio
async def test_a_collector_that_is_not_there_keeps_nobody_waiting() -> None:
    traces = sent_to("http://127.0.0.1:9")
    traces.turn(turn())
    with anyio.fail_after(20):
        await traces.aclose()


@pytest.mark.anyio
async def test_without_a_collector_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    traces = sent_to("")
    assert isinstance(traces, NoTraces)
    traces.turn(turn())
    await traces.aclose()
    with pytest.raises(Misconfigured, match="otel"):
        sent_to("http://127.0.0.1:4318")
