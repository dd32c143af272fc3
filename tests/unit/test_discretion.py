"""However a reply is cut into pieces, the agent's notes are never recited, and nothing else is touched."""

from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from voicemind.mind.discretion import INSTEAD, RUN, Discreet
from voicemind.mind.reflection.likeness import same_text

WORDS = st.sampled_from(
    ["find", "out", "who", "pays", "Marcus,", "and", "keep", "calm.", "I", "well-known", "–", "said!", "ÉTÉ"]
)
TEXTS = st.lists(WORDS, max_size=30).map(" ".join)
NOTES = "I want to find out who pays Marcus, and I keep calm while I listen."


def let_through(notes: str, pieces: list[str]) -> tuple[str, bool]:
    """What is said in the end, and whether it was cut off."""
    guard = Discreet(notes)
    said = "".join(guard.feed(piece) for piece in pieces)
    return said + guard.rest(), guard.cut


def cut_at(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted({place % (len(text) + 1) for place in places}), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def runs(text: str) -> set[tuple[str, ...]]:
    words = same_text(text).split()
    return {tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1)}


@given(notes=TEXTS, reply=TEXTS, places=st.lists(st.integers(0, 400), max_size=40))
def test_however_a_reply_is_cut_the_same_words_are_let_through(notes: str, reply: str, places: list[int]) -> None:
    assert let_through(notes, cut_at(reply, places)) == let_through(notes, [reply])


@given(notes=TEXTS, reply=TEXTS, places=st.lists(st.integers(0, 400), max_size=40))
def test_no_run_of_the_notes_is_ever_said(notes: str, reply: str, places: list[int]) -> None:
    said, _ = let_through(notes, cut_at(reply, places))
    assert not runs(said.removesuffix(INSTEAD)) & runs(notes)


@given(before=TEXTS, after=TEXTS, places=st.lists(st.integers(0, 400), max_size=40))
def test_a_recital_is_cut_wherever_it_stands(before: str, after: str, places: list[int]) -> None:
    reply = f"{before} {NOTES.upper()} {after}"
    said, cut = let_through(NOTES, cut_at(reply, places))
    assert cut
    assert said.strip()
    assert "MARCUS, AND I" not in said


@given(reply=st.text(), places=st.lists(st.integers(0, 400), max_size=40))
def test_without_a_recital_nothing_is_changed(reply: str, places: list[int]) -> None:
    assume(not runs(reply) & runs(NOTES))
    assert let_through(NOTES, cut_at(reply, places)) == (reply, False)


@given(reply=TEXTS)
def test_without_notes_everything_is_said(reply: str) -> None:
    assert let_through(" … ", [reply]) == (reply, False)


def test_the_words_before_a_recital_are_said() -> None:
    assert let_through(NOTES, ["Good morning. As for me, ", NOTES]) == ("Good morning. As for me, …", True)


def test_dashes_between_the_words_hide_no_recital() -> None:
    assert let_through(NOTES, [NOTES.replace(" ", " – – – ")]) == (INSTEAD, True)


def test_a_word_that_only_begins_like_a_secret_one_is_no_recital() -> None:
    reply = "I want to find out whoever did it."
    assert let_through("I want to find out who", list(reply)) == (reply, False)


def test_a_recital_from_the_first_word_on_is_declined() -> None:
    assert let_through(NOTES, list(NOTES)) == (INSTEAD, True)
