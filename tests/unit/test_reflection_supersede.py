"""A new statement takes the place of what it contradicts, and of nothing else."""

import pytest

from voicemind.mind.reflection.supersede import replacement
from voicemind.store.values import Entry

CONTRADICT = [
    ("The user lives in Oslo.", "The user lives in Bergen."),
    ("The user lives in Oslo.", "The user moved to Bergen last month."),
    ("The user moved to Oslo.", "The user now lives in Bergen."),
    ("The user's cat is called Biscuit.", "The user's cat is called Milo."),
    ("The user's name is Ann.", "The user's name is Anna."),
    ("The user is 41 years old.", "The user is 42."),
    ("The user works as a nurse.", "The user works as a teacher now."),
    ("The user works at Google.", "The user quit their job."),
    ("The user works as a nurse.", "The user retired last year."),
    ("The user is married.", "The user is divorced."),
    ("The user's wife is called Ann.", "The user's wife is called Berit."),
    ("The user's favourite colour is blue.", "The user's favourite colour is red."),
    ("The user likes coffee.", "The user hates coffee."),
    ("The user loves hiking.", "The user no longer likes hiking."),
    ("The user does not like fish.", "The user likes fish."),
    ("The user lives in Oslo.", "The user no longer lives in Oslo."),
    ("The user smokes.", "The user quit smoking."),
    ("The user has a cat.", "The user does not have a cat any more."),
    ("The user drinks coffee.", "The user stopped drinking coffee."),
    ("The user does not have a cat.", "The user has a cat."),
    ("The user's son is 3.", "The user's son is 4 years old."),
]

TOGETHER = [
    ("The user lives in Oslo.", "The user lives in Oslo."),
    ("The user lives in Oslo.", "The user moved to Paris in 1999."),
    ("The user lives in Oslo.", "The user's sister lives in Bergen."),
    ("The user's cat is called Biscuit.", "The user's dog is called Rex."),
    ("The user's cat is called Biscuit.", "The user's other cat is called Milo."),
    ("The user likes coffee.", "The user hates tea."),
    ("The user likes coffee.", "The user likes tea."),
    ("The user works as a nurse.", "The user works at a hospital."),
    ("The user has a cat.", "The user has a dog."),
    ("The user works as a nurse.", "The user lives in Oslo."),
    ("The user's name is Ann.", "The user wants to be called Annie."),
    ("The user is married.", "The user is 40."),
    ("The user has a cat.", "The user does not have a dog."),
]


@pytest.mark.parametrize(("old", "new"), CONTRADICT)
def test_the_new_statement_takes_the_place_of_the_old(old: str, new: str) -> None:
    found = replacement(new, [Entry("other", "The user plays the violin."), Entry("old", old)])
    assert found is not None
    assert (found.entry_id, found.text) == ("old", new)
    assert found.reason


@pytest.mark.parametrize(("old", "new"), TOGETHER)
def test_what_can_both_be_true_stays(old: str, new: str) -> None:
    assert replacement(new, [Entry("old", old)]) is None


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("The user's cat is called Biscuit.", "Biscuit died last spring.", "The user's cat Biscuit died last spring."),
        ("The user's cat is called Biscuit.", "The user's cat died.", "The user's cat Biscuit died."),
        ("The user has a dog named Rex.", "The user's dog passed away.", "The user's dog Rex passed away."),
        ("The user's cat is called Biscuit.", "The user's cat Biscuit died.", "The user's cat Biscuit died."),
        ("The user now has a dog, Rollo.", "Rollo has died.", "The user's dog Rollo has died."),
    ],
)
def test_a_death_keeps_the_name_and_its_evidence(old: str, new: str, text: str) -> None:
    found = replacement(new, [Entry("old", old)])
    assert found is not None
    assert (found.text, found.inherits) == (text, True)


def test_the_death_of_one_is_not_the_death_of_another() -> None:
    assert replacement("Biscuit died.", [Entry("old", "The user's dog is called Rex.")]) is None
    assert replacement("The user's dog died.", [Entry("old", "The user's cat is called Biscuit.")]) is None
