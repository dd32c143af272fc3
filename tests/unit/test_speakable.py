"""Written text as it is read aloud, and which characters of the one are which of the other."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.engines.cascade.clauses import ClauseCutter
from voicemind.engines.cascade.heard import SpokenClause, heard_text
from voicemind.engines.cascade.numbers import cardinal, decimal, ordinal, year
from voicemind.engines.cascade.speakable import CODE_NOTE, Reader, Spoken, speakable

SAID = [
    ("**Bold** and `code` and _it_", "Bold and code and it"),
    ("see [here](http://example.com)", "see here"),
    ("![a cat](cat.png) Look", "a cat Look"),
    ("Fine 😀 :)", "Fine"),
    ("😀", ""),
    ("- one\n- two", "one. two"),
    ("# Heading\nText", "Heading. Text"),
    ("Well... I think…", "Well, I think."),
    ("It costs $5.", "It costs five dollars."),
    ("$3.50, €1,200 or £0.99", "three dollars and fifty cents, one thousand two hundred euros or ninety-nine pence"),
    ("$1.5 million", "one point five million dollars"),
    ("50% of 20°C", "fifty percent of twenty degrees Celsius"),
    ("at 3:05 pm or 7:30", "at three oh five P M or seven thirty"),
    ("10:30-11:00 a.m.", "ten thirty to eleven A M"),
    ("in 1999, 2007 and the 1990s", "in nineteen ninety-nine, two thousand seven and the nineteen nineties"),
    ("the 1st, 22nd and 13th", "the first, twenty-second and thirteenth"),
    ("May 3, 2024", "May third, twenty twenty-four"),
    ("on 3 May", "on the third of May"),
    ("2024-05-03", "May third, twenty twenty-four"),
    ("+1 (555) 123-4567", "plus one, five five five, one two three, four five six seven"),
    ("Dr. Smith, e.g. on Main St. or St. Anne", "Doctor Smith, for example on Main Street or Saint Anne"),
    ("the API and NASA", "the A P I and NASA"),
    ("https://www.example.com/a?x=1.", "example dot com."),
    ("anna.b@example.org", "anna dot b at example dot org"),
    ("5 + 3 = 8 & 2 * 3 = 6", "five plus three equals eight and two times three equals six"),
    ("5-10 km or 3.5 kg", "five to ten kilometres or three point five kilograms"),
    ("1 km at 1 km/h", "one kilometre at one kilometre per hour"),
    ("1/2, 3/4, 24/7", "one half, three quarters, twenty-four seven"),
    ("No. 5, #7, 007", "number five, number seven, zero zero seven"),
    ("-5 degrees, B2B", "minus five degrees, B two B"),
    ("1,234,567", "one million two hundred thirty-four thousand five hundred sixty-seven"),
    ("| a | b |\n|---|---|\n| c | d |", "a , b c , d"),
    ("Chapter 3. Then", "Chapter three. Then"),
]


@pytest.mark.parametrize(("written", "said"), SAID)
def test_what_stands_for_words_becomes_words(written: str, said: str) -> None:
    assert speakable(written) == said


def test_other_languages_keep_what_their_voices_read_themselves() -> None:
    assert speakable("**Es kostet** 3,50 € & 20 %", "de") == "Es kostet 3,50 € & 20 %"


def test_code_is_mentioned_and_not_read_however_it_is_cut() -> None:
    reader = Reader("en")
    clauses = ["Here it is:\n", "```python\n", "print(1)\n", "x = 2. ", "y\n```\n", "Done."]

    assert [reader.read(clause).text for clause in clauses] == ["Here it is:", CODE_NOTE, "", "", "", "Done."]


def test_a_written_word_that_is_three_spoken_ones_is_heard_as_a_whole_or_not() -> None:
    text = "It costs $5 today."
    spoken = Reader("en").read(text)
    marks = [(8, 800), (13, 1300), (21, 2100), (27, 2700)]
    clause = SpokenClause(text, 2700, complete=True, spoken=spoken, marks=marks)

    assert spoken.text == "It costs five dollars today."
    assert [heard_text([clause], played) for played in (1000, 1700, 2200, 2600)] == [
        "It costs",
        "It costs $5",
        "It costs $5",
        "It costs $5 today.",
    ]


MESS = st.text(alphabet=st.sampled_from("ab1 0.,:;!?\n$€%°#*_`[]()|/\\-–+=<>@&~'\"😀éAPI…ks²"), max_size=120)


@given(st.one_of(MESS, st.text(max_size=80)), st.sampled_from(["en", "de", ""]))
def test_any_text_is_readable_and_whatever_has_letters_or_digits_says_something(text: str, language: str) -> None:
    spoken = Reader(language).read(text)

    assert spoken.text == " ".join(spoken.text.split()) or "\n" not in spoken.text
    if any(char.isalnum() for char in text) and "```" not in text:
        assert any(char.isalnum() for char in spoken.text)
    places = [spoken.at(at) for at in range(len(text) + 2)]
    assert places == sorted(places)
    assert places[-1] == len(spoken.text)


@given(MESS, st.integers(1, 7), st.booleans())
def test_clauses_are_read_one_by_one_whatever_they_are(text: str, size: int, hurried: bool) -> None:
    cutter, reader = ClauseCutter(), Reader("en")
    starts = range(0, len(text), size)
    clauses = [clause for at in starts for clause in cutter.feed(text[at : at + size], hurried=hurried)]
    clauses.append(cutter.rest())

    for clause in clauses:
        assert isinstance(reader.read(clause), Spoken)
    assert "".join(clauses) == text


@given(st.integers(-(10**17), 10**17))
def test_numbers_are_words_without_digits(number: int) -> None:
    for said in (cardinal(number), decimal(str(abs(number))), ordinal(abs(number))):
        assert said
        assert not any(char.isdigit() for char in said)


@given(st.integers(1000, 2999))
def test_years_differ(number: int) -> None:
    assert year(number) != year(number + 1)


@pytest.mark.parametrize(
    "clause", ["and I will tell you all about it now, ", " and I will. ", "*and* I will tell you 5 times. "]
)
def test_each_word_has_its_own_place_in_what_is_said_also_between_spaces_that_are_not(clause: str) -> None:
    spoken = Reader("").read(clause)
    for word in ("and", "I", "will"):
        written, said = re.search(rf"\b{word}\b", clause), re.search(rf"\b{word}\b", spoken.text)
        assert written
        assert said
        assert (spoken.at(written.start()), spoken.at(written.end())) == said.span()
