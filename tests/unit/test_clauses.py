"""Cutting a reply into pieces that can be spoken."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.engines.cascade.clauses import LONGEST_CLAUSE_CHARS, SEEN_CHARS, ClauseCutter


def cut(text: str, size: int = 3, *, hurried: bool = False) -> list[str]:
    cutter = ClauseCutter()
    starts = range(0, len(text), size)
    pieces = [clause for start in starts for clause in cutter.feed(text[start : start + size], hurried=hurried)]
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


SAYINGS = [
    "It was on May 3, 2024, at 5 p.m. or so, and it cost $5 million, or 3.5 million euros, I think.",
    "See https://example.com/a,b/c?d=1. Then write to a.b@example.org, or call 555 123 4567 today.",
    "Mr. J. Smith vs. Dr. Who, etc. and No. 5 of 10 km: that is all, e.g. for now.",
    "He said [look at this, my dear friend](http://example.com/x) and went away without a word of it.",
]


@pytest.mark.parametrize("text", SAYINGS)
@pytest.mark.parametrize("hurried", [True, False])
@pytest.mark.parametrize("size", [1, 3, 50])
def test_what_is_one_thing_to_say_stays_in_one_piece(text: str, size: int, *, hurried: bool) -> None:
    pieces = cut(text, size, hurried=hurried)

    assert "".join(pieces) == text
    for whole in (
        "May 3, 2024",
        "5 p.m.",
        "$5 million",
        "3.5 million",
        "https://example.com/a,b/c?d=1",
        "a.b@example.org",
        "Mr. J. Smith",
    ):
        assert whole not in text or any(whole in piece for piece in pieces), pieces
    for whole in (
        "Dr. Who",
        "No. 5",
        "10 km",
        "e.g. for",
        "[look at this, my dear friend](http://example.com/x)",
        "555 123 4567",
    ):
        assert whole not in text or any(whole in piece for piece in pieces), pieces


def test_a_hurried_piece_ends_before_the_next_phrase() -> None:
    text = "I think you should talk to her before the weekend and tell her what you need from her visit."

    assert cut(text, hurried=True)[0] == "I think you should talk "
    assert "".join(cut(text)) == cut(text)[0] == text


def test_a_hurried_piece_never_ends_with_a_word_that_leans_on_the_next() -> None:
    pieces = cut(
        "The big old house of my dear grandmother is a place of the most wonderful and the strangest things",
        hurried=True,
    )

    assert len(pieces) > 2
    assert not any(piece.split()[-1] in {"the", "of", "my", "a", "is", "and"} for piece in pieces[:-1])


def test_pieces_grow_so_that_each_one_s_sound_gives_time_to_make_the_next() -> None:
    text = ", ".join(["one word and another"] * 40) + "."

    lengths = [len(piece) for piece in cut(text)]

    assert lengths[0] < 30 < lengths[1] < 80 < lengths[2] < 150 < lengths[3]


def test_the_items_of_a_list_keep_their_numbers() -> None:
    assert cut("1. Wake up.\n2. Go out.\n") == ["1. Wake up.\n", "2. Go out.\n", ""]


@given(st.text(max_size=400), st.integers(1, 9), st.booleans())
def test_any_text_survives_the_cutting(text: str, size: int, hurried: bool) -> None:
    assert "".join(cut(text, size, hurried=hurried)) == text


@given(
    st.lists(st.sampled_from(["Mr. ", "5, ", "a", " ", "\n", "[b", "...", ". ", "so it goes, "]), min_size=5).map(
        "".join
    )
)
def test_a_text_that_comes_all_at_once_loses_nothing_however_long(unit: str) -> None:
    text = unit * (3 * SEEN_CHARS // len(unit) + 1)

    pieces = cut(text, len(text))

    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= SEEN_CHARS


def cpu_s(text: str) -> float:
    """The least of three times that one big piece of text takes."""
    times: list[float] = []
    for _ in range(3):
        began_s = time.thread_time()
        ClauseCutter().feed(text)
        times.append(time.thread_time() - began_s)
    return min(times)


@pytest.mark.parametrize("unit", ["Mr. ", "5, ", "[a ", "...", " ", "No. 5 "])
def test_the_work_for_a_text_grows_no_faster_than_its_length(unit: str) -> None:
    short = unit * 1000

    assert cpu_s(short * 4) < 8 * cpu_s(short), "4 is linear, 16 quadratic"
