"""A telephone number is one person, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.conversation.callers import caller, somebody
from voicemind.conversation.opening import external_id


@pytest.mark.parametrize(
    ("number", "person"),
    [
        ("+15550001234", "+15550001234"),
        ("+1 (555) 000-1234", "+15550001234"),
        ("0015550001234", "+15550001234"),
        ("030 / 123.456", "030123456"),
        ("sip:+15550001234@example.org;transport=tls", "+15550001234"),
        ("<sips:ada@example.org>", "ada"),
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


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.data())
def test_a_number_is_the_same_person_with_separators_anywhere(number: str, data: st.DataObject) -> None:
    between = st.sampled_from(["", "", " ", "-", ".", "(", ")"])
    written = number[0] + "".join(digit + data.draw(between) for digit in number[1:])
    assert caller(written) == caller(number)
    assert caller(f"sip:{number}@example.org") == caller("00" + number[1:]) == caller(number)


@pytest.mark.parametrize(("name", "person"), [("ada", "ada"), (" ada ", "ada"), ("{{user}}", None), ("None", None)])
def test_a_name_is_somebody_unless_it_says_nobody(name: str, person: str | None) -> None:
    assert somebody(name) == person
