"""Who talks and who waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.conversation.admission import Admission, Place
from voicemind.conversation.deadlines import Deadlines
from voicemind.conversation.roll_out import RollOut, share_of
from voicemind.conversation.unanswered import IDS_KEPT, Unanswered
from voicemind.errors import AllTalking, NotRolledOut


@given(st.integers(1, 4), st.integers(0, 4), st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
def test_places_are_never_oversold_and_the_line_keeps_its_order(
    places: int, queue_places: int, steps: list[tuple[bool, int]]
) -> None:
    lengths: list[int] = []
    admission = Admission(places, queue_places=queue_places, on_queue=lengths.append)
    there: list[Place] = []
    for comes, which in steps:
        if comes:
            try:
                there.append(admission.ask())
            except AllTalking:
                assert (admission.taken, admission.waiting) == (places, queue_places)
        elif there:
            leaver = there.pop(which % len(there))
            admission.give_back(leaver)
            admission.give_back(leaver)
        positions = [place.position for place in there]
        assert positions.count(0) == min(len(there), places) == admission.taken
        assert [position for position in positions if position] == list(range(1, admission.waiting + 1))
        if lengths:
            assert lengths[-1] == admission.waiting


def test_of_many_people_the_right_share_may_talk_and_none_is_shut_out_when_it_grows() -> None:
    people = [f"person-{number}" for number in range(4000)]
    shares = {
        percent: {name for name in people if RollOut(percent).includes("a", name)} for percent in (0, 10, 25, 50, 100)
    }
    assert shares[0] == set()
    assert shares[100] == set(people)
    assert shares[10] < shares[25] < shares[50]
    assert all(abs(len(chosen) / 40 - percent) < 3 for percent, chosen in shares.items())
    assert len({share_of(tenant, "ann") for tenant in "abc"}) == 3
    with pytest.raises(NotRolledOut):
        RollOut(0).refuse("a", "ann")


def test_the_earliest_end_counts_and_who_is_back_has_all_their_time_again() -> None:
    deadlines = Deadlines(idle_s=30, length_s=100, detached_s=10, began_at=0, active_at=0)
    assert deadlines.next() == (30, "idle")
    deadlines.gone_at = 5
    assert deadlines.next() == (15, "gone")
    deadlines.gone_at, deadlines.active_at = None, 80
    assert deadlines.next() == (100, "length")


def test_a_message_counts_once_and_what_was_never_stored_may_come_again_in_the_next_session() -> None:
    typed = Unanswered()
    assert typed.is_new("a", "one")
    assert typed.is_new("b", "two")
    assert not typed.is_new("a", "one")
    assert typed.is_new("", "three")
    assert typed.is_new("", "three")
    typed.stored("a")
    typed.answered()
    assert typed.again() == (("b", "two"), ("", "three"), ("", "three"))
    anew = Unanswered()
    anew.inherit(typed)
    assert not anew.is_new("a", "one")
    assert anew.is_new("b", "two")


def test_what_is_a_turn_and_unanswered_is_given_to_the_next_engine_and_does_not_become_a_turn_again() -> None:
    typed = Unanswered()
    for number in range(2):
        assert typed.is_new("", str(number))
        assert not typed.is_turn("")
    typed.stored("")
    assert typed.again() == (("", "0"), ("", "1"))
    assert typed
    assert [typed.is_turn(""), typed.is_turn("")] == [True, False]
    typed.stored("")
    typed.answered()
    assert not typed
    assert typed.again() == ()


def test_of_turns_that_nobody_answered_the_last_is_given_to_the_next_engine_and_answers_them_all() -> None:
    said = Unanswered()
    said.spoken("My cat")
    said.spoken("is called Biscuit.")
    assert not said, "whether an answer is still to come, the engine knows"
    assert said.is_new("a", "And my dog?")
    assert said.again() == (("", "is called Biscuit."), ("a", "And my dog?"))
    assert [said.is_turn(""), said.is_turn("a")] == [True, False]
    said.stored("a")
    said.answered()
    assert said.again() == ()


def test_ids_are_not_kept_for_ever() -> None:
    typed = Unanswered()
    for number in range(IDS_KEPT + 1):
        typed.is_new(str(number), "x")
        typed.stored(str(number))
    assert typed.is_new("0", "x")
    assert not typed.is_new(str(IDS_KEPT), "x")
