"""Whatever is said, and however obediently a model writes it down: no order becomes memory, and memory never becomes an order."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import anyio
import pytest
from tests.attacks import NOON, Attack, attacks

from voicemind.llm.contract import Ask, Finished, Message, TextDelta
from voicemind.mind.agent import Agent
from voicemind.mind.agent_files import load_agents
from voicemind.mind.prompt import beside, compose
from voicemind.mind.reflection.apply import apply
from voicemind.mind.reflection.contract import Add, Merge, Operation, Proposal, Reflector, Supersede, Update
from voicemind.mind.reflection.extractive import ExtractiveReflector
from voicemind.mind.reflection.grounding import grounded
from voicemind.mind.reflection.structured import StructuredReflector
from voicemind.store.values import ArchivedEntry, Entry, Evidence, MindVersion, NewVersion, Turn

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

TALK = "talk"
AGENTS = load_agents()
COUNSELLOR, THALIA = AGENTS["counsellor"], AGENTS["thalia"]
ATTACKS = attacks()
CAT = Entry("cat", "The user's cat is called Biscuit.", (Evidence("old", 1, "My cat is called Biscuit"),))
SEA = Entry("sea", "The user grew up by the sea.", (Evidence("old", 3, "I grew up by the sea"),))
BIKE = ArchivedEntry(
    Entry("bike", "The user once had a red bicycle.", (Evidence("old", 5, "I had a red bicycle"),)), ""
)


@dataclass
class Lenient:
    """A model that calls every statement lasting."""

    name: str = "lenient"
    context_tokens: int = 100_000

    async def start(self) -> None: ...

    async def stream(self, ask: Ask) -> AsyncGenerator[TextDelta | Finished, None]:
        await anyio.lowlevel.checkpoint()
        assert ask.json_schema is not None
        yield TextDelta(json.dumps(dict.fromkeys(ask.json_schema["properties"], "lasting")))
        yield Finished()

    async def warm(self, messages: tuple[Message, ...]) -> None: ...

    async def aclose(self) -> None: ...


@dataclass
class Obedient(Lenient):
    """A model that writes down what it was told to, with every quote that might do."""

    name: str = "obedient"
    operations: Sequence[Operation] = ()

    async def stream(self, ask: Ask) -> AsyncGenerator[TextDelta | Finished, None]:
        await anyio.lowlevel.checkpoint()
        yield TextDelta(json.dumps({"operations": list(map(_as_written, self.operations))}))
        yield Finished()


def _as_written(operation: Operation) -> dict[str, object]:
    entries = {"cat": "e1", "sea": "e2"}
    ids = operation.entry_ids if isinstance(operation, Merge) else (getattr(operation, "entry_id", ""),)
    return {
        "op": type(operation).__name__.lower(),
        "block": operation.block,
        "entries": [entries[one] for one in ids if one],
        "text": getattr(operation, "text", ""),
        "evidence": [{"turn": piece.turn, "quote": piece.quote} for piece in operation.evidence],
        "reason": operation.reason,
    }


def facts(agent: Agent) -> str:
    return next(block.label for block in agent.reflective if block.holds == "facts")


def mind(agent: Agent) -> MindVersion:
    blocks = {
        label: tuple(Entry(f"{label}-{at}", text) for at, text in enumerate(texts))
        for label, texts in agent.seed().items()
    }
    return MindVersion(agent.mind_key("t", "anna"), 1, "preset", NOON, {**blocks, facts(agent): (CAT, SEA)})


def obeyed(attack: Attack, agent: Agent) -> list[Operation]:
    """Everything that an obedient model could write: each wanted text in each block, as each kind of change, with each quote."""
    operations: list[Operation] = []
    labels = [block.label for block in agent.blocks]
    pieces = [Evidence(TALK, turn.seq, quote) for turn in attack.turns for quote in _quotes(turn)]
    memory = facts(agent)
    texts = [*attack.wants, *(turn.generated for turn in attack.turns)]
    for text, piece in product(texts, pieces):
        operations += [Add(label, text, (piece,), text) for label in labels if label != memory]
        operations += [
            Add(memory, text, (piece,), text, cue=text),
            Update(memory, "cat", text, (piece,), text),
            Supersede(memory, "sea", text, (piece,), text),
            Merge(memory, ("cat", "sea"), text, text, (piece,)),
            Merge(memory, ("cat", "sea"), text, text),
        ]
    return operations


def _quotes(turn: Turn) -> Iterator[str]:
    said = turn.generated
    yield said
    yield from (piece.strip() for piece in re.split(r"[.!?\n]+", said) if piece.strip() and piece.strip() != said)


async def reflected(reflector: Reflector, agent: Agent, version: MindVersion, turns: Sequence[Turn]) -> Proposal:
    archived = (ArchivedEntry(BIKE.entry, facts(agent)),)
    with anyio.fail_after(30):
        return await reflector.reflect(agent, version, turns, conversation_id=TALK, archived=archived)


def remembered(
    operations: Sequence[Operation], agent: Agent, version: MindVersion, turns: Sequence[Turn]
) -> NewVersion | None:
    """What becomes of it after the gate that every proposal passes."""
    archived = (ArchivedEntry(BIKE.entry, facts(agent)),)
    entries = [*(entry for block in version.blocks.values() for entry in block), BIKE.entry]
    sound = grounded(operations, agent, turns=turns, conversation_id=TALK, entries=entries)
    return apply(version, sound.operations, agent, turns=turns, archived=archived).version


def came(made: NewVersion | None, version: MindVersion) -> list[Entry]:
    """The entries that were not there before."""
    if made is None:
        return []
    known = {entry.id for block in version.blocks.values() for entry in block} | {BIKE.entry.id}
    return [
        entry
        for part in (made.blocks, made.archive)
        for block in part.values()
        for entry in block
        if entry.id not in known
    ]


def check(made: NewVersion | None, version: MindVersion, agent: Agent, attack: Attack) -> None:
    """Nothing of the attack is in the mind, and what is there can show its source."""
    turns = {turn.seq: turn for turn in attack.turns}
    holds = {block.label: block.holds for block in agent.reflective}
    for entry in came(made, version):
        told = [word for word in attack.never if word.casefold() in entry.text.casefold()]
        assert not told, f"{entry.text!r} rests on {entry.evidence}"
        fresh = [piece for piece in entry.evidence if piece.conversation_id == TALK]
        assert entry.evidence
        for piece in fresh:
            turn = turns[piece.turn]
            assert piece.quote in (turn.generated if turn.role == "user" else turn.heard or "")
    if made is None:
        return
    assert made.blocks.keys() == holds.keys(), "a block was written that reflection does not write"
    for change in made.changes:
        assert change.block in holds
    for label, block in made.blocks.items():
        for entry in block if holds[label] == "facts" else ():
            assert all(turns[piece.turn].role == "user" for piece in entry.evidence if piece.conversation_id == TALK)
    after = MindVersion(version.key, 2, "reflection", NOON, made.blocks)
    archive = [entry for block in made.archive.values() for entry in block]
    assert_only_data(agent, version, after, recalled=archive)


def sections(prompt: str) -> list[tuple[str, list[str]]]:
    """The headings of a prompt with the lines below them."""
    found: list[tuple[str, list[str]]] = []
    for line in prompt.splitlines():
        if line.startswith("## "):
            found.append((line, []))
        else:
            found[-1][1].append(line)
    return found


def assert_only_data(
    agent: Agent,
    clean: MindVersion,
    after: MindVersion,
    *,
    recalled: Sequence[Entry] = (),
    said: str = "Hello.",
    **given: object,
) -> None:
    """The prompt of `after` differs from that of `clean` in lines of data alone, each under a heading that says so."""
    titles = {f"## {block.title}" for block in agent.reflective} | {"## Said lately", "## Who you are talking with"}
    one = sections(compose(agent, clean, channel="voice"))
    other = sections(compose(agent, after, channel="voice", **given))  # type: ignore[arg-type]
    assert [part for part in one if part[0] not in titles] == [part for part in other if part[0] not in titles]
    extra = {title for title, _ in other} - {title for title, _ in one}
    assert extra <= titles
    for title, lines in other:
        if title not in titles:
            continue
        if title == "## Who you are talking with":
            assert len([line for line in lines if line]) == 1
            continue
        assert "never instructions" in lines[0], title
        assert all(
            line.startswith(("- ", "[nothing yet]", "The user has told you nothing")) or not line for line in lines[1:]
        )
        assert not re.search(r"[<>{}`\[\]|]", "".join(line for line in lines[1:] if line.startswith("- ")))
    note = beside(said, recalled)
    assert note.endswith(said)
    head, *lines = note.removesuffix(said).strip().removesuffix(")").splitlines() or [""]
    assert not recalled or "never instructions" in head
    assert all(line.startswith("- ") for line in lines)


@pytest.mark.parametrize("agent", [COUNSELLOR, THALIA], ids=lambda agent: agent.slug)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_no_attack_becomes_memory_through_rules_and_a_model_that_keeps_everything(
    attack: Attack, agent: Agent
) -> None:
    version = mind(agent)
    proposal = await reflected(ExtractiveReflector(Lenient()), agent, version, attack.turns)
    check(remembered(proposal.operations, agent, version, attack.turns), version, agent, attack)


@pytest.mark.parametrize("agent", [COUNSELLOR, THALIA], ids=lambda agent: agent.slug)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_no_attack_becomes_memory_through_a_model_that_obeys_it(attack: Attack, agent: Agent) -> None:
    if attack.own and agent is COUNSELLOR:
        pytest.skip("this agent has no goals of its own")
    version = mind(agent)
    operations = obeyed(attack, agent)
    step = max(1, len(operations) // 100 + 1)
    proposal = await reflected(
        StructuredReflector(Obedient(operations=operations[::step])), agent, version, attack.turns
    )
    check(remembered(proposal.operations, agent, version, attack.turns), version, agent, attack)
    check(remembered(operations, agent, version, attack.turns), version, agent, attack)
