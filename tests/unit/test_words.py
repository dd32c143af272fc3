"""Which words take a turn, and which say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.engines.cascade.words import Assent, plain, same_words


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Yeah, that's right."),
        ("en", "uh huh"),
        ("en-GB", "Oh, I see. Okay."),
        ("de", "Ja, genau."),
        ("de", "Ach so, verstehe"),
        ("fr", "D'accord, oui"),
        ("fr", "c’est ça"),
        ("es", "Sí, claro."),
        ("es", "ajá, de acuerdo"),
        ("fi", "Mm-hmm."),
        ("en", "*coughs*"),
        ("en", ""),
    ],
)
def test_a_listeners_sounds_are_assent(language: str, words: str) -> None:
    assert Assent(language).is_all(words)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "No"),
        ("en", "Stop"),
        ("en", "Wait"),
        ("en", "Yeah, but why?"),
        ("en", "right now"),
        ("en", "yes yes yes yes yes yes"),
        ("de", "Nein"),
        ("de", "Ja, aber warum?"),
        ("fr", "Non, attends"),
        ("es", "No, espera"),
        ("en", "genau"),
        ("fi", "joo"),
    ],
)
def test_words_that_say_something_are_none(language: str, words: str) -> None:
    assert not Assent(language).is_all(words)


def test_the_same_words_may_be_written_differently() -> None:
    assert same_words("who are you", " Who — are YOU?! ")
    assert same_words("It's late", "it’s late.")
    assert not same_words("I live", "I leave")
    assert not same_words("Who are you", "Who are you now")


@given(st.text())
def test_plain_words_stay_plain(text: str) -> None:
    assert plain(plain(text)) == plain(text)
