"""When speech begins and ends."""

from hypothesis import given
from hypothesis import strategies as st

from voicemind.engines.cascade.gate import GateLimits, SpeechGate

LIMITS = GateLimits(onset_ms=96, barge_in_ms=256, silence_ms=704, settled_silence_ms=448)


def test_a_click_does_not_begin_an_utterance() -> None:
    gate = SpeechGate(LIMITS)
    assert [gate.feed(p) for p in (0.9, 0.9, 0.0, 0.9, 0.9, 0.0)] == [None] * 6


def test_speech_begins_after_its_onset_and_ends_after_its_silence() -> None:
    gate = SpeechGate(LIMITS)
    assert [gate.feed(0.9) for _ in range(3)] == [None, None, "started"]
    assert [gate.feed(0.0) for _ in range(22)] == [None] * 21 + ["ended"]


def test_a_pause_shorter_than_the_silence_does_not_end_it() -> None:
    gate = SpeechGate(LIMITS)
    edges = (
        [gate.feed(0.9) for _ in range(3)]
        + [gate.feed(0.0) for _ in range(15)]
        + [gate.feed(0.9)]
        + [gate.feed(0.0) for _ in range(21)]
    )
    assert edges.count("ended") == 0


def test_a_finished_sentence_needs_less_silence() -> None:
    gate = SpeechGate(LIMITS)
    for _ in range(3):
        gate.feed(0.9)
    assert [gate.feed(0.0, settled=True) for _ in range(14)][-1] == "ended"


def test_it_takes_more_speech_to_interrupt_than_to_begin() -> None:
    gate = SpeechGate(LIMITS)
    edges = [gate.feed(0.9, agent_audible=True) for _ in range(8)]
    assert edges == [None] * 7 + ["started"]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans())))
def test_beginnings_and_ends_alternate(windows: list[tuple[float, bool, bool]]) -> None:
    gate = SpeechGate(LIMITS)
    edges = [edge for p, audible, settled in windows if (edge := gate.feed(p, agent_audible=audible, settled=settled))]
    assert edges == ["started", "ended"] * (len(edges) // 2) + ["started"] * (len(edges) % 2)
