"""How much at once, decided without waiting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.errors import Busy, TooOften
from voicemind.ops.limits import CALLERS_KEPT, Rates, Room

STEPS = st.lists(st.floats(0, 30, allow_nan=False), max_size=200)


def admitted(rates: Rates, steps: list[float]) -> list[float]:
    """Ask after each of these pauses; the moments when that was allowed."""
    now, moments = 0.0, []
    for step in steps:
        now += step
        try:
            rates.take("her", now_s=now)
        except TooOften:
            continue
        moments.append(now)
    return moments


@given(steps=STEPS, per_minute=st.integers(1, 600), burst=st.integers(1, 20))
def test_no_stretch_of_time_sees_more_than_its_rate_and_one_burst(
    steps: list[float], per_minute: int, burst: int
) -> None:
    moments = admitted(Rates(per_minute, burst=burst), steps)

    for first, begin in enumerate(moments):
        for last, end in enumerate(moments[first:], first):
            assert last - first + 1 <= burst + (end - begin) * per_minute / 60 + 1e-6


@given(steps=STEPS, per_minute=st.integers(1, 600))
def test_who_comes_back_when_told_to_is_let_in(steps: list[float], per_minute: int) -> None:
    rates, now = Rates(per_minute, burst=2), 0.0
    for step in steps:
        now += step
        try:
            rates.take("her", now_s=now)
        except TooOften as refusal:
            now += refusal.retry_after_s
            rates.take("her", now_s=now)


@given(pauses=st.lists(st.floats(1.0, 10), max_size=100))
def test_who_keeps_to_the_rate_is_never_refused(pauses: list[float]) -> None:
    assert len(admitted(Rates(60), pauses)) == len(pauses)


def test_one_callers_haste_costs_no_other_caller_anything() -> None:
    rates = Rates(60, burst=1)
    rates.take("his", now_s=0)
    with pytest.raises(TooOften):
        rates.take("his", now_s=0)
    rates.take("hers", now_s=0)


def test_without_a_rate_everybody_may_ask_as_often_as_they_like() -> None:
    rates = Rates(0)
    for _ in range(1_000):
        rates.take("her", now_s=0)


def test_ten_seconds_worth_of_requests_may_come_at_once() -> None:
    rates = Rates(120)
    for _ in range(20):
        rates.take("her", now_s=0)
    with pytest.raises(TooOften):
        rates.take("her", now_s=0)


def test_callers_beyond_count_are_forgotten_the_quietest_first() -> None:
    rates = Rates(60, burst=1)
    rates.take("first", now_s=0)
    rates.take("loud", now_s=0)
    for number in range(CALLERS_KEPT - 1):
        with pytest.raises(TooOften):
            rates.take("loud", now_s=0)
        rates.take(f"caller {number}", now_s=0)
    rates.take("first", now_s=0)  # forgotten, so it begins anew
    with pytest.raises(TooOften):
        rates.take("loud", now_s=0)


@given(steps=st.lists(st.booleans(), max_size=200), most=st.integers(1, 5))
def test_a_room_never_holds_more_than_it_may_and_always_as_many(steps: list[bool], most: int) -> None:
    room, inside = Room(most), 0
    for comes in steps:
        if comes and inside == most:
            with pytest.raises(Busy):
                room.enter()
        elif comes:
            room.enter()
            inside += 1
        elif inside:
            room.leave()
            inside -= 1
        assert room.taken == inside <= most
