"""A telephone number is one person, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.conversation.callers import caller, named, somebody
from voicemind.conversation.opening import external_id


@pytest.mark.parametrize(
    ("number", "person"),
    [
        ("+15550001234", "+15550001234"),
        ("+1 (555) 000-1234", "+15550001234"),
        ("0015550001234", "+15550001234"),
        ("030 / 123.456", "030123456"),
        ("sip:+15550001234@example.org;transport=tls", "+15550001234"),
        ("sip:0015550001234@example.org", "+15550001234"),
        ("<sips:ada@Example.org>", "ada@example.org"),
        ("sip:ada@clinic-a.example;transport=tls", "ada@clinic-a.example"),
        ("sip:1001@clinic-a.example", "1001@clinic-a.example"),
        ("sip:10.0.0.1", "10.0.0.1"),
        ("00123", "00123"),
        ("sip:unknown@carrier.example", None),
        ("sip:anonymous@anonymous.invalid", None),
        ("Anonymous", None),
        ("UNAVAILABLE", None),
        ("+266696687", None),
        ("+7378742833", None),
        ("+8656696", None),
        ("", None),
        (None, None),
        ("\x07", None),
    ],
)
def test_a_number_is_one_person_however_it_is_written(number: str | None, person: str | None) -> None:
    assert caller(number) == person


@given(st.text(max_size=300))
def test_whatever_stands_there_is_a_usable_id_or_nobody(number: str) -> None:
    person = caller(number)
    assert person is None or external_id(person, param="caller_id") == somebody(person) == person


@given(st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True), st.data())
def test_a_number_is_the_same_person_with_separators_anywhere(number: str, data: st.DataObject) -> None:
    between = st.sampled_from(["", "", " ", "-", ".", "(", ")"])
    written = number[0] + "".join(digit + data.draw(between) for digit in number[1:])
    assert caller(written) == caller(number)
    assert caller(f"sip:{number}@example.org") == caller("00" + number[1:]) == caller(number)


@pytest.mark.parametrize(("name", "person"), [("ada", "ada"), (" ada ", "ada"), ("{{user}}", None), ("None", None)])
def test_a_name_is_somebody_unless_it_says_nobody(name: str, person: str | None) -> None:
    assert somebody(name) == person


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("+47 12 34 56 78", "+4712345678"),
        ("0047 12 34 56 78", "+4712345678"),
        ("sip:+4712345678@carrier.example", "+4712345678"),
        ("12-345", "12-345"),
        ("030 / 123.456", "030 / 123.456"),
        ("+1.10", "+1.10"),
        ("00123", "00123"),
        ("0012-3456", "0012-3456"),
        ("+266 696 687", None),
        ("sip:anonymous@anonymous.invalid", None),
        ("Unknown", None),
    ],
)
def test_only_what_is_surely_a_number_is_read_as_one_where_a_name_may_stand(name: str, person: str | None) -> None:
    assert named(name) == person


@given(
    st.lists(
        st.from_regex(r"(sip:[a-z]{1,4}@)?[0-9a-z./()-]{1,9}", fullmatch=True), min_size=2, max_size=2, unique=True
    )
)
def test_two_names_are_two_people(names: list[str]) -> None:
    people = [named(name) for name in names if not name.startswith("00")]
    known = [person for person in people if person is not None]
    assert len(known) == len(set(known))
