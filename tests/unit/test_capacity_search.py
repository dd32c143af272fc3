"""The search for the most people that a server holds: what surely held counts, and what could not be measured only bounds it."""

from __future__ import annotations

from benchmarks.sessions_search import CLOSE_ENOUGH, Search
from hypothesis import given
from hypothesis import strategies as st


def test_a_number_that_cannot_be_measured_bounds_the_search_and_does_not_end_it() -> None:
    search = Search(256)
    search.saw("holds")
    assert search.people == 410
    search.saw("unmeasured", "the load generator was 12 ms late")
    assert search.people == 410, "something else may have been in the way for a moment"
    search.saw("unmeasured", "the load generator was 14 ms late")
    assert search.goes_on
    assert search.people == 333
    search.saw("breaks", "stutter 2.0%")
    search.saw("holds")
    search.saw("holds")
    assert not search.goes_on
    assert (search.holds, search.breaks_at, search.broken_by) == (314, 333, "stutter 2.0%")
    assert search.unmeasured == {410: "the load generator was 14 ms late"}


def test_a_disturbed_try_is_made_once_more_and_then_counts() -> None:
    search = Search(100)
    search.saw("unmeasured", "something else took 60% of a core")
    search.saw("holds")
    assert (search.holds, search.people, search.unmeasured) == (100, 160, {})


def test_nothing_is_said_of_a_server_of_which_nothing_could_be_measured() -> None:
    search = Search(64)
    while search.goes_on:
        search.saw("unmeasured", "the load generator was 50 ms late")
    assert search.holds == 0
    assert search.breaks_at is None


@given(st.integers(1, 2_000), st.integers(1, 2_000), st.integers(1, 500))
def test_the_search_finds_what_is_there_to_a_tenth(most: int, carried: int, first: int) -> None:
    search = Search(first)
    tries = 0
    while search.goes_on:
        tries += 1
        assert tries < 80
        if search.people > carried:
            search.saw("unmeasured", "late")
        elif search.people > most:
            search.saw("breaks", "stutter")
        else:
            search.saw("holds")
    limit = min(most, carried)
    assert search.holds <= limit
    assert limit - search.holds <= max(CLOSE_ENOUGH * limit, 1)
