"""What tests of erasure share: everything that a database holds, and a mind with a long history in which every word can be traced."""

import random
import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType

import sqlalchemy as sa

from voicemind.store.contract import Store
from voicemind.store.database import open_engine, parse_url
from voicemind.store.tables import SEARCH_TABLE, metadata
from voicemind.store.values import Change, Entry, Evidence, MindKey, MindVersion, NewTurn, NewVersion

WORD = re.compile(r"zq\d+w")
"""What is said in these histories: words that no stemmer shortens and no id contains."""
SEED = MappingProxyType({"role": ("I listen.",), "memory": (), "goals": ()})


def dump(url: str) -> dict[str, str]:
    """All rows of all tables as text, by table; bytes as Latin-1."""
    engine = open_engine(parse_url(url))
    try:
        with engine.connect() as connection:
            names = [*metadata.tables, SEARCH_TABLE]
            return {
                name: "\n".join(
                    "|".join(
                        cell.decode("latin-1") if isinstance(cell, bytes) else str(cell)
                        for cell in (bytes(raw) if isinstance(raw, memoryview) else raw for raw in row)
                    )
                    for row in connection.exec_driver_sql(f"SELECT * FROM {name}")
                )
                for name in names
            }
    finally:
        engine.dispose()


def rows(url: str, statement: str, *, write: bool = False) -> list[tuple[object, ...]]:
    """What a statement answers, past the store."""
    engine = sa.create_engine(parse_url(url))
    try:
        with engine.begin() as connection:
            answer = connection.exec_driver_sql(statement)
            return [] if write else [tuple(row) for row in answer]
    finally:
        engine.dispose()


def words_in_files(path: Path) -> set[str]:
    """Words in the raw bytes of the database's file, its log and the log's index."""
    found: set[str] = set()
    for suffix in ("", "-wal", "-shm", "-journal"):
        file = Path(f"{path}{suffix}")
        if file.exists():
            found |= set(WORD.findall(file.read_bytes().decode("latin-1")))
    return found


class History:
    """Conversations with a mind, and versions in which entries are added, joined, updated, merged, archived, brought back and undone."""

    def __init__(self, store: Store, key: MindKey, *, seed: int) -> None:
        self.store = store
        self.key = key
        self.said: dict[str, set[str]] = {}
        """The words of each conversation that is not erased."""
        self.stored: set[str] = set()
        """Ids of all entries that were ever stored: some come and go within one version."""
        self._random = random.Random(seed)
        self._numbers = count(1000 * seed)
        self._ids = count()

    async def talk(self, name: str, *, person: str) -> None:
        """A conversation and the version that its reflection writes."""
        key, store, pick = self.key, self.store, self._random
        await store.open_conversation(key, name, user_id=person, channel="chat", seed=SEED)
        known = sorted({word for words in self.said.values() for word in words})
        words = [f"zq{next(self._numbers)}w" for _ in range(4)]
        words += pick.sample(known, min(2, len(known)))
        self.said[name] = set(words)
        for word in words:
            await store.append_turn(key.tenant, name, NewTurn("user", f"I said {word} today.", heard=f"I said {word}"))
        reflection = await store.end_conversation(key, name)
        mind = await store.mind(key)
        assert mind is not None
        version = await self._version(mind, name, words)
        await store.finish_reflection(reflection, parent=mind.number, version=version, notes=version.notes)
        await self._embed()

    async def undo(self) -> None:
        """A version that brings back a random older one."""
        newest = await self.store.mind(self.key)
        assert newest is not None
        older = await self.store.mind_version(self.key, self._random.randint(1, newest.number))
        assert older is not None
        await self.store.write_version(
            self.key,
            NewVersion(newest.number, "undo", older.blocks, archive_of=older.number, restores=older.number),
        )

    async def _version(self, mind: MindVersion, name: str, words: list[str]) -> NewVersion:
        pick = self._random
        memory = list(mind.blocks["memory"])
        archived = {found.entry.id: found.entry for found in await self.store.archived(self.key, limit=1000)}
        archive: list[Entry] = []
        unarchive: list[str] = []
        changes: list[Change] = []
        for turn, word in enumerate(words, start=1):
            piece = Evidence(name, turn, f"I said {word}")
            cue = f"{pick.choice(words)} {pick.choice(words)}"
            old = pick.choice(memory) if memory else None
            same = next((entry for entry in memory if entry.text == f"Said {word}."), None)
            if same is not None:
                made = Entry(self._id(), same.text, (*same.evidence, piece), origins=same.origins, cue=cue)
                memory[memory.index(same)] = made
                changes.append(Change("merge", "memory", (same.id,), made.id, f"Said again: {word}"))
            elif old is not None and pick.random() < 0.4:
                made = Entry(
                    self._id(),
                    f"{old.text} And {word}.",
                    (*old.evidence, piece),
                    origins=(old.id,),
                    cue=f"{old.cue} {cue}",
                )
                memory[memory.index(old)] = made
                changes.append(Change("update", "memory", (old.id,), made.id, f"Now also {word}"))
            else:
                made = Entry(self._id(), f"Said {word}.", (piece,), cue=cue)
                memory.append(made)
                changes.append(Change("add", "memory", (), made.id, f"New: {word}"))
        self._consolidate(memory, changes)
        while len(memory) > 4:
            left = memory.pop(pick.randrange(len(memory)))
            archive.append(left)
            changes.append(Change("archive", "memory", (), left.id, f"No room for {left.text}"))
        if archived and pick.random() < 0.6:
            back = archived[pick.choice(sorted(archived))]
            unarchive.append(back.id)
            memory.append(back)
            changes.append(Change("recall", "memory", (), back.id, f"Asked for {back.text}"))
        others = [entry for entry in memory if entry.text]
        self.stored |= {entry.id for entry in (*memory, *archive)}
        notes = f"Learned {words[0]}. The mind says: {pick.choice(others).text}"
        return NewVersion(
            mind.number,
            "reflection",
            {**mind.blocks, "memory": tuple(memory)},
            archive={"memory": tuple(archive)} if archive else {},
            unarchive=tuple(unarchive),
            changes=tuple(changes),
            notes=notes,
            conversation_id=name,
        )

    def _consolidate(self, memory: list[Entry], changes: list[Change]) -> None:
        """The two oldest lines become one."""
        if len(memory) > 3:
            first, second = memory.pop(0), memory.pop(0)
            evidence = tuple(dict.fromkeys((*first.evidence, *second.evidence)))
            text = self._random.choice([f"{first.text} {second.text}", second.text])
            merged = Entry(self._id(), text, evidence, origins=(first.id, second.id))
            memory.append(merged)
            changes.append(Change("merge", "memory", (first.id, second.id), merged.id, f"One line: {text}"))

    async def _embed(self) -> None:
        """Vectors that can be read, of all that is archived."""
        found = await self.store.archived(self.key, limit=1000)
        vectors: Mapping[str, bytes] = {one.entry.id: f"{one.entry.text} {one.entry.cue}".encode() for one in found}
        await self.store.put_vectors(self.key, "readable", vectors)

    def _id(self) -> str:
        return f"entry-{next(self._ids):04}-{self._random.randrange(10**6)}"
