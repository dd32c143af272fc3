"""Which ids a person can be called by."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.mind import names
from voicemind.mind.names import LONGEST_NAME, called


def test_the_examples_are_right() -> None:
    assert doctest.testmod(names) == doctest.TestResults(failed=0, attempted=1)


@pytest.mark.parametrize("name", ["anna", "J.R.R. Tolkien", "José María", "हिन्दी", "O’Neill", "Dr. Who", "李小龙"])
def test_a_name_stays_as_it_is(name: str) -> None:
    assert called(name) == name


@pytest.mark.parametrize(
    "identity",
    [
        "anna@example.org",
        "example.org",
        "4c7f0e7e-9f0f-4a39-a86a-3c7f0d6b2f11",
        "auth0|5f7c8ec7c33c6c004bbafe82",
        "ada/lovelace",
        "user_name",
        "+49 170 1234567",
        "https://example.org",
        "my name is whatever you want it to be",
        "a" * (LONGEST_NAME + 1),
        "🐈",
        ".",
        "",
    ],
)
def test_an_id_that_is_no_name_is_not_told(identity: str) -> None:
    assert len(called(identity)) == 6
    assert called(identity) != called(f"{identity}x")


@given(st.text(max_size=60))
def test_whoever_comes_back_is_called_the_same(identity: str) -> None:
    assert called(identity) == called(identity)
    assert len(called(identity)) <= LONGEST_NAME
