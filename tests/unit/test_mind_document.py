"""A mind's file is read and written without losing a byte; what is no such file is refused by line."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.errors import BadRequest
from voicemind.mind.agent_files import load_agents
from voicemind.mind.document import markdown, parsed
from voicemind.mind.letta import parsed as parsed_letta
from voicemind.store.values import ArchivedEntry, Entry, Evidence, MindVersion

AGENT = load_agents()["counsellor"]
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ANY = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
ENTRY = st.builds(
    Entry,
    id=st.uuids().map(str),
    text=ANY.filter(lambda text: bool(text.strip())),
    evidence=st.lists(st.builds(Evidence, ANY, st.integers(1, 999), ANY), max_size=3).map(tuple),
    origins=st.lists(st.uuids().map(str), max_size=2).map(tuple),
    at=st.none() | st.just(NOON),
    cue=st.just("") | ANY,
)
ENTRIES = st.lists(ENTRY, max_size=5).map(tuple)


def version(memory: tuple[Entry, ...], plan: tuple[Entry, ...]) -> MindVersion:
    blocks = {"patient_memory": memory, "treatment_plan": plan}
    return MindVersion(AGENT.mind_key("t", "anna"), 3, "person", NOON, blocks)


@given(ENTRIES, ENTRIES, ENTRIES)
def test_a_file_read_and_written_again_is_the_same_file(
    memory: tuple[Entry, ...], plan: tuple[Entry, ...], archive: tuple[Entry, ...]
) -> None:
    put_away = [ArchivedEntry(entry, "patient_memory") for entry in archive]
    text = markdown(AGENT, version(memory, plan), put_away)
    document = parsed(text)
    assert document.blocks == {"patient_memory": memory, "treatment_plan": plan}
    assert (document.agent, document.user_id) == ("counsellor", "anna")
    again = [ArchivedEntry(entry, "patient_memory") for entry in document.archive.get("patient_memory", ())]
    assert markdown(AGENT, version(document.blocks["patient_memory"], document.blocks["treatment_plan"]), again) == text


def test_a_file_reads_like_a_page() -> None:
    entry = Entry(
        "e1", "The user's cat is called Biscuit.", (Evidence("talk", 1, "My cat is called Biscuit"),), at=NOON
    )
    assert markdown(AGENT, version((entry,), ()), ()) == (
        '---\nvoicemind: "mind/1"\nagent: "counsellor"\nuser: "anna"\n---\n'
        "\n## treatment_plan\n\n## patient_memory\n\n- The user's cat is called Biscuit.\n  - id: e1\n  - at: 2026-05-04T12:00:00+00:00\n"
        '  - from: "talk" turn 1 "My cat is called Biscuit"\n'
    )


def test_lines_that_a_person_writes_by_hand_become_entries_with_ids_of_their_own() -> None:
    document = parsed('---\nvoicemind: "mind/1"\n---\n# Notes\n\n## patient_memory\n- Likes tea.\n- Has a dog.\n')
    first, second = document.blocks["patient_memory"]
    assert (first.text, second.text) == ("Likes tea.", "Has a dog.")
    assert first.id != second.id


HEAD = '---\nvoicemind: "mind/1"\n---\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "Line 1"),
        ("# A page", "Line 1"),
        ('---\nvoicemind: "mind/1"', "Line 1"),
        ('---\nvoicemind: "mind/9"\n---\n', "Line 3"),
        ("---\nvoicemind: mind/1\n---\n", "Line 2"),
        (HEAD + "- no block yet\n", "Line 4"),
        (HEAD + "## memory\nprose\n", "Line 5"),
        (HEAD + "## memory\n- x\n  - mood: good\n", "Line 6"),
        (HEAD + "## memory\n- x\n  - from: talk turn 1\n", "Line 6"),
        (HEAD + "## memory\n- x\n  - at: yesterday\n", "Line 6"),
        (HEAD + '## memory\n- "unfinished\n', "Line 5"),
        (HEAD + "## memory\n- " + "x" * 5000 + "\n", "Line 5"),
    ],
)
def test_what_is_no_such_file_is_refused_by_line(text: str, line: str) -> None:
    with pytest.raises(BadRequest, match=line):
        parsed(text)


def test_an_entry_cannot_stand_in_a_file_twice() -> None:
    with pytest.raises(BadRequest, match="e1"):
        parsed(HEAD + "## memory\n- x\n  - id: e1\n- y\n  - id: e1\n")


@given(st.text(max_size=300))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    for source in (text, HEAD + text):
        try:
            parsed(source)
        except BadRequest:
            continue


LETTA = b"""{"agents": [{"name": "Sam", "block_ids": ["b2", "b1"]}], "blocks": [
  {"id": "b1", "label": "human", "value": "Name: Anna. Likes tea.\\nHas a cat.", "limit": 5000},
  {"id": "b2", "label": "persona", "value": "I am Sam."}, {"id": "b3", "label": "human", "value": "Somebody else."}]}"""


def test_an_agent_file_of_lettas_is_taken_over_where_it_maps() -> None:
    document = parsed_letta(LETTA, AGENT)
    assert [entry.text for entry in document.blocks["patient_memory"]] == ["Name: Anna.", "Likes tea.", "Has a cat."]
    assert document.notes == 'Not taken over from the agent file: "persona".'


def test_an_older_agent_file_maps_too() -> None:
    document = parsed_letta(b'{"core_memory": [{"label": "treatment_plan", "value": "Breathe."}]}', AGENT)
    assert [entry.text for entry in document.blocks["treatment_plan"]] == ["Breathe."]


@pytest.mark.parametrize("source", [b"", b"[]", b"{}", b'{"blocks": [{"value": 1}]}', b"\xff", b"[" * 100_000])
def test_what_is_no_agent_file_is_refused(source: bytes) -> None:
    with pytest.raises(BadRequest):
        parsed_letta(source, AGENT)


@pytest.mark.parametrize(
    "body",
    [
        "".join(f"## block{number}\n" for number in range(100_000)),
        "## memory\n- x\n" + '  - from: "a" turn 1 "b"\n' * 100_000,
        "## memory\n" + "- x\n" * 100_000,
        f"## {'x' * 1_000_000}\n- y\n",
    ],
    ids=["blocks", "evidence", "entries", "label"],
)
def test_a_file_that_is_too_much_is_refused_at_once_and_in_few_words(body: str) -> None:
    began = time.process_time()
    with pytest.raises(BadRequest) as refused:
        parsed(HEAD + body)
    assert time.process_time() - began < 3
    assert len(str(refused.value)) < 300
