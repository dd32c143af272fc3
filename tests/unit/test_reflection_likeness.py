"""Near duplicates are found by their words, and what differs in a name, a number or a "not" never is one."""

import pytest

from voicemind.mind.reflection.likeness import say_the_same

SAME = [
    ("The user lives in Oslo.", "The user is living in Oslo now."),
    ("The user's cat is called Biscuit.", "The user has a cat named Biscuit."),
    ("The user likes green tea.", "The user really likes green tea!"),
    ("The user works as a nurse.", "The user works as a nurse."),
    ("The user plays the piano.", "the user plays the Piano"),
    ("The user's sister is called Anna.", "The user has a sister called Anna."),
    ("The user is allergic to peanuts.", "The user is also allergic to peanuts."),
    ("The user enjoys long walks in the forest.", "The user enjoys long walks in forests."),
]
DIFFERENT = [
    ("The user lives in Oslo.", "The user lives in Bergen."),
    ("The user likes tea.", "The user does not like tea."),
    ("The user likes tea.", "The user doesn't like tea."),
    ("The user has 2 cats.", "The user has 3 cats."),
    ("The user's cat is called Biscuit.", "The user's dog is called Biscuit."),
    ("The user's sister is called Anna.", "The user's sister is called Emma."),
    ("The user no longer smokes.", "The user smokes."),
    ("The user has a son.", "The user has a daughter."),
    ("The user was born in 1980.", "The user was born in 1981."),
    ("The user works at a bank.", "The user robbed a bank."),
    ("The user's brother lives in Rome.", "The user's mother lives in Rome."),
    ("The user stopped drinking coffee.", "The user drinks coffee."),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_in_other_words_is_a_duplicate(one: str, other: str) -> None:
    assert say_the_same(one, other)
    assert say_the_same(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_a_small_difference_that_matters_makes_another_statement(one: str, other: str) -> None:
    assert not say_the_same(one, other)
    assert not say_the_same(other, one)
