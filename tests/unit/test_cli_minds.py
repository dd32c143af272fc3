"""How minds, reflections and receipts look in a terminal, and what a person's answers mean."""

from __future__ import annotations

import doctest
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import ModuleType

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from voicemind.cli import asked as what_is_asked
from voicemind.cli import mind_pages, record_pages, rest, rest_records, screen
from voicemind.cli.app import app
from voicemind.cli.asked import Decision, Decisions, Manner
from voicemind.cli.asking import agreed
from voicemind.cli.mind_pages import show_change, show_diff, show_mind
from voicemind.cli.people import rests_on
from voicemind.cli.record_pages import show_receipt, show_transcript
from voicemind.cli.reflections import asked
from voicemind.cli.rest import part
from voicemind.cli.rest_records import (
    BlockDiff,
    Change,
    Conversation,
    Entry,
    Evidence,
    Mind,
    MindBlock,
    Receipt,
    Reflection,
    Transcript,
    Turn,
    entry_named,
)
from voicemind.cli.screen import plain, rows
from voicemind.errors import BadRequest

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SAID = Evidence("talk-1", 3, "I have a cat", "speech", NOON)
CAT = Entry("0199aaaa-0000-7000-8000-00001234abcd", "Has a cat.", [SAID], from_speech=True, version=2)
ADDED = Change("add", "memory", [], "Has a cat.", "the person said so", [SAID])
REMOVED = Change("remove", "memory", ["Has a dog."], None)
WAITING = Reflection("talk-1", "scribe", "ada", "review", 1, None, None, "", "", NOON, [ADDED, REMOVED])
GROUPS = ("minds", "reflections", "users", "conversations", "meetings")


def typing(*lines: str) -> Callable[[], Awaitable[str | None]]:
    """A person who types these lines and then leaves."""
    left = iter(lines)

    async def line() -> str | None:
        await anyio.lowlevel.checkpoint()
        return next(left, None)

    return line


def test_a_line_of_a_mind_stands_with_what_it_rests_on(capsys: pytest.CaptureFixture[str]) -> None:
    block = MindBlock(
        "memory", "What you remember", "user", reflects=True, limit=600, entries=[CAT, Entry("x", "Kind.")]
    )
    show_mind(Mind("scribe", "ada", 2, 1, "reflection", NOON, "", "talk-1", None, [block]))

    page = capsys.readouterr().out.splitlines()
    assert page[0].startswith("scribe with ada: version 2, by reflection")
    assert page[2:4] == ["What you remember [memory], 2 lines", "- Has a cat.  [1234abcd]"]
    assert page[4].startswith("    talk-1, turn 3, spoken")
    assert page[4].endswith("“I have a cat”")
    assert page[5:] == ["    since version 2", "- Kind.  [x]", "    nobody said it: it was written"]


def test_a_change_says_what_came_what_went_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    show_change(Change("supersede", "memory", ["Has a cat."], "Had a cat.", "it died"))
    show_change(REMOVED)
    show_change(Change("remove", "memory", [], None))

    assert capsys.readouterr().out.splitlines() == [
        "~ replaced in memory: Had a cat.",
        "    before: Has a cat.",
        "    why: it died",
        "- removed from memory: Has a dog.",
        "- removed from memory: [erased]",
    ]


def test_a_diff_shows_lines_without_its_machinery(capsys: pytest.CaptureFixture[str]) -> None:
    show_diff([BlockDiff("memory", "--- version 1\n+++ version 2\n@@ -1 +1 @@\n-Has a cat.\n+Had a cat.\n")])

    assert capsys.readouterr().out.splitlines() == ["[memory]", "-Has a cat.", "+Had a cat."]


def test_what_was_heard_is_shown_where_it_is_less_than_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    talk = Conversation(
        "t",
        "scribe",
        "ada",
        anonymous=False,
        channel="voice",
        status="reflected",
        created_at=NOON,
        ended_at=NOON,
        meeting_id=None,
        intent_notes="",
        turns=2,
    )
    turns = [
        Turn(1, "user", "Hello\nthere", "Hello\nthere", interrupted=False, modality="speech", created_at=NOON),
        Turn(2, "agent", "I am here.", "I am", interrupted=True, modality="speech", created_at=NOON),
    ]
    show_transcript(Transcript(talk, turns))

    assert capsys.readouterr().out.splitlines()[1:] == [
        "1 ada › Hello",
        "there",
        "2 scribe › I am here.",
        "    heard: I am",
    ]


def test_a_receipt_says_numbers_and_whether_the_bytes_are_gone(capsys: pytest.CaptureFixture[str]) -> None:
    show_receipt(Receipt("r1", {"conversations": 1, "evidence": 3, "users": 0, "tapes": 2}, scrubbed=False))

    seen = capsys.readouterr()
    assert seen.out.splitlines()[0] == "Erased: 1 conversation, 3 pieces of evidence and 2 tapes."
    assert "Single bytes" in seen.err


def test_a_row_is_one_line_where_a_program_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    rows(("id", "text"), [("0199" * 30, "[bold] " * 30)])

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "[bold] [bold]" in lines[1]


@given(st.text())
def test_nothing_that_was_said_steers_the_terminal(text: str) -> None:
    assert all(sign.isprintable() or sign in "\n\t" for sign in plain(text))
    if text.isprintable():
        assert plain(text) == text


@given(st.text(min_size=1))
def test_an_id_is_one_part_of_an_address(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert not set(part(text)) & set("/?#")
    assert part(text).strip(".")


@pytest.mark.parametrize("ending", ["1234abcd", CAT.id])
def test_an_entry_is_known_by_its_id_or_how_that_ends(ending: str) -> None:
    assert entry_named([Entry("0199bbbb", "Other."), CAT], ending) is CAT


@pytest.mark.parametrize("ending", ["bcd", "abcd", "zzzz", ""])
def test_an_ending_that_is_too_short_or_not_the_only_one_is_refused(ending: str) -> None:
    with pytest.raises(BadRequest, match="minds show"):
        entry_named([Entry("0199-9999abcd", "Other."), CAT], ending)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("lines", "decisions"),
    [
        (["a", "r"], [Decision("accept"), Decision("reject")]),
        (["x", "e", "", "e", "Had a cat.", "a"], [Decision("edit", "Had a cat."), Decision("accept")]),
        (["a", "e", "reject"], [Decision("accept"), Decision("reject")]),  # a removal has no words to edit
        (["a", "q"], None),
        (["a"], None),
    ],
)
async def test_each_change_is_decided_on_by_a_letter(lines: list[str], decisions: list[Decision] | None) -> None:
    with anyio.fail_after(30):
        assert await asked(WAITING, typing(*lines)) == decisions


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("lines", "yes"), [(["y"], True), (["Yes "], True), (["n"], False), ([""], False), ([], False)]
)
async def test_only_a_yes_is_a_yes(lines: list[str], yes: bool) -> None:
    with anyio.fail_after(30):
        assert await agreed("Erase?", typing(*lines)) is yes


def test_a_script_decides_for_every_change_or_is_refused() -> None:
    each = tuple(map(Decision.parsed, ("accept", "edit= Had a cat. ")))

    assert Decisions(each=each).for_all(2) == [Decision("accept"), Decision("edit", "Had a cat.")]
    assert Decisions("reject").for_all(2) == [Decision("reject")] * 2
    assert Decisions().for_all(2) is None
    with pytest.raises(BadRequest, match="3 changes"):
        Decisions(each=each).for_all(3)


@pytest.mark.parametrize("word", ["edit", "edit= ", "yes", "accept=", ""])
def test_a_word_that_is_no_decision_is_refused(word: str) -> None:
    with pytest.raises(BadRequest, match="edit=TEXT"):
        Decision.parsed(word)


def test_only_a_named_version_is_a_condition() -> None:
    assert Manner().headers == {}
    assert Manner(if_version=3).headers == {"If-Match": '"v3"'}


def test_a_line_rests_on_a_conversation_alone_or_on_others_too() -> None:
    other = Evidence("talk-2", 1, "My cat")

    assert rests_on(CAT, "talk-1")
    assert not rests_on(Entry("x", "Has a cat.", [SAID, other]), "talk-1")
    assert not rests_on(Entry("x", "Kind."), "talk-1")


@pytest.mark.parametrize("group", GROUPS)
def test_help_teaches_by_examples(group: str) -> None:
    page = CliRunner().invoke(app, [group, "--help"]).output

    assert f"Examples:\n    voicemind {group} " in page


@pytest.mark.parametrize(
    "arguments",
    [
        ["minds", "restore", "thalia"],
        ["minds", "diff", "thalia", "0"],
        ["reflections", "list", "--status", "lost"],
        ["reflections", "review", "--accept-all", "--reject-all"],
        ["reflections", "review", "--decide", "accept"],
        ["users", "erase"],
        ["conversations", "export", "talk", "--format", "pdf"],
        ["meetings", "prepare", "thalia"],
    ],
)
def test_a_command_that_lacks_something_says_how_it_is_used(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)

    assert done.exit_code == 2
    assert "Usage: " in done.output


@pytest.mark.parametrize("module", [what_is_asked, mind_pages, record_pages, rest, rest_records, screen])
def test_the_examples_in_the_code_are_true(module: ModuleType) -> None:
    found = doctest.testmod(module)

    assert found.attempted
    assert not found.failed
