"""What counts as an answer in the benchmark of completions."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from benchmarks.completions_load import Round
from benchmarks.completions_servers import whole_answers
from benchmarks.completions_upstream import words
from tests import templates

AT = "2026-11-01T00:00:00.000000+00:00"


@pytest.mark.parametrize(("stored", "errors", "differing"), [(3, 0, 0), (2, 0, 1), (4, 0, 1), (4, 1, 0), (0, 2, 3)])
def test_an_answer_that_is_not_stored_is_an_error_and_its_round_does_not_count(
    stored: int, errors: int, differing: int
) -> None:
    found = Round(spent_s=1.0, first_ms=[1.0, 1.1, 1.2], errors=errors)
    found.compare(stored)
    assert found.errors == errors + differing
    assert bool(found.problems()) == bool(differing)


def test_an_apology_a_cut_answer_and_a_question_are_no_whole_answers(tmp_path: Path) -> None:
    file, answer = tmp_path / "voicemind.db", "".join(words(16))
    templates.place(f"sqlite:///{file}")
    said = [
        ("user", "Say 16 words.", "Say 16 words.", 0),
        ("agent", answer, answer, 0),
        ("agent", answer, None, 1),
        ("agent", "I am sorry.", "I am sorry.", 0),
    ]
    with closing(sqlite3.connect(file)) as database, database:
        for seq, (role, generated, heard, interrupted) in enumerate(said, 1):
            row = ("default", "call", seq, role, generated, heard, interrupted, "text", AT)
            names = "tenant, conversation_id, seq, role, generated, heard, interrupted, modality, created_at"
            database.execute(f"INSERT INTO turns ({names}) VALUES ({', '.join('?' * len(row))})", row)
    assert whole_answers(file) == 1
