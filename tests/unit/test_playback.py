"""How far a reply has been played: by pace, by the client's word, and across a cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicemind.engines.cascade.playback import Playback
from voicemind.engines.cascade.tape import Tape

RATE = 1000


def playing(samples: int, *, at: float = 100.0) -> Playback:
    playback = Playback(RATE)
    playback.pace.sent(samples, now=at)
    return playback


def test_a_client_that_tells_nothing_is_taken_to_play_at_the_pace_of_speech() -> None:
    assert [playing(400).played(now) for now in (100.0, 100.25, 200.0)] == [0, 250, 400]


def test_a_client_that_is_behind_stays_as_far_behind_between_its_reports() -> None:
    playback = playing(5000)
    playback.told(800, now=101.0)
    assert playback.played(101.5) == 1300


def test_a_client_that_stopped_telling_is_not_believed_to_play_on_for_ever() -> None:
    playback = playing(60_000)
    playback.told(800, now=101.0)
    assert playback.played(130.0) == 2800


def test_a_client_is_never_ahead_of_its_sound_nor_takes_back_what_it_played() -> None:
    playback = playing(5000)
    playback.told(1e308, now=101.0)
    assert playback.played(101.0) == 1000
    other = playing(5000)
    other.told(800, now=101.0)
    for lie in (-5.0, float("nan"), 100.0):
        other.told(lie, now=101.0)
    assert other.played(101.0) == 800


def test_after_a_cut_nothing_plays_and_the_client_may_still_say_that_it_was_less() -> None:
    playback = playing(5000)
    playback.stop(101.0)
    assert playback.played(150.0) == 1000
    playback.told(700, now=150.0)
    assert playback.played(150.0) == 700


def test_what_is_said_again_counts_once() -> None:
    playback = playing(5000)
    playback.stop(101.0)
    playback.go_on(900, now=105.0)
    assert playback.pace.position == 1000
    playback.pace.sent(500, now=105.0)
    assert playback.played(105.0) == 900
    assert playback.played(105.25) == 1150


def test_a_client_that_tells_of_less_after_a_reply_went_on_takes_nothing_back() -> None:
    playback = playing(5000)
    playback.stop(101.0)
    playback.go_on(900, now=105.0)
    playback.told(0, now=105.0)
    assert playback.played(105.0) == 900
    playback.pace.sent(500, now=105.0)
    assert playback.played(105.25) == 900


@given(
    st.lists(
        st.tuples(st.sampled_from(["send", "tell", "stop", "go on", "wait"]), st.integers(0, 3000)),
        max_size=30,
    )
)
def test_no_more_is_ever_played_than_was_sent(steps: list[tuple[str, int]]) -> None:
    playback, now, held = Playback(RATE), 50.0, False
    most = 0
    for step, amount in steps:
        match step:
            case "send":
                if not held:
                    playback.pace.sent(amount, now=now)
            case "tell":
                playback.told(amount, now)
            case "stop":
                playback.stop(now)
                held = True
            case "go on":
                playback.go_on(max(0, playback.played(now) - amount), now)
                held = False
            case _:
                now += amount / 1000
        assert 0 <= playback.position(now) <= playback.pace.position
        most = max(most, playback.pace.position)
        assert 0 <= playback.played(now) <= most


def test_what_a_client_played_after_the_cut_and_before_it_knew_counts_also_where_the_reply_has_gone_on() -> None:
    for told_s in (105.5, 106.0):
        playback = playing(5000)
        playback.told(900, now=100.9)
        playback.stop(101.0)
        assert playback.owes_word()
        if told_s == 106.0:
            playback.go_on(950, now=105.9)
            playback.pace.sent(500, now=105.9)
        playback.told(1300, now=told_s)
        assert not playback.owes_word()
        assert playback.played(told_s) == 1300
        playback.told(99_999, now=told_s)
        assert playback.played(told_s) == 5000, "more than was out is not believed"


def test_a_tape_reads_across_pieces_and_again_from_where_it_is_wound_back_to() -> None:
    tape = Tape()
    tape.add(bytes(range(10)))
    tape.add(bytes(range(10, 20)))
    assert tape.read(7) == bytes(range(14))
    tape.rewind(2)
    assert tape.read(100) == bytes(range(4, 20))
    assert tape.unread == 0
    tape.forget(7)
    tape.rewind(0)
    assert tape.read(100) == bytes(range(10, 20)), "what was forgotten cannot be said again"


@given(st.lists(st.binary(max_size=40).map(lambda piece: piece[: len(piece) // 2 * 2])), st.integers(1, 30))
def test_what_is_read_is_what_was_added(pieces: list[bytes], count: int) -> None:
    tape = Tape()
    for piece in pieces:
        tape.add(piece)
    read = b""
    while tape.unread:
        read += tape.read(count)
        tape.forget(tape.position - count)
    assert read == b"".join(pieces)


def test_a_client_that_never_tells_is_believed_to_have_heard_the_end() -> None:
    assert playing(5000).reached_end(105.0)


def test_a_client_that_tells_that_nothing_sounds_has_not_heard_the_end() -> None:
    for length in (400, 800, 5000):
        playback = playing(length)
        for told_at in range(0, length + 1001, 100):
            playback.told(0, now=100 + told_at / 1000)
        assert not playback.reached_end(101 + length / 1000), length


def test_a_client_that_is_a_little_behind_has_heard_the_end() -> None:
    for length, behind in ((5000, 900), (800, 300)):
        playback = playing(length)
        playback.told(length - behind, now=100 + length / 1000)
        assert playback.reached_end(100 + length / 1000), length


def test_a_client_that_stopped_in_the_middle_has_not_heard_the_end() -> None:
    playback = playing(10_000)
    playback.told(2000, now=102.0)
    playback.told(2000, now=110.0)
    assert not playback.reached_end(111.0)


def test_sound_is_out_from_the_first_frame_until_the_client_is_told_to_throw_it_away() -> None:
    playback = Playback(RATE)
    assert not playback.pace.is_out
    playback.pace.sent(40, now=100.0)
    assert playback.pace.is_out
    playback.stop(100.0)
    assert not playback.pace.is_out
    playback.go_on(0, now=101.0)
    assert not playback.pace.is_out
