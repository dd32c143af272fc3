"""However reflections, people, imports and erasures interleave, a mind's history stays whole and tells nothing that was erased."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any, Literal, TypeVar

import anyio
import anyio.from_thread
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from tests.erasing import dump

from voicemind.conversation.opening import Opening
from voicemind.conversation.reviewing import Reviews
from voicemind.errors import BadRequest, StaleVersion
from voicemind.mind.agent import Agent, Block
from voicemind.mind.context import Minds
from voicemind.mind.document import markdown, parsed
from voicemind.mind.edits import Edit, Edits
from voicemind.mind.reflection.apply import apply
from voicemind.mind.reflection.contract import Add, Merge, Operation, Remove, Supersede, Update
from voicemind.mind.reflection.grounding import grounded
from voicemind.mind.reflection.proposal import Decision, encoded
from voicemind.mind.roster import Roster
from voicemind.store.contract import Store
from voicemind.store.sql import SqlStore
from voicemind.store.values import (
    ArchivedEntry,
    Entry,
    Evidence,
    MindKey,
    MindVersion,
    NewTurn,
    NewVersion,
    Reflection,
    Turn,
)

pytest_plugins = ["tests.databases"]

T = TypeVar("T")
State = tuple[dict[str, tuple[Entry, ...]], dict[str, str]]
"""The blocks of a version, and its archive as entry id and block."""

KEEPER = Agent(
    slug="keeper",
    name="Keeper",
    description="Keeps what it is told.",
    first_message="Hello.",
    blocks=(
        Block(label="role", title="Who you are", text="You are the keeper."),
        Block(label="plans", title="Plans", scope="user", reflects=True, holds="goals", limit=150),
        Block(
            label="memory",
            title="Memory",
            scope="user",
            reflects=True,
            holds="facts",
            limit=260,
            entries=("The user came by the front door.",),
        ),
    ),
)
THINGS = ("tea", "chess", "long walks", "old maps", "rain")
MARKER = re.compile(r"zq\d+x\d+w")
TENANTS = count(1)


class Histories(RuleBasedStateMachine):
    """One mind with everybody who writes to it. `seen` is what each version held, as far as no erasure has rewritten it."""

    def __init__(self, store: Store, portal: BlockingPortal, url: str) -> None:
        super().__init__()
        self.number = next(TENANTS)
        self.url, self.portal, self.store = url, portal, store
        self.key = MindKey(f"tenant-{self.number}", KEEPER.slug, "anna")
        self.minds = Minds(store)
        self.edits = Edits(store, self.minds)
        self.opening = Opening(store, Roster({KEEPER.slug: KEEPER}, store))
        self.reviews = Reviews(store, self.opening, self.minds)
        self.numbers = count(1)
        self.talks: dict[str, set[str]] = {}
        self.waiting: list[Reflection] = []
        self.erased: set[str] = set()
        self.exports: list[str] = []
        self.seen: dict[int, State] = {}
        self.do(store.ensure_mind, self.key, seed=KEEPER.seed())
        self.remember_versions()

    def do(self, work: Callable[..., Awaitable[T]], *given: Any, **named: Any) -> T:
        async def wait() -> T:
            with anyio.fail_after(30):
                return await work(*given, **named)

        return self.portal.call(wait)

    def newest(self) -> MindVersion:
        version = self.do(self.store.mind, self.key)
        assert version is not None
        return version

    def version(self, number: int) -> MindVersion:
        version = self.do(self.store.mind_version, self.key, number)
        assert version is not None, f"there is a gap at {number}"
        return version

    def archive(self, number: int | None = None) -> tuple[ArchivedEntry, ...]:
        return self.do(self.store.archived, self.key, number=number, limit=10_000)

    def state(self, number: int) -> State:
        return dict(self.version(number).blocks), {one.entry.id: one.block for one in self.archive(number)}

    def remember_versions(self) -> None:
        """Note what the versions hold that are new."""
        for number in range(len(self.seen) + 1, self.newest().number + 1):
            self.seen[number] = self.state(number)

    # What can happen

    @rule(pick=st.randoms(use_true_random=False), way=st.sampled_from(["write", "write", "race", "review"]))
    def reflect(self, pick: Random, way: str) -> None:
        talk, turns, reflection = self._talk(pick)
        version, archived = self.newest(), self.archive()
        touched = pick.sample(archived, min(len(archived), 3))
        proposed = self._operations(pick, version, touched, turns=turns, talk=talk)
        entries = [*(entry for block in version.blocks.values() for entry in block), *(one.entry for one in touched)]
        sound = grounded(proposed, KEEPER, turns=turns, conversation_id=talk, entries=entries).operations
        if way == "review":
            if sound:
                parent, rows = version.number, encoded(sound)
                notes = f"Told by {talk}: {turns[0].generated}"
                self.waiting.append(
                    self.do(self.store.propose_reflection, reflection, parent=parent, proposal=rows, notes=notes)
                )
            return
        applied = apply(version, sound, KEEPER, turns=turns, archived=touched).version
        made = applied and _signed(applied, talk, notes=f"Told: {turns[0].generated}")
        if way == "race":
            self.do(self.edits.edit, KEEPER, self.key, [Edit("add", "memory", text=self._by_hand(pick))])
            with pytest.raises(StaleVersion):
                self.do(self.store.finish_reflection, reflection, parent=version.number, version=made, notes="too late")
            if made is not None:
                with pytest.raises(StaleVersion):
                    self.do(self.store.write_version, self.key, made)
            return
        done = self.do(self.store.finish_reflection, reflection, parent=version.number, version=made, notes="done")
        assert done.after == version.number + (made is not None)
        self._within_limits()

    @precondition(lambda self: self.waiting)
    @rule(pick=st.randoms(use_true_random=False))
    def review(self, pick: Random) -> None:
        reflection = self.waiting.pop(pick.randrange(len(self.waiting)))
        found = self.do(self.store.reflection, self.key.tenant, reflection.conversation_id)
        assert found is not None
        decisions = [
            Decision("accept")
            if row["op"] == "remove" or pick.random() < 0.6
            else pick.choice([Decision("reject"), Decision("edit", self._by_hand(pick))])
            for row in found.proposal
        ]
        self.do(self.reviews.decide, self.key.tenant, reflection.conversation_id, decisions)
        self._within_limits()

    @rule(pick=st.randoms(use_true_random=False), stale=st.booleans())
    def edit(self, pick: Random, stale: bool) -> None:
        version, archived = self.newest(), self.archive()
        ids = [entry.id for block in version.blocks.values() for entry in block] + [one.entry.id for one in archived]
        edits = [self._edit(pick, ids) for _ in range(pick.randint(1, 4))]
        if stale and version.number > 1:
            with pytest.raises(StaleVersion):
                self.do(self.edits.edit, KEEPER, self.key, edits, parent=version.number - 1)
            return
        with suppress(BadRequest):  # an entry that an edit before it has replaced
            done = self.do(self.edits.edit, KEEPER, self.key, edits, parent=version.number)
            assert self._everything() >= set(ids) - _replaced(done), "an edit lost an entry"
            self._within_limits()

    @rule(pick=st.randoms(use_true_random=False))
    def undo_any(self, pick: Random) -> None:
        number = pick.randint(1, self.newest().number)
        with suppress(BadRequest):
            self.do(self.edits.undo, KEEPER, self.key, number=number)

    @precondition(lambda self: len(self.seen) > 1)
    @rule()
    def undo_the_newest(self) -> None:
        before = self.state(len(self.seen) - 1)
        done = self.do(self.edits.undo, KEEPER, self.key)
        assert self.state(done.number) == before

    @rule(pick=st.randoms(use_true_random=False))
    def restore(self, pick: Random) -> None:
        number = pick.randint(1, self.newest().number)
        before = self.state(number)
        done = self.do(self.edits.restore, KEEPER, self.key, number)
        if not self.erased:
            assert self.state(done.number) == before

    @rule()
    def export_and_import(self) -> None:
        text = markdown(KEEPER, self.newest(), self.archive())
        self.exports.append(text)
        other = MindKey(self.key.tenant, KEEPER.slug, f"copy-{next(self.numbers)}")
        for key in (other, self.key):
            done = self.do(self.edits.replace, KEEPER, key, parsed(text))
            archived = self.do(self.store.archived, key, limit=10_000)
            again = markdown(KEEPER, done, archived).replace(f'user: "{key.user_id}"', f'user: "{self.key.user_id}"')
            if not self.erased:  # an erasure may leave more in a block than fits, and an import makes room
                assert again == text
        self.do(self.store.erase_user, self.key.tenant, other.user_id)

    @precondition(lambda self: self.exports)
    @rule(pick=st.randoms(use_true_random=False))
    def import_an_older_one(self, pick: Random) -> None:
        self.do(self.edits.replace, KEEPER, self.key, parsed(pick.choice(self.exports)))
        self._within_limits()

    @precondition(lambda self: self.talks)
    @rule(pick=st.randoms(use_true_random=False))
    def erase(self, pick: Random) -> None:
        talk = pick.choice(sorted(self.talks))
        words = self.talks.pop(talk)
        before = {number: len(_ids(*self.state(number))) for number in self.seen}
        self.do(self.store.erase_conversation, self.key.tenant, talk)
        self.erased |= words
        self.exports.clear()  # files are not ours to erase from
        self.waiting = [one for one in self.waiting if one.conversation_id != talk]
        for number in self.seen:
            self.seen[number] = self.state(number)
        assert before.keys() <= self.seen.keys()
        for name, table in dump(self.url).items():
            left = [row for row in table.splitlines() if self.erased.intersection(MARKER.findall(row))]
            assert not left, f"{name} still tells what was erased: {left}"

    @rule()
    def embed(self) -> None:
        vectors = {one.entry.id: one.entry.text.encode() for one in self.archive()}
        self.do(self.store.put_vectors, self.key, "readable", vectors)

    # What is always so

    @invariant()
    def the_history_is_whole(self) -> None:
        self.remember_versions()
        listed = self.do(self.store.mind_versions, self.key, limit=10_000)
        assert [version.number for version in listed] == list(range(len(self.seen), 0, -1))
        for number, seen in self.seen.items():
            blocks, archived = self.state(number)
            assert (blocks, archived) == seen, f"version {number} is not what it was"
            live = [entry.id for block in blocks.values() for entry in block]
            assert len(live) == len(set(live))
            assert not set(live) & archived.keys(), f"in version {number} an entry is both live and archived"

    @invariant()
    def every_piece_of_evidence_can_be_read(self) -> None:
        for number in self.seen:
            entries = [entry for block in self.version(number).blocks.values() for entry in block]
            for entry in (*entries, *(one.entry for one in self.archive(number))):
                assert {piece.conversation_id for piece in entry.evidence} <= self.talks.keys()
                told = " ".join((entry.text, entry.cue, *(piece.quote for piece in entry.evidence)))
                assert not set(MARKER.findall(told)) & self.erased

    @invariant()
    def the_search_finds_what_the_archive_holds(self) -> None:
        archived = {one.entry.id: one for one in self.archive()}
        words = sorted({word for one in archived.values() for word in one.entry.text.split()})
        chunks = [words[at : at + 40] for at in range(0, len(words), 40)]
        found = [one for chunk in chunks for one in self.do(self.store.find_archived, self.key, chunk, limit=10_000)]
        assert {one.entry.id for one in found} == archived.keys()
        assert all(archived[one.entry.id] == ArchivedEntry(one.entry, one.block) for one in found)

    # What is said and done

    def _talk(self, pick: Random) -> tuple[str, Sequence[Turn], Reflection]:
        talk = f"talk-{next(self.numbers)}"
        opened = {"user_id": "anna", "channel": "chat", "seed": KEEPER.seed()}
        self.do(self.store.open_conversation, self.key, talk, **opened)
        for _ in range(pick.randint(1, 3)):
            said = f"I like {pick.choice(THINGS)}{self._marker() if pick.random() < 0.7 else ''}."
            self.do(self.store.append_turn, self.key.tenant, talk, NewTurn("user", said, heard=said))
            said = f"We will practise{self._marker()} then."
            self.do(self.store.append_turn, self.key.tenant, talk, NewTurn("agent", said, heard=said))
        turns = self.do(self.store.turns, self.key.tenant, talk)
        self.talks[talk] = {word for turn in turns for word in MARKER.findall(turn.generated)}
        return talk, turns, self.do(self.store.end_conversation, self.key, talk)

    def _marker(self) -> str:
        return f" zq{self.number}x{next(self.numbers)}w"

    def _operations(
        self, pick: Random, version: MindVersion, touched: Sequence[ArchivedEntry], *, turns: Sequence[Turn], talk: str
    ) -> list[Operation]:
        operations: list[Operation] = []
        for _ in range(pick.randint(1, 5)):
            label = pick.choice(["memory", "memory", "plans"])
            turn = pick.choice([turn for turn in turns if label == "plans" or turn.role == "user"])
            evidence = (Evidence(talk, turn.seq, turn.generated),)
            told = turn.generated.replace("I like", "The user likes").replace("We will", "The two will")
            old = [*version.blocks[label], *(one.entry for one in touched if one.block == label)]
            if not old or pick.random() < 0.4:
                lasting = pick.random() < 0.7
                cue = " ".join(turn.generated for turn in turns)
                operations.append(Add(label, told, evidence, f"said: {told}", lasting=lasting, cue=cue))
                continue
            one, other = pick.choice(old), pick.choice(old)
            reason = f"because of {one.text} and {told}"
            both = f"{one.text.rstrip('.')} and {told}"
            text = pick.choice([told, both])
            choices: list[Operation] = [
                Update(label, one.id, both, evidence, reason),
                Supersede(label, one.id, text, evidence, reason),
                Remove(label, one.id, evidence, reason),
                Merge(label, (one.id, other.id), f"{one.text} {other.text}", reason),
                Merge(label, (one.id, other.id), f"{one.text} {told}", reason, evidence),
            ]
            operations.append(pick.choice(choices))
        return operations

    def _edit(self, pick: Random, ids: Sequence[str]) -> Edit:
        ops: list[Literal["add", "update", "remove", "archive", "recall"]] = [
            "add",
            "update",
            "remove",
            "archive",
            "recall",
        ]
        op = pick.choice([*ops, "archive", "recall"])
        if op == "add" or not ids:
            return Edit("add", pick.choice(["memory", "plans"]), text=self._by_hand(pick))
        return Edit(op, entry_id=pick.choice(ids), text=self._by_hand(pick))

    def _by_hand(self, pick: Random) -> str:
        return f"By hand {next(self.numbers)}, {pick.choice(THINGS)}{' and so on' * pick.randint(0, 12)}."

    def _everything(self) -> set[str]:
        return _ids(*self.state(self.newest().number))

    def _within_limits(self) -> None:
        version = self.newest()
        for block in KEEPER.reflective:
            size = sum(len(entry.text) + 3 for entry in version.blocks[block.label])
            assert size <= block.limit, f"{block.label} is over its limit"


def _ids(blocks: dict[str, tuple[Entry, ...]], archived: dict[str, str]) -> set[str]:
    return {entry.id for block in blocks.values() for entry in block} | archived.keys()


def _replaced(version: MindVersion) -> set[str]:
    """Entries of which the version's changes say that others stand in their place, or nothing."""
    return {gone for change in version.changes for gone in change.gone if change.came != gone}


def _signed(version: NewVersion, talk: str, *, notes: str) -> NewVersion:
    return replace(version, conversation_id=talk, notes=notes)


@contextmanager
def _working(url: str) -> Iterator[tuple[SqlStore, BlockingPortal]]:
    with anyio.from_thread.start_blocking_portal() as portal:
        store = SqlStore(url)
        portal.call(store.start)
        try:
            yield store, portal
        finally:
            portal.call(store.aclose)


def _run(url: str, *, examples: int, steps: int) -> None:
    with _working(url) as (store, portal):
        machine: Any = lambda: Histories(store, portal, url)  # noqa: E731 - hypothesis takes whatever makes a machine
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


def test_any_interleaving_leaves_a_whole_history_on_sqlite(sqlite_url: str) -> None:
    _run(sqlite_url, examples=25, steps=14)


@pytest.mark.postgres
def test_any_interleaving_leaves_a_whole_history_on_postgresql(postgres_url: str) -> None:
    _run(postgres_url, examples=5, steps=10)
