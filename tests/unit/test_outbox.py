"""What is kept for a client that was cut off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.channels.browser.outbox import Outbox
from voicemind.errors import MissedTooMuch, UnknownSession


def filled(count: int) -> Outbox:
    box = Outbox()
    for number in range(1, count + 1):
        box.put(b"%d" % number)
    return box


def test_what_came_after_a_number_is_there_in_order() -> None:
    assert [kept.number for kept in filled(5).since(2)] == [3, 4, 5]
    assert filled(5).since(5) == ()


def test_what_was_acknowledged_is_gone_and_cannot_be_asked_for() -> None:
    box = filled(5)
    box.ack(3)
    assert [kept.number for kept in box.since(3)] == [4, 5]
    with pytest.raises(MissedTooMuch):
        box.since(2)


def test_a_number_that_never_was_is_nobody_s() -> None:
    with pytest.raises(UnknownSession) as refused:
        filled(5).since(6)
    assert not isinstance(refused.value, MissedTooMuch)


def test_an_acknowledgement_of_the_future_keeps_what_comes() -> None:
    box = filled(2)
    box.ack(2**53)
    box.put(b"3")
    assert [kept.number for kept in box.since(2)] == [3]


def test_what_a_later_message_replaces_goes_first() -> None:
    box = Outbox(most=8)
    box.put(b"ready")
    for word in range(12):
        box.put(b"partial %d" % word, key="reply 1", final=False)
    box.put(b"final", key="reply 1")
    frames = [kept.frame for kept in box.since(0)]
    assert frames[0] == b"ready"
    assert frames[-1] == b"final"
    assert len(frames) <= 8


def test_where_nothing_can_be_spared_the_oldest_go_and_whoever_missed_them_is_told() -> None:
    box = Outbox(most=8)
    for number in range(1, 21):
        box.put(b"%d" % number)
    with pytest.raises(MissedTooMuch):
        box.since(0)
    assert [kept.number for kept in box.since(15)] == [16, 17, 18, 19, 20]


Step = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(["", "a", "b"]), st.booleans(), st.integers(1, 40)),
    st.tuples(st.just("ack"), st.integers(0, 60)),
)


@given(st.lists(Step, max_size=80), st.integers(0, 90))
def test_whoever_may_go_on_gets_everything_that_counts_once_and_in_order(
    steps: list[tuple[object, ...]], at: int
) -> None:
    box = Outbox(most=10, most_bytes=200)
    said: list[tuple[int, bytes, str, bool]] = []
    for step in steps:
        match step:
            case ("put", str(key), bool(final), int(size)):
                kept = box.put(b"x" * size, key=key, final=final or not key)
                said.append((kept.number, kept.frame, kept.key, kept.final))
            case ("ack", int(number)):
                box.ack(number)
            case _:
                raise AssertionError
        assert len(box) <= 10
        assert box.size <= 200
        assert box.size == sum(len(kept.frame) for kept in box._kept)
    try:
        got = [kept.number for kept in box.since(at)]
    except UnknownSession:
        return
    assert got == sorted(set(got))
    lost = [one for one in said if one[0] > at and one[0] not in got]
    for number, _, key, final in lost:
        assert not final, "a message that nothing replaces was lost"
        assert any(later > number and other == key for later, _, other, _ in said)
