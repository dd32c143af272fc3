"""The command line as a person uses it: as a process of its own, on scripted models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from voicemind.speech.audio import Pcm, read_wav, write_wav

SCRIPTED = {
    "LLM": "scripted",
    "STT": "scripted",
    "TTS": "scripted",
    "VAD": "energy",
    "EMBEDDING": "scripted",
    "PORT": "0",
}


class Terminal:
    """Runs `voicemind` in a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        ours = {f"VOICEMIND_{name}": value for name, value in SCRIPTED.items()}
        self.environment = {
            **os.environ,
            **ours,
            "VOICEMIND_DATA_DIR": str(home / "data"),
            "XDG_CONFIG_HOME": str(home),
        }

    def run(self, *arguments: str, typed: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        """The finished process."""
        return subprocess.run(
            [sys.executable, "-m", "voicemind", *arguments],
            input=typed,
            capture_output=True,
            text=True,
            env={**self.environment, **{f"VOICEMIND_{name}": value for name, value in settings.items()}},
            cwd=self.home,
            timeout=180,
            check=False,
        )


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def test_what_was_said_in_one_process_is_remembered_in_the_next_by_that_person_alone(terminal: Terminal) -> None:
    told = terminal.run("chat", "--user", "first", "--once", "My cat is called Biscuit and I live in Oslo")
    assert told.returncode == 0, told.stderr
    assert "Biscuit" in told.stderr

    first = terminal.run("chat", "--user", "first", "--once", "What is my cat called?")
    second = terminal.run("chat", "--user", "second", "--once", "What is my cat called?")

    assert "Biscuit" in first.stdout
    assert "Biscuit" not in second.stdout


def test_typed_lines_are_answered_in_order(terminal: Terminal) -> None:
    done = terminal.run("chat", "--user", "first", typed="My dog is called Rex\n/end\nnever sent\n")

    assert done.returncode == 0, done.stderr
    assert "Rex" in done.stderr
    assert "never" not in done.stdout


def test_a_recording_is_answered_with_sound(terminal: Terminal) -> None:
    loud = b"".join(int(12_000 * (-1) ** (at // 40)).to_bytes(2, "little", signed=True) for at in range(16_000))
    (terminal.home / "hello.wav").write_bytes(write_wav(Pcm(loud, 16_000)))

    done = terminal.run("talk", "hello.wav", "--out", "answer.wav", "--fast")

    assert done.returncode == 0, done.stderr
    assert "Hello there." in done.stdout
    assert any(read_wav((terminal.home / "answer.wav").read_bytes()).samples)


def test_a_recording_of_silence_is_said_to_be_silent(terminal: Terminal) -> None:
    (terminal.home / "silence.wav").write_bytes(write_wav(Pcm(bytes(3200), 16_000)))

    done = terminal.run("talk", "silence.wav", "--out", "answer.wav", "--fast")

    assert done.returncode == 1
    assert "No speech was heard" in done.stderr
    assert not (terminal.home / "answer.wav").exists()


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["talk", "/etc/passwd"], {}, "not a PCM WAV file"),
        (["talk", "missing.wav"], {}, "No such file"),
        (["chat", "--agent", "nobody", "--once", "Hello"], {}, "counsellor"),
        (["chat", "--once", "Hello"], {"LLM": "oracle"}, "VOICEMIND_LLM"),
        (["serve"], {"PORT": "many"}, "VOICEMIND_PORT"),
        (["serve"], {"HOST": "0.0.0.0"}, "VOICEMIND_API_KEYS"),
        (["models", "pull", "nothing"], {}, "qwen2.5-coder-1.5b"),
        (["agents", "show", "nobody"], {}, "no agent"),
        (["chat", "--once", "Hello"], {"LLM": "local", "CACHE_DIR": "/nowhere"}, "voicemind models pull"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], settings: dict[str, str], said: str, terminal: Terminal
) -> None:
    done = terminal.run(*arguments, **settings)

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_a_server_that_is_named_and_absent_is_trouble_and_not_a_mistake(terminal: Terminal) -> None:
    done = terminal.run("chat", "--once", "Hello", SERVER="http://127.0.0.1:1")

    assert done.returncode == 1
    assert "VOICEMIND_SERVER" in done.stderr


def test_the_doctor_says_what_is_missing_and_how_to_get_it(terminal: Terminal) -> None:
    well = terminal.run("doctor", "--json")
    ill = terminal.run("doctor", "--json", LLM="local", CACHE_DIR=str(terminal.home))

    assert well.returncode == 0, well.stdout
    assert ill.returncode == 1
    missing = [check for check in json.loads(ill.stdout)["checks"] if check["state"] == "missing"]
    assert [check["fix"] for check in missing] == ["voicemind models pull qwen2.5-coder-1.5b"]


def test_the_agents_are_listed_and_shown(terminal: Terminal) -> None:
    assert "thalia" in terminal.run("agents").stdout
    assert "patient_memory" in terminal.run("agents", "show", "counsellor").stdout
