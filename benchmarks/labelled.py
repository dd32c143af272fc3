"""A hand-labelled sample: does what reflection makes of our own dialogues stand in what the person said?"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.memory import NoVerdicts
from voicemind.clock import utc_now
from voicemind.mind.agent_files import load_agents
from voicemind.mind.reflection.contract import Add, Remove
from voicemind.mind.reflection.extractive import ExtractiveReflector
from voicemind.store.values import MindVersion, Role, Turn

Result = dict[str, float | int | str]
DATA = Path(__file__).parent / "data"
ROLES: dict[str, Role] = {"A": "agent", "U": "user"}


@dataclass(frozen=True, slots=True)
class Extracted:
    """An entry that reflection makes: of which talk, whether for a block, and what it says."""

    talk: str
    lasting: bool
    text: str


def talks() -> dict[str, tuple[Turn, ...]]:
    """The dialogues by name."""
    found: list[dict[str, Any]] = tomllib.loads((DATA / "dialogues.toml").read_text())["talk"]
    now = utc_now()
    return {
        talk["name"]: tuple(
            Turn(seq, ROLES[line[0]], line[2:], line[2:], now) for seq, line in enumerate(talk["turns"], 1)
        )
        for talk in found
    }


def labels() -> dict[tuple[str, str], bool]:
    """Whether somebody who read the talk found the entry supported, by talk and text."""
    found: list[dict[str, Any]] = tomllib.loads((DATA / "labels.toml").read_text())["entry"]
    return {(entry["talk"], entry["text"]): entry["supported"] for entry in found}


async def extracted() -> list[Extracted]:
    """What reflection makes of each talk, in a mind that knows nothing yet; the rules decide what a model would be asked."""
    agent = load_agents(None)["counsellor"]
    entries: list[Extracted] = []
    for name, turns in talks().items():
        fresh = MindVersion(
            agent.mind_key("bench", name), 1, "preset", utc_now(), {block.label: () for block in agent.reflective}
        )
        proposal = await ExtractiveReflector(NoVerdicts()).reflect(agent, fresh, turns, conversation_id=name)
        entries += [
            Extracted(name, not isinstance(operation, Add) or operation.lasting, operation.text)
            for operation in proposal.operations
            if not isinstance(operation, Remove)
        ]
    return entries


async def measure() -> Result:
    """The share of entries that are not supported; those without a label are counted by themselves."""
    known, entries = labels(), await extracted()
    of = {
        lasting: [known.get((entry.talk, entry.text)) for entry in entries if entry.lasting == lasting]
        for lasting in (True, False)
    }
    judged = [label for found in of.values() for label in found if label is not None]
    return {
        "entries": len(entries),
        "lasting": len(of[True]),
        "episodes": len(of[False]),
        "without_label": len(entries) - len(judged),
        "unsupported": judged.count(False),
        "unsupported_lasting": of[True].count(False),
        "unsupported_percent": round(100 * judged.count(False) / max(len(judged), 1), 1),
    }
