"""What is remembered of LoCoMo's long dialogues: evidence recall of the recall path beside two baselines, without any judge.

Reflection is the extractive one; where it would ask the language model for a verdict, its rules decide, so that this ends within minutes.
What is in the archive already stays as it is: merging it with what is said later is not measured here.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path

from benchmarks.locomo import CATEGORIES, Dialogue, Session, read
from voicemind.assembly import EMBEDDERS
from voicemind.config import Settings
from voicemind.embedding.contract import Embedder
from voicemind.errors import ProviderRefused
from voicemind.llm.contract import Ask, Finished, Message, Piece
from voicemind.mind.agent_files import load_agents
from voicemind.mind.recall import CANDIDATES, Query, Vector, VectorIndex, fused, query, share, statement
from voicemind.mind.reflection.apply import apply
from voicemind.mind.reflection.extractive import EPISODE, ExtractiveReflector
from voicemind.mind.reflection.words import STOP_WORDS
from voicemind.store import rarity
from voicemind.store.values import Entry, MindVersion, Turn

Result = dict[str, float | int | str]
Ranking = Callable[[int, str], Sequence[frozenset[str]]]
"""For a question of a dialogue: the turns that each thing recalled cites, the best first."""

KS = (5, 10, 20)
NO_DATA = (
    "\n*** The memory benchmark measured NOTHING: it needs a local copy of LoCoMo's data/locomo10.json, which may not be shipped.\n"
    "*** python -m benchmarks memory --data PATH\n"
)


class NoVerdicts:
    """A language model that answers nothing: reflection falls back on its rules."""

    name = "none"
    context_tokens = 4096

    async def start(self) -> None:
        """Nothing to load."""

    async def stream(self, ask: Ask) -> AsyncGenerator[Piece, None]:
        """Refuses."""
        raise ProviderRefused("No model here.", provider=self.name)
        yield Finished()

    async def warm(self, messages: tuple[Message, ...]) -> None:
        """Nothing to warm."""

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass
class Mind:
    """What one speaker told, as an agent would remember it.

    What stands in its blocks is in every prompt and needs no search; here it is searched like the archive.
    """

    blocks: dict[str, Entry] = field(default_factory=dict[str, Entry])
    archive: dict[str, Entry] = field(default_factory=dict[str, Entry])
    cites: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    index: VectorIndex | None = None
    words: FullText | None = None
    episodes: set[str] = field(default_factory=set[str])
    """Ids of entries that never stood in a block."""

    @property
    def entries(self) -> dict[str, Entry]:
        """Everything, by id."""
        return {**self.blocks, **self.archive}


class FullText:
    """A throw-away FTS5 table: documents with the ids under which they are found."""

    def __init__(self, documents: Sequence[tuple[str, str]], *, tokenizer: str = "porter unicode61") -> None:
        self._ids = [entry for entry, _ in documents]
        self._base = sqlite3.connect(":memory:")
        self._base.execute(f"CREATE VIRTUAL TABLE found USING fts5(words, tokenize='{tokenizer}')")
        self._base.executemany(
            "INSERT INTO found(rowid, words) VALUES (?, ?)", enumerate(text for _, text in documents)
        )

    def find(self, words: Sequence[str], *, limit: int) -> list[str]:
        """Ids of documents with any of the words, by BM25."""
        match = " OR ".join(f'"{word}"' for word in words)
        statement_ = "SELECT rowid FROM found WHERE found MATCH ? ORDER BY bm25(found) LIMIT ?"
        return [self._ids[row] for (row,) in self._base.execute(statement_, (match, limit))] if match else []

    def recall(self, words: Sequence[str], lengths: Sequence[int], *, limit: int) -> list[str]:
        """The same as a turn's search ranks them; `lengths` of all documents, in characters."""
        statement_ = "SELECT rowid FROM found WHERE found MATCH ? ORDER BY rowid DESC LIMIT ?"
        rows = [[row for (row,) in self._base.execute(statement_, (f'"{word}"', rarity.MANY))] for word in words]
        weights = rarity.candidates(rows, among=len(self._ids), limit=limit)
        return [self._ids[row] for row in rarity.ranked(weights, {row: lengths[row] for row in weights})]


async def measure() -> Result:
    """Evidence recall at 5, 10 and 20, and how much was remembered."""
    path = _data()
    if path is None:
        sys.stdout.write(NO_DATA)
        return {"measured": "nothing: no data"}
    dialogues = read(path)
    embedder = EMBEDDERS["minilm"](Settings.load())
    await embedder.start()
    try:
        minds = [{speaker: await _mind(talk, speaker, embedder) for speaker in talk.speakers} for talk in dialogues]
        vectors = await _vectors(dialogues, embedder)
    finally:
        await embedder.aclose()

    def recalled(number: int, text: str, *, floor: bool) -> list[frozenset[str]]:
        found = [
            _of_mind(minds[number][speaker], wanted, vectors[wanted.text], floor=floor)
            for speaker, wanted in _wanted(dialogues[number], text)
        ]
        return [cited for cited in chain.from_iterable(zip_longest(*found)) if cited is not None]

    plain = _turns(dialogues, tokenizer="unicode61", stop=frozenset())
    baseline = _turns(dialogues, tokenizer="porter unicode61", stop=STOP_WORDS)
    newest = [[frozenset({line.id}) for line in reversed(talk.lines)] for talk in dialogues]
    recall = _recall(dialogues, lambda number, text: recalled(number, text, floor=True))
    control = _recall(dialogues, baseline)
    return {
        "dialogues": len(dialogues),
        "questions": sum(len(talk.questions) for talk in dialogues),
        **_rows("recall", recall),
        **_rows("recall_without_floor", _recall(dialogues, lambda number, text: recalled(number, text, floor=False))),
        **_rows("fts_stems_stop_words", control),
        **_rows("fts_plain", _recall(dialogues, plain)),
        **_rows("last_turns", _recall(dialogues, lambda number, _: newest[number])),
        "above_fts_at_10": round(recall[0, 10] - control[0, 10], 3),
        **_counts(dialogues, minds),
    }


def _data() -> Path | None:
    """The file after `--data`, where there is one."""
    given = sys.argv[sys.argv.index("--data") + 1 :][:1] if "--data" in sys.argv else []
    return Path(given[0]) if given and Path(given[0]).is_file() else None


async def _mind(talk: Dialogue, speaker: str, embedder: Embedder) -> Mind:
    """One speaker is the user, the other one the agent: reflection session by session."""
    agent, reflector, mind = load_agents(None)["counsellor"], ExtractiveReflector(NoVerdicts()), Mind()
    key = agent.mind_key("bench", speaker)
    version = MindVersion(key, 1, "preset", talk.sessions[0].at, {block.label: () for block in agent.reflective})
    of_turn: dict[tuple[str, int], str] = {}
    for number, session in enumerate(talk.sessions):
        conversation = f"session-{number}"
        turns = _turns_of(session, speaker)
        of_turn |= {(conversation, turn.seq): line.id for turn, line in zip(turns, session.lines, strict=True)}
        proposal = await reflector.reflect(agent, version, turns, conversation_id=conversation)
        made = apply(version, proposal.operations, agent, turns=turns).version
        if made is None:
            continue
        mind.episodes |= {change.came for change in made.changes if change.came and change.reason == EPISODE}
        mind.archive |= {entry.id: entry for block in made.archive.values() for entry in block}
        version = MindVersion(key, version.number + 1, "reflection", session.at, made.blocks)
    mind.blocks = {entry.id: entry for block in version.blocks.values() for entry in block}
    mind.cites = {
        entry.id: frozenset(of_turn[piece.conversation_id, piece.turn] for piece in entry.evidence)
        for entry in mind.entries.values()
    }
    ids = list(mind.entries)
    mind.index = VectorIndex(embedder.dimensions)
    for entry, vector in zip(
        ids, await embedder.embed([statement(mind.entries[one].text) for one in ids]), strict=True
    ):
        mind.index.add(entry, vector)
    mind.words = FullText([(entry.id, f"{entry.text}\n{entry.cue}") for entry in mind.entries.values()])
    return mind


def _turns_of(session: Session, speaker: str) -> tuple[Turn, ...]:
    return tuple(
        Turn(seq, "user" if line.speaker == speaker else "agent", line.text, line.text, session.at)
        for seq, line in enumerate(session.lines, 1)
    )


def _wanted(talk: Dialogue, text: str) -> list[tuple[str, Query]]:
    """The minds that a question is asked to, that of the one speaker who is named or both, and what each looks for."""
    named = [speaker for speaker in talk.speakers if re.search(rf"\b{speaker}\b", text)]
    queries = {
        speaker: query([text], person=speaker, names=talk.speakers)
        for speaker in (named if len(named) == 1 else talk.speakers)
    }
    return [(speaker, wanted) for speaker, wanted in queries.items() if wanted]


async def _vectors(dialogues: Sequence[Dialogue], embedder: Embedder) -> dict[str, Vector]:
    """The point of everything that is looked for."""
    texts = sorted(
        {wanted.text for talk in dialogues for question in talk.questions for _, wanted in _wanted(talk, question.text)}
    )
    return dict(zip(texts, await embedder.embed(texts), strict=True))


def _of_mind(mind: Mind, wanted: Query, vector: Vector, *, floor: bool) -> list[frozenset[str]]:
    if mind.words is None or mind.index is None:
        return []
    entries = mind.entries
    lengths = [len(entry.text) + len(entry.cue) for entry in entries.values()]
    found = {
        entry: share(wanted.words, entries[entry].text, cue=entries[entry].cue)
        for entry in mind.words.recall(wanted.words, lengths, limit=CANDIDATES)
    }
    alike = mind.index.alike(vector, also=found)
    return [mind.cites[entry] for entry in fused(found, alike, limit=max(KS), floor=floor)]


def _turns(dialogues: Sequence[Dialogue], *, tokenizer: str, stop: frozenset[str]) -> Ranking:
    """Full-text search over all turns with the names of who said them."""
    tables = [
        FullText([(line.id, f"{line.speaker}: {line.text}") for line in talk.lines], tokenizer=tokenizer)
        for talk in dialogues
    ]

    def ranking(number: int, text: str) -> list[frozenset[str]]:
        words = [word for word in dict.fromkeys(re.findall(r"\w+", text.lower())) if word not in stop]
        return [frozenset({line}) for line in tables[number].find(words, limit=max(KS))]

    return ranking


def _recall(dialogues: Sequence[Dialogue], ranking: Ranking) -> dict[tuple[int, int], float]:
    """By category (0: all but adversarial) and k: the mean share of a question's evidence among what the first k cite."""
    shares: dict[tuple[int, int], list[float]] = defaultdict(list)
    for number, talk in enumerate(dialogues):
        for question in talk.questions:
            ranked = ranking(number, question.text)
            for k in KS:
                cited = frozenset[str]().union(*ranked[:k])
                share = len(cited & question.evidence) / len(question.evidence)
                shares[question.category, k].append(share)
                if CATEGORIES[question.category] != "adversarial":
                    shares[0, k].append(share)
    return {place: sum(found) / len(found) for place, found in shares.items()}


def _rows(name: str, recall: dict[tuple[int, int], float]) -> Result:
    rows: Result = {name: " / ".join(f"{recall[0, k]:.3f}" for k in KS)}
    for category, title in CATEGORIES.items():
        if (category, KS[0]) in recall:
            rows[f"{name}: {title}"] = " / ".join(f"{recall[category, k]:.3f}" for k in KS)
    return rows


def _counts(dialogues: Sequence[Dialogue], minds: Sequence[dict[str, Mind]]) -> Result:
    held = [mind for talk in minds for mind in talk.values()]
    sessions = sum(len(talk.sessions) * len(talk.speakers) for talk in dialogues)
    return {
        "sessions": sessions,
        "user_turns_per_session": round(sum(len(talk.lines) for talk in dialogues) / sessions, 1),
        "lasting_entries_per_session": round(
            sum(len(mind.entries.keys() - mind.episodes) for mind in held) / sessions, 2
        ),
        "episodes_per_session": round(sum(len(mind.entries.keys() & mind.episodes) for mind in held) / sessions, 2),
        "turns_cited_per_entry": round(
            sum(len(cited) for mind in held for cited in mind.cites.values()) / sum(len(mind.cites) for mind in held), 2
        ),
    }
