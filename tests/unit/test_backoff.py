"""When a job is tried again, and when no longer."""

import doctest

from hypothesis import given
from hypothesis import strategies as st

from voicemind.jobs import backoff
from voicemind.jobs.backoff import LONGEST_S, Backoff

BACKOFFS = st.builds(Backoff, attempts=st.integers(1, 20), first_s=st.floats(0.001, LONGEST_S))


def test_the_example_is_right() -> None:
    assert doctest.testmod(backoff) == doctest.TestResults(failed=0, attempted=1)


@given(BACKOFFS)
def test_every_failure_but_the_last_is_followed_by_a_try_and_none_waits_shorter_than_the_one_before(
    one: Backoff,
) -> None:
    delays = [one.delay_s(failed) for failed in range(1, one.attempts + 3)]
    waits = [delay for delay in delays if delay is not None]

    assert len(waits) == one.attempts - 1
    assert delays[one.attempts - 1 :] == [None] * 3
    assert waits == sorted(waits)
    assert all(one.first_s <= wait <= LONGEST_S for wait in waits)


@given(BACKOFFS)
def test_as_many_processes_may_die_over_a_job_as_it_may_fail(one: Backoff) -> None:
    assert [one.is_spent(lost) for lost in range(one.attempts + 2)] == [False] * one.attempts + [True] * 2
