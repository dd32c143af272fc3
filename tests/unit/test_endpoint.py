"""How much silence ends a turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.engines.cascade.endpoint import Endpoint, EndpointLimits

LIMITS = EndpointLimits()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "I live in Oslo."),
        ("en", "What is it for?"),
        ("en", "Do you know what I mean?"),
        ("en", "Yes"),
        ("en", "okay"),
        ("de", "Ich wohne in Berlin."),
        ("fr", "Où est-ce qu'on va ?"),
        ("es", "¿Cómo te llamas?"),
        ("ja", "お元気ですか？"),
    ],
)
def test_what_sounds_over_needs_the_shortest_silence(language: str, words: str) -> None:
    assert Endpoint(language).silence_ms(words) == LIMITS.over_ms


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "I went to the shop and"),
        ("en", "I went to the."),
        ("en", "I cannot, because"),
        ("en", "First of all,"),
        ("en", "I think, um"),
        ("en", "My number is zero seven nine"),
        ("en", "My number is 079 555 12."),
        ("en", "She is with"),
        ("de", "Ich wollte nur sagen, dass"),
        ("de", "Das ist der"),
        ("fr", "Je voudrais le"),
        ("es", "Quiero que"),
    ],
)
def test_what_cannot_be_over_is_waited_for_longest(language: str, words: str) -> None:
    assert Endpoint(language).silence_ms(words) == LIMITS.unfinished_ms


@pytest.mark.parametrize("words", ["", "I live in Oslo", "That is what it was for", "I am forty two"])
def test_words_that_tell_nothing_are_given_the_middle(words: str) -> None:
    expected = LIMITS.unfinished_ms if words.endswith("for") else LIMITS.unknown_ms
    assert Endpoint("en").silence_ms(words) == expected


def test_in_a_language_without_lists_punctuation_alone_counts() -> None:
    endpoint = Endpoint("tlh")
    assert endpoint.silence_ms("nuqneH") == LIMITS.unknown_ms
    assert endpoint.silence_ms("nuqneH,") == LIMITS.unfinished_ms
    assert endpoint.silence_ms("nuqneH?") == LIMITS.over_ms


def test_who_pauses_long_within_a_turn_is_given_longer() -> None:
    endpoint = Endpoint("en")
    for _ in range(3):
        endpoint.paused(600)
    assert endpoint.silence_ms("I live in Oslo") == 750
    assert endpoint.silence_ms("I live in Oslo.") == 360


def test_who_hardly_pauses_is_not_cut_off_sooner_than_anybody() -> None:
    endpoint = Endpoint("en")
    for _ in range(30):
        endpoint.paused(100)
    assert endpoint.silence_ms("I live in Oslo") == LIMITS.unknown_ms


def test_two_long_pauses_are_no_habit_and_old_ones_are_forgotten() -> None:
    endpoint = Endpoint("en")
    endpoint.paused(700)
    endpoint.paused(700)
    assert endpoint.habit_ms == 0
    for _ in range(20):
        endpoint.paused(150)
    assert endpoint.habit_ms == 150


def test_the_melody_advises_and_does_not_decide() -> None:
    endpoint = Endpoint("en")
    assert endpoint.silence_ms("I live in Oslo", finished=1.0) == 350
    assert endpoint.silence_ms("I live in Oslo", finished=0.0) == 650
    assert endpoint.silence_ms("I live in the", finished=1.0) == 650
    assert endpoint.silence_ms("I live in Oslo.", finished=1.0) == LIMITS.over_ms


@given(
    st.text(max_size=80),
    st.one_of(st.none(), st.floats(0, 1)),
    st.lists(st.integers(0, 5000), max_size=30),
    st.sampled_from(["en", "de-CH", "fr", "es", "xx", ""]),
)
def test_the_silence_is_never_shorter_or_longer_than_the_limits(
    text: str, finished: float | None, pauses: list[int], language: str
) -> None:
    endpoint = Endpoint(language)
    for ms in pauses:
        endpoint.paused(ms)
    assert LIMITS.over_ms <= endpoint.silence_ms(text, finished=finished) <= LIMITS.unfinished_ms
