"""Text becomes pieces of words as the original BERT tokeniser makes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.embedding.wordpiece import WordPieces, words

VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "run", "##ning", "cafe", ",", "'", "s", "京")
PIECES = WordPieces(VOCABULARY)


def pieces(text: str, *, limit: int = 20) -> list[str]:
    return [VOCABULARY[number] for number in PIECES.ids(text, limit=limit)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unaffable", ["un", "##aff", "##able"]),
        ("Running, CAFÉ's", ["run", "##ning", ",", "cafe", "'", "s"]),
        ("unknown", ["[UNK]"]),
        ("run" + "x" * 100, ["[UNK]"]),
        ("北京", ["[UNK]", "京"]),
        ("ru\u200bn\tcafe\u0301", ["run", "cafe"]),
        ("", []),
    ],
)
def test_a_word_is_its_longest_pieces(text: str, expected: list[str]) -> None:
    assert pieces(text) == ["[CLS]", *expected, "[SEP]"]


def test_a_long_text_is_cut_and_still_closed() -> None:
    assert pieces("run " * 50, limit=6) == ["[CLS]", "run", "run", "run", "run", "[SEP]"]


@given(st.text(max_size=200), st.integers(min_value=2, max_value=40))
def test_any_text_has_a_first_and_a_last_mark_and_keeps_the_limit(text: str, limit: int) -> None:
    found = pieces(text, limit=limit)
    assert found[0] == "[CLS]"
    assert found[-1] == "[SEP]"
    assert len(found) <= limit


@given(st.text(max_size=200))
def test_no_word_is_empty_or_holds_white_space(text: str) -> None:
    assert all(word and not any(letter.isspace() for letter in word) for word in words(text))


@given(st.text(st.characters(codec="ascii"), max_size=200))
def test_plain_letters_have_the_same_words_as_among_others(text: str) -> None:
    assert [*words(text), "北"] == list(words(f"{text} 北"))
