"""Reflections as jobs: whatever a model, a process or a person does, each is made once, or fails where everybody can see it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest
import structlog
from tests.reflecting import KEY, LIMIT_S, MEMORY, NEVER_SWEPT, QUICK, TENANT, Home, Remembers, at_work, finish

from voicemind.conversation.ending import Patience
from voicemind.errors import ProviderRefused, ProviderUnavailable, StaleVersion, StorageUnavailable, UnknownConversation
from voicemind.jobs.backoff import Backoff
from voicemind.mind.agent import Agent
from voicemind.mind.reflection.contract import Add, Operation, Proposal, Remove, Supersede
from voicemind.mind.reply import Replies, Situation
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
pytestmark = pytest.mark.anyio

CAT = "I have a cat called Biscuit."
DOG = "I have a dog called Rollo."
SECRET = "Nobody may read this in a log."


class Thinks(Remembers):
    """Does something before it remembers, and counts."""

    def __init__(self, before: Callable[[], Awaitable[None]]) -> None:
        self.before = before
        self.calls = 0

    async def reflect(
        self,
        agent: Agent,
        version: MindVersion,
        turns: Sequence[Turn],
        *,
        conversation_id: str,
        person: str = "",
        archived: Sequence[ArchivedEntry] = (),
    ) -> Proposal:
        self.calls += 1
        await self.before()
        return await super().reflect(agent, version, turns, conversation_id=conversation_id, person=person)


class Proposes(Remembers):
    """Proposes this, whatever was said."""

    def __init__(self, *operations: Operation) -> None:
        self.operations = operations

    async def reflect(
        self,
        agent: Agent,
        version: MindVersion,
        turns: Sequence[Turn],
        *,
        conversation_id: str,
        person: str = "",
        archived: Sequence[ArchivedEntry] = (),
    ) -> Proposal:
        return Proposal(self.operations)


class Trouble(SqlStore):
    """Cannot claim or renew while there is trouble; tells of every renewal."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.troubled: set[str] = set()
        self.claims = self.renewals = 0
        self.renewed = anyio.Event()

    async def claim_reflection(self, worker: str, *, lease_s: float) -> Reflection | None:
        self.claims += 1
        if "claim" in self.troubled:
            raise StorageUnavailable("the database cannot be used now (disk I/O error)")
        return await super().claim_reflection(worker, lease_s=lease_s)

    async def renew_reflection(self, reflection: Reflection, *, lease_s: float) -> bool:
        if "renew" in self.troubled:
            raise StorageUnavailable("the database cannot be used now (disk I/O error)")
        held = await super().renew_reflection(reflection, lease_s=lease_s)
        self.renewals += 1
        renewed, self.renewed = self.renewed, anyio.Event()
        renewed.set()
        return held


@asynccontextmanager
async def troubled(url: str) -> AsyncGenerator[Trouble]:
    store = Trouble(url)
    with anyio.fail_after(LIMIT_S):
        await store.start()
    yield store
    with anyio.fail_after(LIMIT_S):
        await store.aclose()


async def ended(home: Home, name: str, *sentences: str) -> None:
    await home.endings.end(await home.talk(name, *sentences))


async def status(store: SqlStore, name: str = "talk") -> tuple[str, str, int]:
    reflection = await store.reflection(TENANT, name)
    assert reflection is not None
    return reflection.status, reflection.error, reflection.attempts


async def until(home: Home, wanted: str, name: str = "talk") -> Reflection:
    """The reflection when it has this status."""
    with anyio.fail_after(LIMIT_S):
        while True:
            settled = home.worker.settled
            reflection = await home.store.reflection(TENANT, name)
            if reflection is not None and reflection.status == wanted:
                return reflection
            await settled.wait()


async def test_two_conversations_with_one_mind_that_end_at_once_are_both_in_it(store: SqlStore) -> None:
    both_have_read = anyio.Event()

    async def meet() -> None:
        if reflector.calls == 2:
            both_have_read.set()
        await both_have_read.wait()

    reflector = Thinks(meet)
    home = Home.build(store, reflector, pace=replace(QUICK, at_once=2))
    await ended(home, "first", CAT)
    await ended(home, "second", DOG)
    async with at_work(home):
        first, second = await home.over("first"), await home.over("second")

    assert sorted(await home.remembered()) == [CAT, DOG]
    assert {first.after, second.after} == {2, 3}
    assert {first.before, second.before} == {1, 2}
    assert (first.attempts, second.attempts) == (1, 1)
    assert reflector.calls == 3


async def test_a_mind_that_changes_faster_than_it_is_thought_about_is_tried_again_later(store: SqlStore) -> None:
    async def be_late() -> None:
        name = f"other-{reflector.calls}"
        if reflector.calls <= 5:
            await ended(home, name, f"Number {reflector.calls}.")
            other = await store.claim_reflection("other", lease_s=60)
            assert other is not None
            assert other.conversation_id == name
            await finish(store, other, parent=reflector.calls, blocks={MEMORY: ()}, notes="")

    reflector = Thinks(be_late)
    home = Home.build(store, reflector)
    await ended(home, "talk", CAT)
    async with at_work(home):
        done = await home.over("talk")

    assert (done.status, done.error, done.attempts, done.after) == ("done", "", 2, 7)
    assert await home.remembered() == [CAT]


async def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (lambda: fail(ProviderUnavailable(SECRET, provider="model")), "provider_unavailable"),
        (lambda: fail(ProviderRefused(SECRET, provider="model")), "provider_refused"),
        (lambda: fail(StaleVersion(SECRET)), "stale_version"),
        (lambda: fail(ValueError(SECRET)), "internal_error"),
        (lambda: fail(ExceptionGroup(SECRET, [KeyError(SECRET)])), "internal_error"),
        (anyio.sleep_forever, "timed_out"),
    ],
    ids=["unavailable", "refused", "always overtaken", "no JSON", "broken", "never answers"],
)
async def test_a_reflection_that_always_fails_is_given_up_visibly_and_a_person_can_have_it_tried_again(
    failure: Callable[[], Awaitable[None]], code: str, store: SqlStore
) -> None:
    reflector = Thinks(failure)
    home = Home.build(store, reflector, pace=replace(QUICK, limit_s=0.2 if code == "timed_out" else 20))
    await ended(home, "talk", CAT)
    before = await store.mind(KEY)
    with structlog.testing.capture_logs() as logs:
        async with at_work(home):
            failed = await home.over("talk")
            tries = reflector.calls
            assert (failed.status, failed.error, failed.attempts) == ("failed", code, 3)
            assert (await store.conversation(TENANT, "talk")).status == "failed"
            assert await store.mind(KEY) == before
            assert len(await store.turns(TENANT, "talk")) == 2

        reflector.before = anyio.lowlevel.checkpoint
        home = Home.build(store, reflector)
        again = await home.endings.retry(TENANT, "talk")
        async with at_work(home):
            done = await home.over("talk")
    assert (again.status, again.attempts) == ("waiting", 0)
    assert (done.status, done.error, done.attempts) == ("done", "", 1)
    assert await home.remembered() == [CAT]
    assert (
        tries == (15 if code == "stale_version" else 3) or code == "timed_out"
    )  # a slow machine times out before it asks
    told = [(one["event"], one["code"], one["attempt"], one["retry_s"]) for one in logs if "retry_s" in one]
    assert told == [
        ("job postponed", code, 1, 0.01),
        ("job postponed", code, 2, 0.04),
        ("job failed", code, 3, None),
    ]
    assert SECRET not in repr(logs)
    places = [one["where"] for one in logs if "where" in one]
    assert all(place.startswith("test_reflecting.py:") for place in places)
    assert len(places) == (3 if code == "internal_error" else 0)


async def test_a_failed_reflection_waits_before_it_is_tried_again(store: SqlStore) -> None:
    reflector = Thinks(lambda: fail(ProviderUnavailable("The model is busy.", provider="model")))
    home = Home.build(store, reflector, pace=replace(QUICK, backoff=Backoff(attempts=3, first_s=600)))
    await ended(home, "talk", CAT)
    settled = home.worker.settled
    async with at_work(home):
        with anyio.fail_after(LIMIT_S):
            await settled.wait()

        assert await status(store) == ("waiting", "provider_unavailable", 1)
        assert await store.claim_reflection("other", lease_s=60) is None
        assert reflector.calls == 1
        assert await store.pending_reflections(KEY) == 1


def said(quote: str, *, turn: int = 1, talk: str = "talk") -> tuple[Evidence, ...]:
    return (Evidence(talk, turn, quote),)


@pytest.mark.parametrize(
    "proposed",
    [
        Add("role", "Obeys everybody.", said(CAT), "a block that is not reflected on"),
        Add("nowhere", "Has a cat.", said(CAT), "a block that is not there"),
        Add(MEMORY, "Has a tiger.", (), "nothing"),
        Add(MEMORY, "Has a tiger.", said("I have a tiger."), "it was never said"),
        Add(MEMORY, "Has a tiger.", said("I see.", turn=2), "the agent said it"),
        Add(MEMORY, "Has a tiger.", said(CAT, turn=99), "there is no such turn"),
        Add(MEMORY, "Has a tiger.", said(CAT, talk="another"), "another conversation"),
        Add(MEMORY, "", said(CAT), "empty"),
        Remove(MEMORY, "no-such-entry", said(CAT), "dropped"),
        Supersede("role", "no-such-entry", "Obeys everybody.", said(CAT), "a block that is not reflected on"),
    ],
    ids=lambda operation: f"{type(operation).__name__} {operation.reason}",
)
async def test_what_a_model_proposes_without_ground_leaves_the_mind_as_it_was(
    proposed: Operation, store: SqlStore
) -> None:
    home = Home.build(store, Proposes(proposed))
    await ended(home, "talk", CAT)
    before = await store.mind(KEY)
    async with at_work(home):
        done = await home.over("talk")

    assert (done.status, done.before, done.after) == ("done", 1, 1)
    assert await store.mind(KEY) == before


async def test_ten_megabytes_of_an_answer_never_become_memory(store: SqlStore) -> None:
    home = Home.build(store, Proposes(Add(MEMORY, "x" * 10_000_000, said(CAT), "too much")))
    await ended(home, "talk", CAT)
    async with at_work(home):
        done = await home.over("talk")

    assert done.status == "done"
    assert sum(map(len, await home.remembered())) < 10_000


async def test_a_reflection_that_outlasts_its_lease_is_not_taken_over(database_url: str) -> None:
    async with troubled(database_url) as store:

        async def outlast() -> None:
            while store.renewals < 5:
                await store.renewed.wait()
            assert await store.claim_reflection("other", lease_s=60) is None

        home = Home.build(store, Thinks(outlast), pace=replace(QUICK, lease_s=1.0))
        await ended(home, "talk", CAT)
        async with at_work(home):
            done = await home.over("talk")

    assert (done.status, done.attempts, done.after) == ("done", 1, 2)


async def test_who_could_not_renew_a_lease_in_time_stops_when_another_has_taken_over(database_url: str) -> None:
    stopped = anyio.Event()

    async def never() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()

    async with troubled(database_url) as slow_store, troubled(database_url) as store:
        slow_store.troubled.add("renew")
        slow = Home.build(slow_store, Thinks(never), name="slow")
        quick = Home.build(store, Remembers(), name="quick")
        await ended(slow, "talk", CAT)
        with structlog.testing.capture_logs() as logs:
            async with at_work(slow):
                await anyio.lowlevel.checkpoint()
                while await status(slow_store) != ("running", "", 1):
                    await anyio.lowlevel.checkpoint()
                async with at_work(quick):
                    done = await quick.over("talk")
                slow_store.troubled.clear()
                with anyio.fail_after(LIMIT_S):
                    settled = slow.worker.settled
                    await stopped.wait()
                    await settled.wait()
        assert await store.reflection(TENANT, "talk") == done
        assert await quick.remembered() == [CAT]
    assert (done.status, done.attempts, done.after) == ("done", 2, 2)
    assert "job was taken over" in [one["event"] for one in logs]


async def test_a_worker_that_is_stopped_hands_back_what_it_was_doing(store: SqlStore) -> None:
    thinking = anyio.Event()

    async def begin() -> None:
        thinking.set()
        await anyio.sleep_forever()

    home = Home.build(store, Thinks(begin), pace=replace(QUICK, lease_s=600))
    await ended(home, "talk", CAT)
    async with at_work(home):
        with anyio.fail_after(LIMIT_S):
            await thinking.wait()
    assert await status(store) == ("waiting", "interrupted", 1)

    restarted = Home.build(store)
    async with at_work(restarted):
        assert (await restarted.over("talk")).attempts == 2


async def test_however_often_a_worker_is_stopped_a_reflection_is_not_given_up(store: SqlStore) -> None:
    await ended(Home.build(store), "talk", CAT)
    for stop in range(1, 6):  # more often than it may fail
        thinking = anyio.Event()

        async def begin(thinking: anyio.Event = thinking) -> None:
            thinking.set()
            await anyio.sleep_forever()

        async with at_work(Home.build(store, Thinks(begin), pace=replace(QUICK, lease_s=600))):
            with anyio.fail_after(LIMIT_S):
                await thinking.wait()
        assert await status(store) == ("waiting", "interrupted", stop)
    restarted = Home.build(store, Remembers())
    async with at_work(restarted):
        assert (await restarted.over("talk")).status == "done"


async def test_processes_that_died_over_a_reflection_leave_the_model_all_its_tries(store: SqlStore) -> None:
    async def fail() -> None:
        raise ProviderUnavailable("not now", provider="test")

    reflector = Thinks(fail)
    home = Home.build(store, reflector)
    await ended(home, "talk", CAT)
    for _ in range(2):
        assert await store.claim_reflection("dead", lease_s=0) is not None
    async with at_work(home):
        failed = await home.over("talk")

    assert (failed.status, failed.error) == ("failed", "provider_unavailable")
    assert (reflector.calls, failed.failures, failed.lost) == (3, 3, 2)


async def test_a_reflection_that_every_process_died_over_is_given_up_without_another_try(store: SqlStore) -> None:
    reflector = Thinks(anyio.lowlevel.checkpoint)
    home = Home.build(store, reflector)
    await ended(home, "talk", CAT)
    for _ in range(3):
        assert await store.claim_reflection("dead", lease_s=0) is not None
    async with at_work(home):
        failed = await home.over("talk")

    assert (failed.status, failed.error) == ("failed", "interrupted")
    assert reflector.calls == 0


async def test_a_reflection_for_an_agent_that_is_gone_fails_at_once_and_keeps_nobody_waiting(store: SqlStore) -> None:
    gone = MindKey(TENANT, "gone", "bert")
    home = Home.build(store, Remembers(), pace=replace(QUICK, backoff=Backoff(attempts=5, first_s=600)))
    await store.open_conversation(gone, "orphan", user_id="bert", channel="browser")
    await store.append_turn(TENANT, "orphan", NewTurn("user", CAT, heard=CAT))
    await store.end_conversation(gone, "orphan")
    await ended(home, "talk", DOG)
    async with at_work(home):
        await home.over("talk")

    assert await status(store, "orphan") == ("failed", "model_not_found", 1)
    assert len(await store.turns(TENANT, "orphan")) == 1
    assert await home.remembered() == [DOG]


async def test_a_database_that_is_away_for_a_while_is_asked_again(database_url: str) -> None:
    async with troubled(database_url) as store:
        store.troubled |= {"claim", "renew"}
        home = Home.build(store, Remembers())
        await ended(home, "talk", CAT)
        async with at_work(home):
            with anyio.fail_after(LIMIT_S):
                while store.claims < 2:
                    await anyio.lowlevel.checkpoint()
            store.troubled.clear()
            assert (await home.over("talk")).status == "done"


async def test_what_goes_wrong_after_a_reflection_does_not_stop_the_next(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def burst(_self: Replies, _situation: Situation) -> None:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(Replies, "warm", burst)
    home = Home.build(store, Remembers())
    with structlog.testing.capture_logs() as logs:
        async with at_work(home):
            for name, sentence in (("first", CAT), ("second", DOG)):
                await ended(home, name, sentence)
                assert (await home.over(name)).status == "done"
    assert await home.remembered() == [CAT, DOG]
    assert "ZeroDivisionError" in repr(logs)
    assert SECRET not in repr(logs)


async def test_only_a_failed_reflection_can_be_tried_again(store: SqlStore) -> None:
    home = Home.build(store)
    with pytest.raises(UnknownConversation):
        await home.endings.retry(TENANT, "nobody")
    await ended(home, "talk", CAT)
    async with at_work(home):
        done = await home.over("talk")
        assert await home.endings.retry(TENANT, "talk") == done


async def test_conversations_that_nobody_ended_are_swept_and_remembered(store: SqlStore) -> None:
    home = Home.build(store, Remembers(), patience=replace(NEVER_SWEPT, stale_s=0, sweep_every_s=0.05))
    gone = MindKey(TENANT, "gone", "bert")
    await store.open_conversation(gone, "orphan", user_id="bert", channel="browser")
    live = await home.talk("live", "I am still here.")
    home.endings.back(live)
    for number in range(5):
        await home.talk(f"talk-{number}", f"Number {number}.")
    async with at_work(home):
        for number in range(5):
            await until(home, "done", f"talk-{number}")
        await until(home, "failed", "orphan")

    assert sorted(await home.remembered()) == [f"Number {number}." for number in range(5)]
    assert (await store.conversation(TENANT, "live")).status == "active"


async def test_a_conversation_is_not_swept_while_the_newer_of_two_sessions_is_there(store: SqlStore) -> None:
    home = Home.build(store, Remembers(), patience=Patience(stale_s=0, detached_s=0, sweep_every_s=0.05))
    live = await home.talk("live", "I am still here.")
    home.endings.back(live)
    home.endings.back(live)
    home.endings.left(live)
    await home.talk("other", CAT)
    async with at_work(home):
        await until(home, "done", "other")
        assert (await store.conversation(TENANT, "live")).status == "active"
        home.endings.left(live)
        await until(home, "done", "live")


async def test_a_conversation_is_not_swept_before_its_time(store: SqlStore) -> None:
    home = Home.build(store, Remembers(), patience=Patience(stale_s=3600, detached_s=0, sweep_every_s=0.05))
    await home.talk("fresh", CAT)
    home.endings.left(await home.talk("left", DOG))
    async with at_work(home):
        await until(home, "done", "left")

    assert (await store.conversation(TENANT, "fresh")).status == "active"


class Given(Remembers):
    """Keeps which archived entries it was given."""

    def __init__(self) -> None:
        self.archived: list[str] = []

    async def reflect(
        self,
        agent: Agent,
        version: MindVersion,
        turns: Sequence[Turn],
        *,
        conversation_id: str,
        person: str = "",
        archived: Sequence[ArchivedEntry] = (),
    ) -> Proposal:
        self.archived += [found.entry.text for found in archived]
        return Proposal()


async def test_a_reflection_is_given_what_the_archive_holds_of_it_in_whatever_form(store: SqlStore) -> None:
    reflector = Given()
    home = Home.build(store, reflector)
    hikes, piano = Entry("hikes", "The user went hiking in the mountains."), Entry("piano", "The user owns a piano.")
    opened = await home.talk("one", "I still hike, although I moved house.")
    version = await store.mind(KEY)
    assert version is not None
    await store.write_version(KEY, NewVersion(1, "person", version.blocks, archive={MEMORY: (hikes, piano)}))
    async with at_work(home):
        await home.endings.end(opened)
        await home.over("one")
    assert reflector.archived == [hikes.text]


@pytest.mark.parametrize("mistake", [ValueError("a bug"), OSError(5, "Input/output error")])
async def test_a_queue_that_breaks_is_asked_again_and_takes_nobody_down(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, mistake: Exception
) -> None:
    home = Home.build(store, Remembers())
    claim, tries = home.store.claim_reflection, list[str]()

    async def breaks(worker: str, *, lease_s: float) -> Reflection | None:
        tries.append(worker)
        if len(tries) == 1:
            raise mistake
        return await claim(worker, lease_s=lease_s)

    monkeypatch.setattr(home.store, "claim_reflection", breaks)
    async with at_work(home):
        await home.endings.end(await home.talk("one", CAT))
        assert (await home.over("one")).status == "done"
    assert len(tries) > 1
