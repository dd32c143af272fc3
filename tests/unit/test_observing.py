"""What a session's happenings are counted as, told to the log and sent as spans: figures alone."""

import json
from collections.abc import Iterator

import pytest
import structlog

from voicemind.clock import utc_now
from voicemind.conversation.observing import Observing, Watches
from voicemind.conversation.opening import Opened
from voicemind.conversation.watching import Unwatched
from voicemind.engines.contract import (
    AgentSound,
    AgentText,
    AgentTurn,
    Ducked,
    Hushed,
    PartialWords,
    ToolCalled,
    Trouble,
    UserTurn,
)
from voicemind.mind.agent_files import load_agents
from voicemind.ops import metrics
from voicemind.ops.traces import NoTraces, TimedTurn
from voicemind.speech.audio import Pcm
from voicemind.store.values import Conversation, MindKey, Turn

SECRET = "Quillonbert"
TIMINGS = {"endpoint": 250.0, "heard": 300.0, "thought_first": 700.0, "spoke_first": 800.0, "early": 1}
SILENCE = Pcm(bytes(1920), 24_000)


class Kept(NoTraces):
    def __init__(self) -> None:
        self.turns: list[TimedTurn] = []

    def turn(self, turn: TimedTurn) -> None:
        self.turns.append(turn)


def opened() -> Opened:
    agent = load_agents(None)["counsellor"]
    now = utc_now()
    talk = Conversation("acme", "talk-1", agent.slug, SECRET, "voice", "active", now, now)
    return Opened(talk, agent, MindKey("acme", agent.slug, SECRET))


def said(seq: int, *, interrupted: bool = False) -> Turn:
    words = f"I know {SECRET}."
    return Turn(seq, "agent", words, heard=words[:6], interrupted=interrupted, created_at=utc_now(), timings_ms=TIMINGS)


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"voicemind_{name}", labels) or 0.0


@pytest.fixture
def spans() -> Kept:
    return Kept()


@pytest.fixture
def watch(spans: Kept) -> Iterator[Watches]:
    watches = Watches([Observing(spans)])
    watches.session_started("s", opened(), "voice")
    yield watches
    watches.session_ended("s", opened(), reason="end", seconds=1.0)


def test_sessions_are_counted_while_they_last_and_by_how_they_ended() -> None:
    watch = Watches([Observing(NoTraces())])
    active, ended = value("sessions_active", channel="voice"), value("sessions_ended_total", reason="idle")
    for name in ("a", "b"):
        watch.session_started(name, opened(), "voice")
    watch.session_ended("a", opened(), reason="idle", seconds=70.0)
    watch.session_ended("a", opened(), reason="idle", seconds=70.0)
    assert value("sessions_active", channel="voice") - active == 1
    assert value("sessions_ended_total", reason="idle") - ended == 1
    watch.session_ended("b", opened(), reason="idle", seconds=1.0)
    watch.detached("b")
    watch.resumed("b", missed=3)
    watch.underruns("b", 2, 130.0)
    watch.waiting(4)
    watch.refused("at_capacity")
    watch.engine_changed("b", "")
    assert value("queue_length") == 4
    watch.waiting(0)
    assert value("sessions_refused_total", code="at_capacity") >= 1


def test_a_reply_is_one_line_one_span_and_its_parts(watch: Watches, spans: Kept) -> None:
    before = {part: value("turn_seconds_sum", part=part) for part in ("endpoint", "recognition", "total")}
    paid = value("early_thinking_total", outcome="paid")
    with structlog.testing.capture_logs() as lines:
        watch.turn("s", Turn(1, "user", SECRET, heard=SECRET, created_at=utc_now()))
        watch.happened("s", UserTurn(Turn(1, "user", SECRET, heard=SECRET, created_at=utc_now())))
        watch.happened("s", PartialWords(SECRET))
        watch.happened("s", AgentText(1, f"I know {SECRET}."))
        for number in range(3):
            watch.happened("s", AgentSound(1, number * 960, SILENCE))
        watch.happened("s", AgentTurn(1, said(2)))
    assert [(line["event"], line["side"], line["turn"], line["chars"]) for line in lines] == [
        ("turn", "user", 1, len(SECRET)),
        ("turn", "agent", 2, len(f"I know {SECRET}.")),
    ]
    assert lines[1]["spoke_first"] == 800.0
    assert (lines[1]["early"], lines[1]["interrupted"], lines[1]["heard_chars"]) == (True, False, 6)
    assert SECRET not in json.dumps(lines)
    (span,) = spans.turns
    assert SECRET not in str(span)
    assert span.ended_s - span.began_s == pytest.approx(0.8, abs=0.2)
    assert value("turn_seconds_sum", part="endpoint") - before["endpoint"] == pytest.approx(0.25)
    assert value("turn_seconds_sum", part="recognition") - before["recognition"] == pytest.approx(0.05)
    assert value("turn_seconds_sum", part="total") - before["total"] == pytest.approx(0.8)
    assert value("early_thinking_total", outcome="paid") - paid == 1


def test_an_interruption_counts_once_however_often_it_is_asked_for(watch: Watches) -> None:
    hushed, cut = value("interruptions_total"), value("turns_interrupted_total")
    watch.happened("s", Hushed(0))
    watch.happened("s", AgentSound(1, 0, SILENCE))
    for _ in range(20):
        watch.happened("s", Hushed(1))
    watch.happened("s", AgentTurn(1, said(2, interrupted=True)))
    assert value("interruptions_total") - hushed == 1
    assert value("turns_interrupted_total") - cut == 1


def test_a_false_alarm_is_a_reply_that_goes_on(watch: Watches) -> None:
    alarms = value("false_alarms_total")
    watch.happened("s", AgentSound(1, 0, SILENCE))
    watch.happened("s", Ducked(1, is_soft=True))
    watch.happened("s", Ducked(1, is_soft=False))
    assert value("false_alarms_total") - alarms == 1
    watch.happened("s", Hushed(1))
    watch.happened("s", AgentSound(1, 960, SILENCE))
    watch.happened("s", AgentSound(1, 1920, SILENCE))
    assert value("false_alarms_total") - alarms == 2
    watch.happened("s", Ducked(1, is_soft=True))
    watch.happened("s", Hushed(1))
    watch.happened("s", AgentSound(2, 0, SILENCE))
    assert value("false_alarms_total") - alarms == 2


def test_tools_and_troubles_are_counted_by_outcome_and_code(watch: Watches) -> None:
    calls, errors = value("tool_calls_total", outcome="ok"), value("errors_total", code="provider_unavailable")
    watch.happened("s", ToolCalled("c", "search", SECRET, "running"))
    watch.happened("s", ToolCalled("c", "search", SECRET, "ok", 120.0))
    watch.happened("s", Trouble("provider_unavailable", "It could not be said."))
    assert value("tool_calls_total", outcome="ok") - calls == 1
    assert value("errors_total", code="provider_unavailable") - errors == 1
    assert SECRET not in metrics.told().decode()


def test_who_watches_badly_keeps_nobody_else_from_watching() -> None:
    class Blind(Unwatched):
        def refused(self, code: str) -> None:
            raise ValueError("a bug")

    class Counting(Unwatched):
        def __init__(self) -> None:
            self.codes: list[str] = []

        def refused(self, code: str) -> None:
            self.codes.append(code)

    counting = Counting()
    Watches([Blind(), counting]).refused("all_talking")
    assert counting.codes == ["all_talking"]


def test_a_microphone_is_given_to_those_who_listen_and_to_nobody_else() -> None:
    class Listening(Unwatched):
        def __init__(self) -> None:
            self.sound = b""

        def heard(self, session_id: str, samples: bytes) -> None:
            self.sound += samples

    listening = Listening()
    Watches([Unwatched(), listening, Observing(NoTraces())]).heard("s", b"ab")
    assert listening.sound == b"ab"
