"""What a command does about a lost connection: decided without a socket and without a clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.channels.browser import events
from voicemind.cli.answers import ServerEvent
from voicemind.cli.line import Back, Happening, Line, Message, Patience
from voicemind.errors import ProviderUnavailable

READY = events.Ready("s1", "c", "c", "a", "Mara", "text", 16_000, 16_000, secret="x", resumable_for_s=120)
ONE = {"type": "text", "text": "one", "id": "1"}
NOW = 1000.0


def live() -> Line:
    line = Line()
    assert line.connecting(NOW) == "begin"
    assert not line.opened()
    line.take(READY, 1, NOW)
    return line


def cut(line: Line, *, at: float = NOW + 1) -> None:
    assert line.closed(None, at, 0.0) in (0.25, 0.5)
    assert not line.is_live


def resumed(line: Line, missed: int = 0) -> tuple[list[Happening], list[Message]]:
    assert line.connecting(NOW + 2) == "resume"
    happenings, answers = line.take(events.Resumed("s1", "c", missed, "listening"), None, NOW + 2)
    return list(happenings), list(answers)


def test_a_socket_that_is_lost_is_followed_by_one_that_names_the_session_and_the_last_message() -> None:
    line = live()
    line.take(events.State("listening"), 2, NOW)
    cut(line)
    assert line.connecting(NOW + 2) == "resume"
    assert line.opened() == ({"type": "resume", "sessionId": "s1", "secret": "x", "sequence": 2},)


def test_what_was_not_confirmed_is_said_again_and_what_was_is_not() -> None:
    line = live()
    assert line.keep(ONE)
    line.take(events.Transcript("one", final=True, id="1"), 2, NOW)
    cut(line)
    two = ONE | {"id": "2"}
    assert not line.keep(two), "there is nothing that it could be sent with"
    happenings, answers = resumed(line)
    assert happenings[0] == Back(is_renewed=False)
    assert answers == [two]
    line.take(events.Acknowledged("2"), 3, NOW + 2)
    cut(line, at=NOW + 3)
    assert resumed(line)[1] == []


def test_a_request_to_be_silent_waits_for_what_may_have_been_its_answer() -> None:
    line = live()
    line.keep({"type": "interrupt"})
    cut(line)
    assert resumed(line, missed=2)[1] == []
    assert line.take(events.State("speaking"), 2, NOW)[1] == []
    assert line.take(events.State("speaking"), 3, NOW)[1] == [{"type": "interrupt"}]
    line.take(events.Interrupted(1), 4, NOW)
    cut(line)
    assert resumed(line)[1] == []


def test_an_end_that_was_not_confirmed_is_said_again() -> None:
    line = live()
    line.keep({"type": "end"})
    cut(line)
    assert resumed(line)[1] == [{"type": "end"}]


def test_what_arrived_is_acknowledged_after_twenty_messages_and_after_five_seconds() -> None:
    line = live()
    told = [line.take(events.State("listening"), number, NOW)[1] for number in range(2, 22)]
    assert [answer for answers in told for answer in answers] == [{"type": "ack", "sequence": 20}]
    assert line.take(events.State("listening"), 22, NOW + 5)[1] == [{"type": "ack", "sequence": 22}]


@pytest.mark.parametrize("code", [4404, 4001])
def test_a_session_that_the_server_does_not_know_is_followed_by_another_one_at_once(code: int) -> None:
    line = live()
    line.keep(ONE)
    cut(line)
    line.connecting(NOW + 2)
    refused, _ = line.take(events.Error("There is none.", "session_not_found"), None, NOW + 2)
    assert refused == (), "the person is not told of what is mended"
    assert line.closed(code, NOW + 2, 0.0) == 0.0
    assert line.connecting(NOW + 2) == "renew"
    assert line.opened() == ()
    happenings, answers = line.take(READY, 1, NOW + 2)
    assert happenings == (Back(is_renewed=True), READY)
    assert answers == (ONE,)


def test_who_comes_too_late_does_not_ask_to_resume() -> None:
    line = live()
    cut(line)
    assert line.connecting(NOW + 1 + 120) == "renew"


def test_after_a_shutdown_the_conversation_goes_on_and_after_an_end_it_does_not() -> None:
    line = live()
    line.take(events.Complete("c", "shutdown", 3), 2, NOW)
    assert line.take(events.Error("It is over.", "already_ended"), 3, NOW)[0] == ()
    assert line.closed(1000, NOW, 0.0) == 0.25
    line = live()
    line.keep({"type": "end"})
    line.take(events.Complete("c", "shutdown", 3), 2, NOW)
    assert line.closed(1000, NOW, 0.0) is None
    line = live()
    line.take(events.Complete("c", "idle", 3), 2, NOW)
    assert line.closed(1000, NOW, 0.0) is None


@pytest.mark.parametrize("code", [1008, 4000, 4001, 4401, 4404, 4409])
def test_a_live_socket_that_was_meant_to_close_is_not_replaced(code: int) -> None:
    with pytest.raises(ProviderUnavailable):
        live().closed(code, NOW, 0.0)


def test_a_session_that_broke_says_why_and_one_that_was_only_cut_off_is_resumed() -> None:
    line = live()
    line.take(events.Error("The voice is gone.", "provider_unavailable"), 2, NOW)
    with pytest.raises(ProviderUnavailable, match="The voice is gone"):
        line.closed(1011, NOW, 0.0)
    line = live()
    line.take(events.Error("I have to go on in another way.", "engine_changed"), 2, NOW)
    assert line.closed(1011, NOW, 0.0) == 0.25


def test_a_first_socket_that_is_refused_is_not_replaced() -> None:
    line = Line()
    line.connecting(NOW)
    shown, _ = line.take(events.Error("Everybody is still talking.", "at_capacity"), None, NOW)
    assert len(shown) == 1
    with pytest.raises(ProviderUnavailable, match="Everybody is still talking"):
        line.closed(1013, NOW, 0.0)


def test_after_three_minutes_without_a_socket_that_lasts_the_person_is_told_what_to_do() -> None:
    line = live()
    cut(line, at=NOW)
    waits: list[float] = []
    now = NOW
    while now <= NOW + 180:
        line.connecting(now)
        waits.append(line.closed(None, now, 0.5) or 0.0)
        now += waits[-1] + 1
    with pytest.raises(ProviderUnavailable, match=r"3 minutes.*start again"):
        line.closed(None, now, 0.5)
    assert waits[:3] == [0.75, 1.5, 3.0]
    assert max(waits) <= Patience().longest_s


def test_a_socket_that_lasted_makes_the_next_attempts_quick_again() -> None:
    line = live()
    cut(line)
    for _ in range(5):
        line.connecting(NOW + 2)
        line.closed(None, NOW + 2, 0.0)
    resumed(line)
    assert line.closed(None, NOW + 2 + 5, 0.0) == 0.25


def test_only_a_socket_that_follows_another_must_show_quickly_that_it_is_alive() -> None:
    line = Line()
    line.connecting(NOW)
    assert line.silence_s == float("inf")
    line = live()
    cut(line)
    line.connecting(NOW + 2)
    assert line.silence_s == 10
    line.take(events.Queued(1, 0.0), None, NOW + 2)
    assert line.silence_s == float("inf")


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=40))
def test_each_message_is_taken_once_and_in_order_however_often_the_server_says_it(
    steps: list[tuple[int, bool]],
) -> None:
    """The server of this test repeats, after each loss, from anywhere before what the client says it has."""
    line, taken, said = live(), [1], 1
    for back, is_cut in steps:
        said += 1
        first = said
        if is_cut:
            cut_line(line)
            first = max(1, line_last(line) + 1 - back)
        for number in range(first, said + 1):
            event: ServerEvent = events.State(str(number))
            taken += [int(one.state) for one in line.take(event, number, NOW)[0] if isinstance(one, events.State)]
    assert taken == list(range(1, said + 1))


def cut_line(line: Line) -> None:
    line.closed(None, NOW, 0.0)
    line.connecting(NOW)


def line_last(line: Line) -> int:
    (resume,) = line.opened()
    sequence: Any = resume["sequence"]
    line.take(events.Resumed("s1", "c", 0, "listening"), None, NOW)
    return int(sequence)
