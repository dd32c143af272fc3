"""Which phonemes are which words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicemind.speech.tts.phonemes import LONGEST_CHARS, Place, places

ALONE = {"of": "ʌv", "the": "ðə", "king": "kˈɪŋ", "42": "fˈɔːɹɾi tˈuː", "he": "hiː", "ran.": "ɹˈæn.", "up.": "ˈʌp."}


def test_words_that_are_said_as_one_are_told_apart() -> None:
    found = places("king of the king", [list("kˈɪŋ ʌvðə kˈɪŋ")], ALONE.__getitem__)

    assert found == [
        [Place(0, 0), Place(4, 4), Place(5, 5), Place(7, 7), Place(8, 7), Place(11, 9), Place(12, 10), Place(16, 14)]
    ]


def test_a_number_is_one_word_however_many_it_is_said_in() -> None:
    found = places("he 42 king", [list("hiː fˈɔːɹɾi tˈuː kˈɪŋ")], ALONE.__getitem__)

    assert [place.chars for place in found[0]] == [0, 2, 3, 5, 6, 10]
    assert found[0][3].phonemes == len("hiː fˈɔːɹɾi tˈu")


def test_each_word_is_found_in_its_own_sentence() -> None:
    found = places("he ran. king up.", [list("hiː ɹˈæn."), list("kˈɪŋ ˈʌp.")], ALONE.__getitem__)

    assert [[place.chars for place in sentence] for sentence in found] == [[0, 2, 3, 7], [8, 12, 13, 16]]


def test_a_text_that_is_too_long_to_align_has_no_places() -> None:
    assert places("x" * (LONGEST_CHARS + 1), [["x"]], str) == [[]]


@given(st.text("ab ,.", max_size=60), st.lists(st.text("abc ,ˈ", max_size=30), min_size=1, max_size=4))
def test_places_rise_and_lie_within_text_and_phonemes(text: str, sentences: list[str]) -> None:
    found = places(text, sentences, str)

    for sentence, here in zip(sentences, found, strict=True):
        assert all(0 <= place.chars <= len(text) and 0 <= place.phonemes <= len(sentence) for place in here)
    chars = [place.chars for here in found for place in here]
    assert chars == sorted(chars)
