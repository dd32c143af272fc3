"""Looking into minds, changing them, reviewing, meeting and erasing from the command line: as processes of their own, beside a scripted server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from tests.serving import own_process, until_ready

SCRIBE = """
slug = "scribe"
name = "Ines"
description = "Writes down only what she was allowed to."
first_message = "Hello, I'm Ines."
reflection = "review"

[[blocks]]
label = "memory"
title = "What you remember about the person"
scope = "user"
reflects = true
holds = "facts"
limit = 600
"""
EMPTY = '---\nvoicemind: "mind/1"\n---\n'


@dataclass(frozen=True)
class Terminal:
    """Runs `voicemind` in a folder."""

    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str, typed: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        """The finished process."""
        return subprocess.run(
            [sys.executable, "-m", "voicemind", *arguments],
            input=typed,
            capture_output=True,
            text=True,
            env={**self.environment, **{f"VOICEMIND_{name}": value for name, value in settings.items()}},
            cwd=self.folder,
            timeout=120,
            check=False,
        )

    def answer(self, *arguments: str, typed: str = "", **settings: str) -> str:
        """What a command that must succeed prints."""
        done = self.run(*arguments, typed=typed, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def record(self, *arguments: str, **settings: str) -> Any:
        """What it answers to a program."""
        return json.loads(self.answer(*arguments, "--json", **settings))

    def mind(self, user: str, *, agent: str = "counsellor") -> list[str]:
        """The lines of a mind, as the server has them."""
        return [entry["text"] for block in self.get(f"minds/{agent}/{user}")["blocks"] for entry in block["entries"]]

    def tell(self, user: str, text: str, *, agent: str = "counsellor") -> str:
        """One conversation; its id."""
        self.answer("chat", "--agent", agent, "--user", user, "--once", text)
        return str(self.get(f"conversations?user_id={user}&limit=1")["items"][0]["id"])

    def get(self, path: str) -> Any:
        """What the running server answers, without a process in between."""
        answer = httpx.get(
            f"http://127.0.0.1:{self.environment['VOICEMIND_PORT']}/api/v1/{path}", trust_env=False, timeout=30
        )
        answer.raise_for_status()
        return answer.json()


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """Beside a running server."""
    folder = tmp_path_factory.mktemp("minds")
    (folder / "agents").mkdir()
    (folder / "agents/scribe.toml").write_text(SCRIBE)
    with own_process(folder, VOICEMIND_AGENTS_DIR=str(folder / "agents"), XDG_CONFIG_HOME=str(folder)) as served:

        async def ready() -> None:
            async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
                await until_ready(client)

        anyio.run(ready)
        beside = Terminal(folder, served.environment)
        beside.answer("minds", "import", "thalia", "-", typed=EMPTY)
        yield beside


@pytest.fixture
def alone(tmp_path: Path, terminal: Terminal) -> Terminal:
    """Without a server, in a folder of its own."""
    own = {"VOICEMIND_PORT": "1", "VOICEMIND_DATA_DIR": str(tmp_path / "data")}
    return Terminal(tmp_path, {**terminal.environment, **own})


def test_a_line_says_why_it_is_there_and_every_change_can_be_taken_back(terminal: Terminal) -> None:
    conversation = terminal.tell("ada", "My cat is called Biscuit")
    page = terminal.answer("minds", "show", "counsellor", "--user", "ada")
    assert f"{conversation}, turn 1, typed" in page
    assert "“My cat is called Biscuit”" in page
    ending = re.search(r"Biscuit\.  \[(\w+)\]", page)
    assert ending

    terminal.answer("minds", "edit", "counsellor", ending[1], "The cat was called Biscuit.", "--user", "ada")
    added = terminal.run("minds", "add", "counsellor", "treatment_plan", "Wants to sleep better.", "-u", "ada")
    assert added.stdout.splitlines() == ["[treatment_plan]", "+Wants to sleep better."]
    assert "version 4, by a person" in added.stderr
    assert terminal.mind("ada") == ["Wants to sleep better.", "The cat was called Biscuit."]

    compared = terminal.answer("minds", "diff", "counsellor", "2", "3", "--user", "ada").splitlines()
    assert compared[1:] == ["-The user's cat is called Biscuit.", "+The cat was called Biscuit."]
    told = terminal.answer("minds", "show", "counsellor", "--user", "ada", "--version", "3")
    assert "before: The user's cat is called Biscuit." in told

    terminal.answer("minds", "undo", "counsellor", "3", "--user", "ada")
    assert terminal.mind("ada") == ["Wants to sleep better.", "The user's cat is called Biscuit."]
    terminal.answer("minds", "restore", "counsellor", "1", "--user", "ada")
    assert terminal.mind("ada") == []
    versions = terminal.record("minds", "versions", "counsellor", "--user", "ada")["items"]
    assert [one["author"] for one in versions] == ["undo", "undo", "person", "person", "reflection", "preset"]


def test_a_change_made_from_an_older_version_is_refused(terminal: Terminal) -> None:
    terminal.tell("ben", "My dog is called Rollo")
    stale = terminal.run("minds", "undo", "counsellor", "--user", "ben", "--if-version", "1")

    assert stale.returncode == 2
    assert "at version 2 now" in stale.stderr
    assert terminal.mind("ben") == ["The user's dog is called Rollo."]


def test_lines_go_into_the_archive_and_come_back_and_can_be_removed(terminal: Terminal) -> None:
    terminal.tell("cleo", "My dog is called Rollo and I live in Bergen")
    ids = [entry["id"] for entry in terminal.get("minds/counsellor/cleo")["blocks"][2]["entries"]]

    terminal.answer("minds", "archive", "counsellor", *ids, "--user", "cleo")
    assert terminal.mind("cleo") == []
    assert "Bergen" in terminal.answer("minds", "archive", "counsellor", "--user", "cleo")

    terminal.answer("minds", "recall", "counsellor", ids[1][-8:], "--user", "cleo")
    terminal.answer("minds", "remove", "counsellor", ids[1], "--user", "cleo")
    assert terminal.mind("cleo") == []
    assert "Rollo" in terminal.answer("minds", "archive", "counsellor", "--user", "cleo")


def test_an_exported_mind_comes_back_as_it_was(terminal: Terminal) -> None:
    terminal.tell("dora", "My horse is called Juno and I live in Graz")
    terminal.answer("minds", "export", "counsellor", "--user", "dora", "--out", "dora.md")
    file = (terminal.folder / "dora.md").read_bytes()

    terminal.answer("minds", "import", "counsellor", "dora.md", "--user", "emil")
    terminal.answer("minds", "import", "counsellor", "-", "--user", "fred", typed=file.decode())

    for user in ("emil", "fred"):
        again = terminal.answer("minds", "export", "counsellor", "--user", user)
        assert again.encode() == file.replace(b'user: "dora"', f'user: "{user}"'.encode())
        assert terminal.get(f"minds/counsellor/{user}")["author"] == "import"


def test_what_waits_for_a_word_is_accepted_edited_or_rejected_by_a_person(terminal: Terminal) -> None:
    conversation = terminal.tell("gil", "My dog is called Rollo and I live in Oslo", agent="scribe")
    assert terminal.mind("gil", agent="scribe") == []
    assert conversation in terminal.answer("reflections", "list", "--status", "review")
    assert "added to memory" in terminal.answer("reflections", "show", conversation)

    gone = terminal.run("reflections", "review", conversation, typed="a\n")
    assert gone.returncode == 2
    assert "Nothing was decided" in gone.stderr

    terminal.answer("reflections", "review", conversation, typed="e\nHas a dog, Rollo.\nwhat?\nr\n")
    assert terminal.mind("gil", agent="scribe") == ["Has a dog, Rollo."]
    again = terminal.run("reflections", "review", conversation, typed="a\n")
    assert "there is nothing to decide" in again.stderr
    assert again.returncode == 2


def test_scripts_decide_beforehand(terminal: Terminal) -> None:
    first = terminal.tell("hedda", "My dog is called Rollo and I live in Oslo", agent="scribe")
    miscounted = terminal.run("reflections", "review", first, "--decide", "accept")
    assert miscounted.returncode == 2
    assert "2 changes" in miscounted.stderr

    done = terminal.record("reflections", "review", first, "--decide", "reject", "--decide", "edit=Lives in Oslo now.")
    assert done["status"] == "done"
    second = terminal.tell("hedda", "My cat is called Biscuit", agent="scribe")
    terminal.answer("reflections", "review", second, "--accept-all")
    assert terminal.mind("hedda", agent="scribe") == ["Lives in Oslo now.", "The user's cat is called Biscuit."]

    third = terminal.tell("hedda", "I work as a baker", agent="scribe")
    rejected = terminal.run("reflections", "review", third, "--reject-all")
    assert rejected.returncode == 0
    assert "Nothing of it is remembered" in rejected.stderr
    assert "only one that failed" in terminal.run("reflections", "retry", third).stderr


def test_a_person_is_erased_once_the_numbers_were_agreed_to(terminal: Terminal) -> None:
    terminal.tell("ida", "My cat is called Mitzi and I live in Wels")
    assert "counsellor remembers 2 lines" in terminal.answer("users", "show", "ida")
    terminal.answer("users", "export", "ida", "--out", "ida.json")
    everything = json.loads((terminal.folder / "ida.json").read_text())
    assert everything["conversations"][0]["turns"][0]["generated"] == "My cat is called Mitzi and I live in Wels"

    kept = terminal.run("users", "erase", "ida", typed="no\n")
    assert kept.returncode == 2
    assert "1 conversation and 1 mind with 2 lines" in kept.stdout
    assert len(terminal.mind("ida")) == 2

    erased = terminal.answer("users", "erase", "ida", "--yes")
    assert "Erased: 1 conversation, 2 turns" in erased
    assert "ida" not in [user["id"] for user in terminal.record("users", "list", "--all")["items"]]
    assert terminal.run("minds", "show", "counsellor", "--user", "ida").returncode == 2


def test_a_conversation_is_read_exported_and_erased(terminal: Terminal) -> None:
    conversation = terminal.tell("jan", "My cat is called Mitzi")
    assert "1 jan › My cat is called Mitzi" in terminal.answer("conversations", "show", conversation)
    terminal.answer("conversations", "export", conversation, "--format", "markdown", "--out", "talk.md")
    assert "**jan**" in (terminal.folder / "talk.md").read_text()
    theirs = json.loads(terminal.answer("conversations", "export", conversation, "--format", "elevenlabs"))
    assert theirs["transcript"][0]["message"] == "My cat is called Mitzi"

    erased = terminal.run("conversations", "erase", conversation, typed="y\n")
    assert "2 turns, and 1 line in mind" in erased.stdout
    assert erased.returncode == 0, erased.stderr
    assert terminal.mind("jan") == []
    assert terminal.run("conversations", "show", conversation).returncode == 2


def test_an_agent_is_in_one_meeting_at_a_time_and_reflects_when_it_ends(terminal: Terminal) -> None:
    prepared = terminal.record(
        "meetings", "prepare", "thalia", "--with", "Ada", "--topic", "Harvest", "--meeting", "m1"
    )
    assert prepared["intent_notes"]
    assert "m1_role_marcus" in terminal.answer("meetings", "prepare", "marcus", "--with", "Ada", "--meeting", "m1")
    busy = terminal.run("meetings", "prepare", "thalia", "--with", "Ben")
    assert busy.returncode == 2
    assert "meeting m1" in busy.stderr
    assert "Harvest" in terminal.answer("meetings", "list")
    assert "m1_role_marcus" in terminal.answer("meetings", "show", "m1")

    ended = terminal.answer("meetings", "end", "m1").splitlines()
    assert len(ended) == 3
    assert all("done" in line for line in ended[1:])


def test_a_list_goes_on_where_it_stopped(terminal: Terminal) -> None:
    for user in ("kim", "lou", "max"):
        terminal.answer("minds", "import", "counsellor", "-", "-u", user, typed=EMPTY)
    everybody = [row["user_id"] for row in terminal.get("minds?limit=100")["items"]]
    assert {"kim", "lou", "max"} <= set(everybody)

    first = terminal.record("minds", "list", "--limit", "2")
    rest = terminal.record("minds", "list", "--all", "--cursor", first["next_cursor"])
    assert [row["user_id"] for row in (*first["items"], *rest["items"])] == everybody
    assert "--cursor" in terminal.run("minds", "list", "--limit", "2").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["minds", "show", "counsellor", "--user", "stranger"], "voicemind minds list"),
        (["minds", "add", "thalia", "identity", "I am kind."], "goals, memory"),
        (["minds", "edit", "thalia", "zzzzzzzz", "Other words."], "no such entry"),
        (["minds", "import", "counsellor", "agents/scribe.toml", "-u", "ada"], "Line 1"),
        (["reflections", "show", "nothing"], "voicemind conversations list"),
        (["reflections", "review", "nothing", "--decide", "perhaps"], "edit=TEXT"),
        (["reflections", "list", "--cursor", "broken"], "cursor"),
        (["users", "show", "nobody"], "voicemind users list"),
        (["users", "export", "nobody", "--out", "nobody.json"], "voicemind users list"),
        (["users", "erase", "nobody", "--yes"], "voicemind users list"),
        (["conversations", "show", "nothing"], "voicemind conversations list"),
        (["conversations", "erase", "nothing", "--yes"], "voicemind conversations list"),
        (["conversations", "list", "--agent", "nobody"], "counsellor"),
        (["meetings", "end", "nothing"], "voicemind meetings list"),
        (["meetings", "prepare", "counsellor", "--with", "Ada"], "a mind for each person"),
        (["meetings", "prepare", "thalia", "--with", "Ada", "--user", " "], "id"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: list[str], said: str, terminal: Terminal) -> None:
    done = terminal.run(*arguments)

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_without_a_server_nothing_is_loaded_and_nobody_thinks(alone: Terminal) -> None:
    alone.answer("chat", "--user", "ada", "--once", "My cat is called Biscuit")
    alone.answer("meetings", "prepare", "thalia", "--with", "Ada", "--meeting", "m2")
    models = {"LLM": "local", "STT": "moonshine", "TTS": "piper", "VAD": "silero", "CACHE_DIR": "/nowhere"}

    assert alone.record("minds", "list", **models)["items"][0]["user_id"] == "ada"
    alone.answer("minds", "add", "counsellor", "patient_memory", "Likes tea.", "-u", "ada", **models)
    assert "voicemind serve" in alone.run("meetings", "end", "m2", **models).stderr
    waiting = alone.record("reflections", "list", "--status", "waiting", **models)["items"]
    assert [one["attempts"] for one in waiting] == [0]

    assert "Biscuit" in alone.answer("chat", "--user", "ada", "--once", "What is my cat called?")


def test_a_reflection_that_was_given_up_is_seen_and_tried_again(alone: Terminal) -> None:
    nowhere = {"AGENTS_DIR": ""}
    alone.answer("meetings", "prepare", "scribe", "--with", "Ada", "--meeting", "m3", "--user", "ada")
    alone.answer("meetings", "end", "m3")
    alone.answer("chat", "--user", "ben", "--once", "Hello", REFLECTION_ATTEMPTS="1", **nowhere)
    failed = alone.record("reflections", "list", "--status", "failed", **nowhere)["items"]
    assert [one["agent"] for one in failed] == ["scribe"]

    again = alone.run("reflections", "retry", failed[0]["conversation_id"])
    assert "waits for its turn" in again.stdout
    assert "voicemind serve" in again.stderr
    alone.answer("chat", "--user", "ben", "--once", "Hello")
    assert alone.record("reflections", "show", failed[0]["conversation_id"])["status"] == "done"


def test_a_server_that_is_named_and_absent_is_trouble_and_not_a_mistake(alone: Terminal) -> None:
    done = alone.run("minds", "list", SERVER="http://127.0.0.1:1")

    assert done.returncode == 1
    assert "VOICEMIND_SERVER" in done.stderr
