"""How much may come from one client."""

from voicemind.channels.browser.guard import Guard, Limits
from voicemind.errors import TooFast

SECOND = 32_000
"""Bytes of a second of sound."""


def test_sound_at_two_and_a_half_times_its_speed_is_welcome_for_ever() -> None:
    guard = Guard(Limits())
    for tick in range(60 * 50):
        guard.came(tick / 50, int(SECOND / 50 * 2.5))


def test_sound_at_four_times_its_speed_is_not() -> None:
    guard = Guard(Limits())
    assert refused(guard, [(tick / 50, SECOND // 50 * 4) for tick in range(251)]) > 0


def test_a_client_that_was_cut_off_for_ten_seconds_may_catch_up() -> None:
    guard = Guard(Limits())
    for _ in range(500):
        guard.came(100.0, SECOND // 50)


def test_two_hundred_messages_a_second_are_welcome_and_three_hundred_are_not() -> None:
    guard = Guard(Limits())
    for tick in range(2000):
        guard.came(tick / 200)
    assert refused(guard, [(100 + tick / 300, 0) for tick in range(3000)]) > 0


def test_ten_mistakes_in_ten_seconds_are_too_many_and_nine_are_not() -> None:
    guard = Guard(Limits())
    assert not any(guard.too_many_mistakes(number * 1.12) for number in range(40))
    guard = Guard(Limits())
    assert [guard.too_many_mistakes(number * 1.1) for number in range(10)] == [False] * 9 + [True]


def refused(guard: Guard, came: list[tuple[float, int]]) -> int:
    """How many of these messages were too fast."""
    count = 0
    for moment, size in came:
        try:
            guard.came(moment, size)
        except TooFast:
            count += 1
    return count
