"""When speech begins, pauses and ends."""

from hypothesis import given
from hypothesis import strategies as st

from voicemind.engines.cascade.gate import Edge, GateLimits, SpeechGate
from voicemind.speech.vad.contract import WINDOW_MS


def edges(gate: SpeechGate, *probabilities: float, silence_ms: int = 500, agent_audible: bool = False) -> list[Edge]:
    fed = (gate.feed(p, silence_ms=silence_ms, agent_audible=agent_audible) for p in probabilities)
    return [edge for edge in fed if edge]


def spoken() -> SpeechGate:
    gate = SpeechGate()
    assert edges(gate, *[0.9] * 3) == ["started"]
    return gate


def test_a_click_does_not_begin_an_utterance() -> None:
    assert edges(SpeechGate(), 0.9, 0.9, 0.0, 0.9, 0.9, 0.0) == []


def test_a_tenth_of_a_second_of_speech_begins_an_utterance() -> None:
    gate = SpeechGate()
    assert [gate.feed(0.9, silence_ms=500) for _ in range(3)] == [None, None, "started"]


def test_speech_pauses_soon_and_ends_after_the_silence_that_it_is_given() -> None:
    gate = spoken()
    assert [gate.feed(0.0, silence_ms=320) for _ in range(10)] == [None, None, "paused", *[None] * 6, "ended"]
    assert gate.quiet_ms == 320
    assert gate.speech_ms == 96


def test_the_silence_may_become_shorter_while_it_goes_on() -> None:
    gate = spoken()
    assert edges(gate, *[0.0] * 8, silence_ms=800) == ["paused"]
    assert edges(gate, 0.0, silence_ms=200) == ["ended"]


def test_a_pause_within_an_utterance_ends_with_speech_and_not_with_a_click() -> None:
    gate = spoken()
    assert edges(gate, *[0.0] * 5, 0.9, *[0.0] * 2) == ["paused"]
    assert edges(gate, 0.9, 0.9) == ["resumed"]
    assert edges(gate, *[0.0] * 16) == ["paused", "ended"]


def test_the_length_of_speech_is_told_pauses_aside() -> None:
    gate = spoken()
    assert edges(gate, *[0.9] * 6) == []
    assert edges(gate, 0.9) == ["lasting"]
    assert gate.speech_ms == 320
    assert edges(gate, *[0.0] * 4, *[0.9] * 28) == ["paused", "resumed", "lasting"]
    assert gate.speech_ms == 320 + 28 * WINDOW_MS


def test_doubtful_sound_without_end_ends_an_utterance_all_the_same() -> None:
    assert edges(spoken(), *[0.4] * 30) == ["paused", "ended"]


def test_silence_counts_from_when_the_sound_stopped_once_the_detector_hears_it_too() -> None:
    gate = spoken()
    assert gate.feed(0.4, silence_ms=200, still_ms=64) is None
    assert gate.quiet_ms == WINDOW_MS // 2
    assert gate.feed(0.1, silence_ms=200, still_ms=96) == "paused"
    assert [gate.feed(0.1, silence_ms=200, still_ms=0) for _ in range(4)] == [None, None, None, "ended"]
    assert gate.quiet_ms == 96 + 4 * WINDOW_MS


def test_stillness_alone_is_no_silence() -> None:
    gate = spoken()
    assert [gate.feed(0.9, silence_ms=200, still_ms=192) for _ in range(3)] == [None] * 3
    assert not gate.paused


def test_an_utterance_that_was_ended_between_two_windows_is_over() -> None:
    gate = spoken()
    assert edges(gate, *[0.0] * 4) == ["paused"]
    gate.end(200)
    assert (gate.speaking, gate.paused, gate.quiet_ms) == (False, False, 200)
    assert edges(gate, 0.0, 0.9, 0.9, 0.9) == ["started"]


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.3, 0.4, 0.5, 0.7]), st.booleans(), st.sampled_from([0, 96])), max_size=80
    )
)
def test_a_window_that_passes_by_leaves_everything_as_if_it_had_been_fed(
    sequence: list[tuple[float, bool, int]],
) -> None:
    limits = GateLimits(longest_ms=1600, long_ms=800)
    gate, fed = SpeechGate(limits), SpeechGate(limits)
    for probability, audible, still_ms in sequence:
        before = dict(vars(gate))
        edge = fed.feed(probability, silence_ms=200, agent_audible=audible, still_ms=still_ms)
        if gate.pass_by(probability):
            assert edge is None
        else:
            assert vars(gate) == before
            gate.feed(probability, silence_ms=200, agent_audible=audible, still_ms=still_ms)
        assert vars(gate) == vars(fed)


def test_most_windows_of_a_conversation_pass_by() -> None:
    gate = SpeechGate()
    passed = 0
    for probability in [*[0.0] * 60, *[0.9] * 120, *[0.0] * 120]:
        if gate.pass_by(probability):
            passed += 1
        else:
            gate.feed(probability, silence_ms=200)
    assert passed >= 300 - 15


def test_it_takes_clearer_speech_to_interrupt_than_to_begin() -> None:
    assert edges(SpeechGate(), *[0.55] * 10, agent_audible=True) == []
    assert edges(SpeechGate(), *[0.7] * 3, agent_audible=True) == ["started"]
    assert edges(SpeechGate(GateLimits(speech_over_agent=0.5)), *[0.55] * 3, agent_audible=True) == ["started"]


windows = st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from([200, 500, 800])))


@given(windows)
def test_edges_come_in_order(sequence: list[tuple[float, bool, int]]) -> None:
    gate, allowed = SpeechGate(), {"started"}
    after: dict[Edge, set[Edge]] = {
        "started": {"lasting", "paused"},
        "lasting": {"lasting", "paused"},
        "paused": {"resumed", "ended"},
        "resumed": {"lasting", "paused"},
        "ended": {"started"},
    }
    for probability, audible, silence_ms in sequence:
        edge = gate.feed(probability, silence_ms=silence_ms, agent_audible=audible)
        if edge:
            assert edge in allowed
            allowed = set(after[edge])
        assert gate.speaking == (allowed != {"started"})
        assert gate.paused == ("resumed" in allowed)


def test_an_utterance_that_does_not_end_is_cut_at_the_first_pause_after_a_while_and_else_at_its_longest() -> None:
    limits = GateLimits(long_ms=1_000, longest_ms=2_000)
    gate = SpeechGate(limits)
    edges = [gate.feed(1.0, silence_ms=800) for _ in range(3 + 62)]
    assert [edge for edge in edges if edge] == ["started", "lasting", "lasting"]
    assert gate.feed(1.0, silence_ms=800) == "ended"
    assert [gate.feed(1.0, silence_ms=800) for _ in range(3)][-1] == "started"
    for _ in range(40):
        gate.feed(1.0, silence_ms=800)
    assert [gate.feed(0.0, silence_ms=800) for _ in range(3)] == [None, None, "ended"]
