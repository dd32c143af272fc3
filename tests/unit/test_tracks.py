"""A recording's two sides on one clock, with no clock: every piece where it sounded, and nothing that was never heard."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.speech.audio import Pcm
from voicemind.speech.tracks import JITTER, AgentTrack, PersonTrack, Samples, Span, Tracks

RATE = 16_000
FRAME = 320
REPLY_RATE = 24_000
REPLY_FRAME = 960


def tone(samples: int, *, rate: int = RATE, level: int = 10_000) -> bytes:
    return (np.sin(np.arange(samples) * 2 * np.pi * 440 / rate) * level).astype("<i2").tobytes()


def onset(sound: Samples, *, level: int = 1000) -> int:
    return int(np.argmax(np.abs(sound.astype(np.int32)) > level))


def sounding(sound: Samples, *, level: int = 1000) -> int:
    """Samples from the first loud one to the last."""
    loud = np.flatnonzero(np.abs(sound.astype(np.int32)) > level)
    return int(loud[-1] - loud[0] + 1) if len(loud) else 0


def say(track: AgentTrack, generation: int, frames: int, *, at: int, position: int = 0, ahead: int = 6400) -> None:
    """A tone of so many frames of 40 ms, paced as the engine does: `ahead` samples before it sounds."""
    sound = tone(frames * REPLY_FRAME, rate=REPLY_RATE)
    for number in range(frames):
        due = max(at, at + number * 640 - ahead)
        piece = sound[number * REPLY_FRAME * 2 : (number + 1) * REPLY_FRAME * 2]
        track.say(generation, position + number * REPLY_FRAME, Pcm(piece, REPLY_RATE), at=due)


def test_the_person_is_placed_where_the_sound_arrived() -> None:
    track = PersonTrack()
    track.hear(tone(FRAME), at=5000)
    sound = track.take(8000)
    assert len(sound) == 8000
    assert abs(onset(sound) - (5000 - FRAME)) < 10
    assert not sound[5000:].any()


def test_pieces_that_arrive_unevenly_are_one_unbroken_sound() -> None:
    track = PersonTrack()
    sound = tone(50 * FRAME)
    for number, late in enumerate([0, 700, 100, 900, 30] * 10):
        track.hear(sound[number * FRAME * 2 : (number + 1) * FRAME * 2], at=(number + 1) * FRAME + late)
    assert track.take(50 * FRAME).tobytes() == sound


def test_a_pause_in_the_stream_is_silence() -> None:
    track = PersonTrack()
    track.hear(tone(FRAME), at=FRAME)
    track.hear(tone(FRAME), at=3 * RATE)
    sound = track.take(3 * RATE)
    assert not sound[FRAME : 3 * RATE - FRAME].any()
    assert abs(onset(sound[FRAME:]) + FRAME - (3 * RATE - FRAME)) < 10


def test_what_a_stalled_line_delivers_late_goes_where_it_was_said() -> None:
    track = PersonTrack()
    sound = tone(200 * FRAME)
    pieces = [sound[at : at + FRAME * 2] for at in range(0, len(sound), FRAME * 2)]
    for number, piece in enumerate(pieces):
        stalls_until = 120 * FRAME
        at = (number + 1) * FRAME
        track.hear(piece, at=stalls_until if 60 <= number < 120 else at)
    taken = track.take(200 * FRAME)
    assert abs(sounding(taken) - 200 * FRAME) <= JITTER + FRAME
    assert abs(track.end - 200 * FRAME) <= JITTER + FRAME


@given(st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 40_000)), max_size=60), st.integers(1, 20_000))
def test_no_sample_of_the_person_is_lost_or_doubled(pieces: list[tuple[int, int]], step: int) -> None:
    track, at, until, taken = PersonTrack(), 2000, 0, 0
    for size, pause in pieces:
        at += pause
        track.hear(np.full(size, 7, "<i2").tobytes(), at=at)
        if at - until > 32_000 + step:
            until += step
            taken += int((track.take(until) == 7).sum())
    taken += int((track.take(max(track.end, until)) == 7).sum())
    assert taken == sum(size for size, _ in pieces)


def test_it_is_known_from_where_to_where_a_turn_was_spoken() -> None:
    track = PersonTrack()
    loud, quiet = tone(RATE), bytes(RATE * 2)
    for number, second in enumerate([loud, quiet, quiet, loud, quiet, loud, quiet]):
        track.hear(second, at=(number + 1) * RATE)
    span = track.said(by=7 * RATE)
    assert (span.start, span.end) == pytest.approx((3 * RATE, 6 * RATE), abs=FRAME)
    assert track.said(by=7 * RATE) == Span(7 * RATE, 7 * RATE)


def test_a_reply_sounds_at_once_and_without_a_break_although_it_is_sent_ahead() -> None:
    track = AgentTrack()
    say(track, 1, 50, at=RATE)
    pieces = [track.take(until) for until in range(1600, 5 * RATE, 1600)]
    sound = np.concatenate(pieces)
    assert abs(onset(sound) - RATE) < 40
    assert sounding(sound) == pytest.approx(50 * 640, abs=40)
    middle = sound[RATE + 640 : RATE + 49 * 640].astype(np.int32)
    assert np.abs(np.diff(middle)).max() < 2200, "a tone has no jumps"


def test_a_reply_that_ran_dry_goes_on_when_its_sound_comes() -> None:
    track = AgentTrack()
    say(track, 1, 10, at=RATE)
    say(track, 1, 10, at=3 * RATE, position=10 * REPLY_FRAME)
    sound = track.take(5 * RATE)
    assert onset(sound) == pytest.approx(RATE, abs=40)
    assert not sound[RATE + 10 * 640 + 100 : 3 * RATE - 100].any()
    assert onset(sound[2 * RATE :]) == pytest.approx(RATE, abs=40)
    assert track.said(1, by=0) == Span(RATE, 3 * RATE + 10 * 640)


def test_what_was_never_heard_of_a_reply_is_not_in_the_recording() -> None:
    track = AgentTrack()
    say(track, 1, 25, at=RATE)
    track.hush(1, at=RATE + 4000)
    say(track, 2, 5, at=RATE + 12_000)
    sound = track.take(4 * RATE)
    assert not sound[RATE + 4000 + 40 : RATE + 12_000 - 40].any()
    assert sounding(sound[: RATE + 8000]) == pytest.approx(4000, abs=40)
    assert track.said(1, by=9 * RATE) == Span(RATE, RATE + 4000)


def test_a_reply_goes_on_after_a_false_alarm_where_it_was_cut() -> None:
    track = AgentTrack()
    say(track, 1, 25, at=0)
    track.hush(1, at=6400)
    say(track, 1, 15, at=RATE, position=9600)
    sound = track.take(3 * RATE)
    assert not sound[6440 : RATE - 40].any()
    assert sounding(sound[RATE - 100 :]) == pytest.approx(15 * 640, abs=40)


def test_a_softer_reply_is_softer_in_the_recording() -> None:
    track = AgentTrack()
    say(track, 1, 50, at=0)
    track.soften(at=RATE // 2, is_soft=True)
    track.soften(at=RATE, is_soft=False)
    sound = np.abs(track.take(3 * RATE).astype(np.int32))
    assert sound[: RATE // 2 - 700].max() > 9000
    assert 2000 < sound[RATE // 2 + 700 : RATE - 700].max() < 4000
    assert sound[RATE + 700 :].max() > 9000


@given(st.data())
def test_however_it_is_taken_the_sound_is_the_same(draw: st.DataObject) -> None:
    once, often = AgentTrack(), AgentTrack()
    for track in (once, often):
        say(track, 1, 30, at=2000)
        track.hush(1, at=9000)
        say(track, 2, 30, at=30_000)
    whole = once.take(64_000)
    pieces: list[Samples] = []
    until = 0
    while until < 64_000:
        until = min(until + draw.draw(st.integers(100, 9000)), 64_000)
        pieces.append(often.take(until))
    assert np.abs(np.concatenate(pieces).astype(np.int32) - whole).max() <= 2


def test_the_person_is_left_and_the_agent_right() -> None:
    tracks = Tracks()
    tracks.person.hear(tone(RATE), at=RATE)
    say(tracks.agent, 1, 25, at=2 * RATE)
    first, rest = tracks.take(RATE // 2), tracks.take(4 * RATE)
    sound = np.frombuffer(first + rest, "<i2").reshape(-1, 2)
    assert len(sound) == 4 * RATE
    assert onset(sound[:, 0]) < 40
    assert onset(sound[:, 1]) == pytest.approx(2 * RATE, abs=40)
    assert not sound[: 2 * RATE - 40, 1].any()
    assert not sound[RATE:, 0].any()
