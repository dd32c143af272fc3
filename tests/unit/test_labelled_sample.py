"""What reflection makes of our own dialogues has been read and labelled by hand, all of it."""

from __future__ import annotations

import anyio
import pytest
from benchmarks.labelled import Extracted, extracted, labels


@pytest.fixture(scope="module")
def entries() -> list[Extracted]:
    return anyio.run(extracted)


def test_every_entry_has_been_read_and_labelled(entries: list[Extracted]) -> None:
    unread = [entry for entry in entries if (entry.talk, entry.text) not in labels()]
    assert unread == [], "read these beside benchmarks/data/dialogues.toml and label them in labels.toml"


def test_no_label_is_left_of_an_entry_that_is_no_longer_made(entries: list[Extracted]) -> None:
    made = {(entry.talk, entry.text) for entry in entries}
    assert [label for label in labels() if label not in made] == []


def test_at_most_two_percent_of_a_hundred_entries_are_not_supported(entries: list[Extracted]) -> None:
    unsupported = [entry for entry in entries if not labels()[entry.talk, entry.text]]
    assert len(entries) >= 100
    assert len(unsupported) <= 0.02 * len(entries)


def test_questions_commands_secrets_and_what_could_be_are_not_among_them(entries: list[Extracted]) -> None:
    texts = "\n".join(entry.text for entry in entries)
    for never in (
        "tulip99",
        "4111",
        "Captain",
        "lottery",
        "a million",
        "Imagine",
        "lived in a crane",
        "quiz me",
        "joke",
    ):
        assert never not in texts
