"""Cutting a reply into pieces that can be spoken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.engines.cascade.clauses import LONGEST_CLAUSE_CHARS, ClauseCutter, speakable


def cut(text: str, size: int = 3) -> list[str]:
    cutter = ClauseCutter()
    pieces = [clause for start in range(0, len(text), size) for clause in cutter.feed(text[start : start + size])]
    return [*pieces, cutter.rest()]


def test_sentences_are_spoken_one_by_one() -> None:
    assert cut("Good day. How are you? I am well.") == ["Good day. ", "How are you? ", "I am well."]


def test_the_first_piece_ends_at_a_clause_so_that_the_voice_starts_early() -> None:
    text = "That sounds hard, and I would like to hear more about it from you. Go on."
    assert cut(text)[0] == "That sounds hard, "


@pytest.mark.parametrize(
    "text", ["Ask Dr. Meyer about it now.", "It costs 3.50 at most today.", "J. Smith wrote it, e.g. here."]
)
def test_a_dot_inside_a_sentence_does_not_end_it(text: str) -> None:
    assert "".join(cut(text)) == text
    assert not any(piece.rstrip().endswith(("Dr.", "3.", "J.", "e.g.")) for piece in cut(text))


@given(st.text(alphabet=st.sampled_from("ab .,;!?\n:é"), max_size=600), st.integers(1, 9))
def test_the_pieces_joined_are_the_text(text: str, size: int) -> None:
    assert "".join(cut(text, size)) == text


@given(st.text(alphabet=st.sampled_from("ab "), min_size=3 * LONGEST_CLAUSE_CHARS, max_size=2000))
def test_a_sentence_without_end_is_spoken_all_the_same(text: str) -> None:
    cutter = ClauseCutter()
    assert cutter.feed(text)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**Bold** and `code`", "Bold and code"),
        ("see [here](http://example.com)", "see here"),
        ("Fine 😀", "Fine"),
        ("- one\n- two", "one two"),
        ("😀", ""),
    ],
)
def test_markup_is_not_read_aloud(written: str, spoken: str) -> None:
    assert speakable(written) == spoken
