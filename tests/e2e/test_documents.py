"""Every block of code in the README and the how-tos does what it says, on a scripted server."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx
import pytest
from tests.serving import Served, own_process, until_ready

from voicemind.mind.agent_files import load_agents, parse_agent
from voicemind.speech.audio import INPUT_RATE_HZ, Pcm, write_wav

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs/howto").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("make", "createdb", ".venv/bin/pytest")
"""Programs of other tests: this suite is `make test` itself, and databases are made in the store's tests."""

SECRET = "wsec_keep-this-to-yourself"
"""The secret of the page about phone calls."""


@dataclass(frozen=True)
class Block:
    """One block of code."""

    page: str
    kind: str
    text: str


def blocks(*kinds: str) -> list[Block]:
    return [
        Block(page.name, match["kind"], match["text"])
        for page in PAGES
        for match in BLOCK.finditer(page.read_text())
        if match["kind"] in kinds
    ]


def commands() -> list[tuple[str, str]]:
    """Every line that begins with `$`, the comment behind it aside."""
    lines = [(block.page, line) for block in blocks("console") for line in block.text.splitlines()]
    return [(page, line[2:].partition("#")[0].strip()) for page, line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("documents")
    given = {"SCRIPTED_STT_TEXT": "My cat is called Biscuit.", "ELEVENLABS_WEBHOOK_SECRET": SECRET}
    with own_process(folder, **{f"VOICEMIND_{name}": value for name, value in given.items()}) as served:

        async def ready() -> None:
            async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
                await until_ready(client)
                await somebody_talked(client)

        anyio.run(ready)
        yield served


async def somebody_talked(client: httpx.AsyncClient) -> None:
    """What the page about minds takes for granted: a conversation of Ada's, and her mind as it is printed there."""
    talk = {"agent": "counsellor", "user_id": "ada", "conversation_id": "talk-1", "channel": "text"}
    (await client.post("/api/voice-sessions", json=talk)).raise_for_status()
    ended = await client.post("/api/elevenlabs/end", json={"conversation_id": "talk-1"}, timeout=180)
    ended.raise_for_status()
    headers = {"Content-Type": "text/markdown"}
    url = "/api/v1/minds/counsellor/ada/import"
    (await client.post(url, content=mind_of_ada(), headers=headers)).raise_for_status()


def mind_of_ada() -> str:
    return next(block.text for block in blocks("markdown") if "mind/1" in block.text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what the pages take for granted: a recording, the agent of the how-to, and an exported mind."""
    hum = b"".join(
        (9000 * (1 if at // 40 % 2 else -1)).to_bytes(2, "little", signed=True) for at in range(INPUT_RATE_HZ)
    )
    (tmp_path / "hello.wav").write_bytes(write_wav(Pcm(bytes(16_000) + hum + bytes(32_000), INPUT_RATE_HZ)))
    (tmp_path / "agents").mkdir()
    (tmp_path / "ada.md").write_text(mind_of_ada())
    ferryman = next(block.text for block in blocks("toml") if "ferryman" in block.text)
    (tmp_path / "agents/ferryman.toml").write_text(ferryman)
    return tmp_path


def test_there_are_commands_to_try() -> None:
    assert len([line for _, line in commands() if not line.startswith(ELSEWHERE)]) >= 8


@pytest.mark.parametrize(
    ("page", "line"),
    [(page, line) for page, line in commands() if "make" not in line.split() and not line.startswith(ELSEWHERE)],
)
def test_a_command_of_the_documents_works(page: str, line: str, server: Served, folder: Path) -> None:
    words = shlex.split(line)
    given = {name: value for name, _, value in (word.partition("=") for word in words if re.match(r"[A-Z_]+=", word))}
    words = words[len(given) :]
    assert words[0].endswith("voicemind"), f"{page}: {words[0]} is no program of ours"
    environment = {**server.environment, "COLUMNS": "200"}
    if "VOICEMIND_AGENTS_DIR" in given:  # the running server does not know that agent: the command works by itself
        environment |= {**given, "VOICEMIND_PORT": "1", "VOICEMIND_DATA_DIR": str(folder / "data")}
    done = subprocess.run(
        [sys.executable, "-m", "voicemind", *words[1:]],
        env=environment,
        cwd=folder,
        input="Hello\n/end\n",
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.page)
def test_python_of_the_documents_runs(block: Block, server: Served, folder: Path) -> None:
    program = block.text.replace("http://127.0.0.1:8700", server.url)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("block", blocks("bash"), ids=lambda block: block.page)
def test_a_shell_script_of_the_documents_works(block: Block, server: Served, folder: Path) -> None:
    program = block.text.replace("http://127.0.0.1:8700", server.url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert '"ignored"' not in done.stdout


def test_the_agent_of_the_how_to_is_one(folder: Path) -> None:
    agent = parse_agent((folder / "agents/ferryman.toml").read_text(), "ferryman.toml")
    assert agent.slug == "ferryman"
    assert "ferryman" in load_agents(folder / "agents")
