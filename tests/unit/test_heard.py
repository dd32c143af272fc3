"""What of a reply was heard."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicemind.engines.cascade.heard import SpokenClause, heard_text, until_next, word_began
from voicemind.engines.cascade.pace import FRAME_MS, LEAD_MS, LOW_MS, PIECE_MS, Pace
from voicemind.engines.cascade.speakable import Reader

CLAUSES = [SpokenClause("Good day. ", 1000, complete=True), SpokenClause("How are you today?", 1800, complete=True)]


def test_nothing_played_is_nothing_heard() -> None:
    assert heard_text(CLAUSES, 0) == ""


def test_everything_played_is_everything_heard() -> None:
    assert heard_text(CLAUSES, 2800) == "Good day. How are you today?"


def test_the_cut_falls_between_words() -> None:
    assert heard_text(CLAUSES, 1800) == "Good day. How are"


def test_a_clause_still_in_the_making_is_never_whole() -> None:
    begun = SpokenClause("One two three four", 12_000)
    assert heard_text([begun], 12_000) == "One two three"
    assert heard_text([begun], 3_000) == "One"


@given(
    st.lists(st.tuples(st.text(alphabet="ab c.", min_size=1, max_size=20), st.integers(0, 500)), max_size=6),
    st.integers(0, 3000),
    st.integers(0, 500),
)
def test_more_played_is_never_less_heard_and_always_a_beginning(
    parts: list[tuple[str, int]], played: int, more: int
) -> None:
    clauses = [SpokenClause(text, samples, complete=True) for text, samples in parts]
    whole = "".join(text for text, _ in parts)
    first, second = heard_text(clauses, played), heard_text(clauses, played + more)
    assert whole.strip().startswith(first)
    assert second.startswith(first)


def test_sound_leaves_ahead_of_real_time_by_a_bounded_lead_and_in_few_bursts() -> None:
    pace, now, rate = Pace(24_000), 100.0, 24_000
    bursts = pieces = 0
    while pace.position < 10 * rate:
        now = max(now, pace.due(now))
        bursts += 1
        while room := pace.room(now):
            assert room <= rate * PIECE_MS // 1000
            pieces += 1
            pace.sent(room, now=now)
        ahead_ms = (pace.silent_at() - now) * 1000
        assert LOW_MS < ahead_ms <= LEAD_MS + FRAME_MS + 0.001
    assert bursts / 10 < 7
    assert pieces / 10 < 7, "what leaves together is one piece: each costs the same on its way"
    assert round(pace.silent_at(), 6) == 100.0 + pace.position / rate


def test_what_leaves_at_once_ends_where_the_next_clause_begins() -> None:
    clauses = [
        SpokenClause(text, samples=200, start=start) for text, start in (("One, ", 0), ("two, ", 200), ("three.", 400))
    ]
    assert [until_next(clauses, position) for position in (0, 150, 200, 399)] == [200, 50, 200, 1]
    assert until_next(clauses, 400) > 1_000_000
    assert until_next([], 0) > 1_000_000


def test_what_has_sounded_grows_with_time_and_stops_at_what_was_sent() -> None:
    pace = Pace(1000)
    pace.sent(400, now=10.0)
    assert [pace.played(10.0), pace.played(10.125), pace.played(99.0)] == [0, 125, 400]


def test_after_running_dry_real_time_starts_anew() -> None:
    pace = Pace(1000)
    pace.sent(100, now=10.0)
    pace.sent(100, now=20.0)
    assert round(pace.silent_at(), 6) == 20.1


def hum(ms: int) -> bytes:
    return (8000 * np.sin(np.arange(24 * ms) / 20)).astype("<i2").tobytes()


def test_a_mark_holds_every_word_in_place() -> None:
    marks = [(4, 6_000), (5, 12_000), (8, 18_000)]
    clause = SpokenClause("Well now then.", 24_000, complete=True, marks=marks)
    assert [heard_text([clause], played) for played in (2_900, 3_100, 14_900, 15_100)] == [
        "",
        "Well",
        "Well",
        "Well now",
    ]


def test_a_pause_that_can_be_seen_in_the_sound_holds_the_words_around_it_in_place() -> None:
    clause = SpokenClause("Well, now I am going to tell you.", complete=True)
    for sound in (hum(300), bytes(24 * 2 * 900), hum(1200)):
        clause.see(sound)
        clause.samples += len(sound) // 2
    assert heard_text([clause], 24 * 1190) == "Well,"
    assert heard_text([clause], 24 * 1400).startswith("Well, now")


def test_a_word_that_was_cut_is_said_again_from_its_beginning_and_a_pause_is_not() -> None:
    marks = [(4, 6_000), (5, 12_000), (8, 18_000)]
    clause = SpokenClause("Well now then.", 24_000, complete=True, marks=marks)
    assert word_began([clause], 17_000) == 12_000 - 720
    assert word_began([clause], 8_000) == 8_000
    assert word_began([clause], 30_000) == 30_000


def test_words_that_are_not_spoken_are_heard_only_with_what_follows_them() -> None:
    text = "Fine 😀 thanks."
    clause = SpokenClause(text, 24_000, complete=True, spoken=Reader("en").read(text))
    assert heard_text([clause], 12_000) == "Fine"
    assert heard_text([clause], 24_000) == text
