"""A proposal survives the database, and a person's hands on it stay within what an entry may be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.errors import BadRequest
from voicemind.mind.reflection.contract import Add, Merge, Operation, Remove, Supersede, Update
from voicemind.mind.reflection.grounding import LONGEST_TEXT
from voicemind.mind.reflection.proposal import Decision, decided, decoded, encoded
from voicemind.store.values import Evidence

EVIDENCE = st.lists(st.builds(Evidence, st.text(), st.integers(1, 10**6), st.text()), max_size=3).map(tuple)
TEXT = st.text()
OPERATIONS = st.lists(
    st.one_of(
        st.builds(Add, TEXT, TEXT, EVIDENCE, TEXT, lasting=st.booleans(), cue=TEXT),
        st.builds(Update, TEXT, TEXT, TEXT, EVIDENCE, TEXT),
        st.builds(Supersede, TEXT, TEXT, TEXT, EVIDENCE, TEXT, inherits=st.booleans()),
        st.builds(Remove, TEXT, TEXT, EVIDENCE, TEXT),
        st.builds(Merge, TEXT, st.lists(TEXT, max_size=3).map(tuple), TEXT, TEXT, EVIDENCE),
    ),
    max_size=6,
)
PIECE = (Evidence("talk", 1, "I like tea"),)
ADD = Add("memory", "The user likes tea.", PIECE, "said")
REMOVE = Remove("memory", "old", PIECE, "said")


@given(operations=OPERATIONS)
def test_operations_come_back_from_json_as_they_were(operations: list[Operation]) -> None:
    stored = json.loads(json.dumps(encoded(operations)))
    assert decoded(stored) == tuple(operations)
    assert encoded(decoded(stored)) == encoded(operations)


@pytest.mark.parametrize("row", [{"op": "write"}, {}, {"op": "add", "block": 7}])
def test_what_was_never_encoded_is_refused(row: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError)):
        decoded([row])


def test_a_person_gets_what_they_decided_and_nothing_else() -> None:
    decisions = [Decision("accept"), Decision("reject"), Decision("edit", "The user loves tea.")]
    wanted = decided([REMOVE, ADD, ADD], decisions)
    assert wanted == (REMOVE, Add("memory", "The user loves tea.", PIECE, "said"))


@pytest.mark.parametrize(
    ("operation", "text"),
    [(REMOVE, "x"), (ADD, ""), (ADD, " \n "), (ADD, "\u200b\u202e"), (ADD, "###"), (ADD, "x" * (LONGEST_TEXT + 1))],
)
def test_an_edit_without_a_line_that_can_be_kept_is_refused(operation: Operation, text: str) -> None:
    with pytest.raises(BadRequest):
        decided([operation], [Decision("edit", text)])


def test_a_decision_for_each_operation_is_needed() -> None:
    with pytest.raises(BadRequest):
        decided([ADD], [])
