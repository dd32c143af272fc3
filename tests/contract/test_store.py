"""What every store promises, sentence by sentence, on each kind of database."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
import pytest
from tests.reflecting import finish

from voicemind.clock import utc_now
from voicemind.errors import BadRequest, ConversationOver, StaleVersion, UnknownConversation
from voicemind.store.contract import Store
from voicemind.store.sql import SqlStore
from voicemind.store.values import (
    Begun,
    Conversation,
    Entry,
    Evidence,
    MindKey,
    MindVersion,
    NewTurn,
    Reflection,
    Turn,
)

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

KEY = MindKey("acme", "counsellor", "anna")
SEED = {"role": ["I listen."], "patient_memory": [], "treatment_plan": ["Meet weekly.", "Sleep more."]}
CAT = Entry("entry-cat", "Has a cat called Biscuit.", (Evidence("talk", 1, "my cat is called Biscuit"),))
OSLO = Entry(
    "entry-oslo", "Lives in Oslo.", (Evidence("talk", 1, "I live in Oslo"), Evidence("talk", 3, "here in Oslo"))
)


async def open_talk(store: Store, name: str = "talk", *, key: MindKey = KEY) -> Conversation:
    return await store.open_conversation(key, name, user_id=key.user_id, channel="browser", seed=SEED)


async def say(store: Store, words: str, name: str = "talk", *, key: MindKey = KEY) -> Turn:
    return await store.append_turn(key.tenant, name, NewTurn("user", words, heard=words))


async def end_talk(store: Store, name: str = "talk", *, key: MindKey = KEY) -> Reflection:
    await open_talk(store, name, key=key)
    await say(store, f"words of {name}", name, key=key)
    return await store.end_conversation(key, name)


async def claim(store: Store, worker: str = "worker", *, lease_s: float = 60) -> Reflection:
    claimed = await store.claim_reflection(worker, lease_s=lease_s)
    assert claimed is not None
    return claimed


async def newest(store: Store, key: MindKey = KEY) -> MindVersion:
    mind = await store.mind(key)
    assert mind is not None
    return mind


def test_a_sql_store_is_a_store() -> None:
    make: Callable[[str], Store] = SqlStore
    assert make is SqlStore


async def begin(store: Store, *words: str, key: MindKey = KEY) -> Begun:
    said = [NewTurn("user", one, heard=one, modality="speech") for one in words]
    return await store.begin_conversation(
        key, "talk", user_id=key.user_id, channel="chat_completions", seed=SEED, turns=said
    )


async def test_a_conversation_begins_with_its_first_turns_and_the_mind_that_was_made_for_it(store: Store) -> None:
    begun = await begin(store, "Hello \x00 there", "Anybody?")
    assert begun.is_new
    assert begun.pending == 0
    assert begun.conversation == await store.conversation(KEY.tenant, "talk")
    assert begun.mind == await store.mind(KEY)
    kept = await store.turns(KEY.tenant, "talk")
    assert [(turn.seq, turn.generated, turn.modality) for turn in kept] == [
        (1, "Hello \ufffd there", "speech"),
        (2, "Anybody?", "speech"),
    ]
    assert (await say(store, "and on")).seq == 3


async def test_a_conversation_that_goes_on_is_not_begun_again(store: Store) -> None:
    await begin(store, "Hello")
    again = await begin(store, "Hello")
    assert (again.is_new, again.mind, again.conversation.turns) == (False, None, 1)
    assert len(await store.turns(KEY.tenant, "talk")) == 1


async def test_of_two_that_begin_a_conversation_at_once_one_does(store: Store) -> None:
    found: list[Begun] = []

    async def beginning(words: str) -> None:
        found.append(await begin(store, words))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beginning, "one")
        tasks.start_soon(beginning, "two")
    assert sorted(one.is_new for one in found) == [False, True]
    assert len(await store.turns(KEY.tenant, "talk")) == 1


async def test_who_begins_a_conversation_is_told_what_still_waits_to_be_reflected(store: Store) -> None:
    await end_talk(store, "before")
    assert (await begin(store, "Me again")).pending == 1


async def test_a_started_store_answers(store: Store) -> None:
    await store.check()


async def test_a_new_conversation_is_active_and_as_it_was_asked_for(store: Store) -> None:
    before = utc_now()
    made = await store.open_conversation(KEY, "talk", user_id="anna", channel="browser", anonymous=True)
    assert (made.tenant, made.id, made.agent, made.user_id, made.channel) == (
        "acme",
        "talk",
        "counsellor",
        "anna",
        "browser",
    )
    assert (made.status, made.anonymous, made.ended_at) == ("active", True, None)
    assert before <= made.created_at == made.active_at <= utc_now()
    assert made.created_at.tzinfo is UTC
    assert await store.conversation("acme", "talk") == made


async def test_an_existing_conversation_is_returned_unchanged(store: Store) -> None:
    made = await open_talk(store)
    other = MindKey("acme", "sage", "bert")
    again = await store.open_conversation(other, "talk", user_id="bert", channel="chat", anonymous=True, seed=SEED)
    assert again == made
    assert await store.mind(other) is None


async def test_a_new_mind_gets_version_one_from_the_seed(store: Store) -> None:
    await open_talk(store)
    mind = await newest(store)
    assert (mind.key, mind.number, mind.author, mind.notes, mind.conversation_id) == (KEY, 1, "preset", "", None)
    assert {label: [entry.text for entry in block] for label, block in mind.blocks.items()} == SEED
    assert list(mind.blocks) == list(SEED)
    entries = [entry for block in mind.blocks.values() for entry in block]
    assert all(entry.evidence == () for entry in entries)
    assert len({entry.id for entry in entries}) == 3


async def test_a_known_mind_is_not_seeded_again(store: Store) -> None:
    await open_talk(store)
    mind = await newest(store)
    await store.open_conversation(KEY, "second", user_id="anna", channel="chat", seed={"role": ["Another."]})
    assert await store.mind(KEY) == mind


async def test_a_conversation_opened_fifty_times_at_once_is_made_once(store: Store) -> None:
    opened: list[Conversation] = []

    async def open_once() -> None:
        opened.append(await open_talk(store))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(open_once)
    assert len(set(opened)) == 1
    assert (await newest(store)).number == 1


async def test_an_unknown_conversation_is_an_error_of_its_own(store: Store) -> None:
    with pytest.raises(UnknownConversation):
        await store.conversation("acme", "nobody")
    with pytest.raises(UnknownConversation):
        await store.turns("acme", "nobody")
    with pytest.raises(UnknownConversation):
        await say(store, "hello", "nobody")
    with pytest.raises(UnknownConversation):
        await store.end_conversation(KEY, "nobody")
    assert await store.reflection("acme", "nobody") is None
    assert await store.mind(KEY) is None
    assert await store.mind_version(KEY, 1) is None
    assert await store.pending_reflections(KEY) == 0


@pytest.mark.parametrize("odd", ["nul \x00 inside", "half a pair \ud83d", "x" * 256])
async def test_an_id_that_not_every_database_can_hold_is_refused(store: Store, odd: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await store.open_conversation(KEY, odd, user_id="anna", channel="browser")
    assert refused.value.param == "conversation_id"
    assert odd not in str(refused.value)


async def test_a_turn_is_stored_as_it_was_said(store: Store) -> None:
    await open_talk(store)
    said = NewTurn(
        "agent",
        "Whole \u2013 sentence \U0001f408.",
        heard="Whole",
        interrupted=True,
        modality="speech",
        timings_ms={"heard": 12.5, "spoke_first": 800.0},
    )
    first = await store.append_turn("acme", "talk", said)
    second = await store.append_turn("acme", "talk", NewTurn("user", "ok"))
    assert (first.seq, first.role, first.generated, first.heard) == (1, "agent", said.generated, "Whole")
    assert (first.interrupted, first.modality, dict(first.timings_ms)) == (True, "speech", dict(said.timings_ms))
    assert (second.seq, second.heard, second.interrupted, second.modality, second.timings_ms) == (
        2,
        None,
        False,
        "text",
        {},
    )
    assert first.created_at.tzinfo is UTC
    assert await store.turns("acme", "talk") == (first, second)


async def test_characters_that_no_database_holds_cost_no_turn(store: Store) -> None:
    await open_talk(store)
    turn = await say(store, "a\x00b\ud83dc\ud83d\udc08d")
    assert turn.generated == "a\ufffdb\ufffdc\U0001f408d"
    assert await store.turns("acme", "talk") == (turn,)


async def test_a_conversation_without_turns_has_none(store: Store) -> None:
    await open_talk(store)
    assert await store.turns("acme", "talk") == ()


async def test_a_turn_marks_its_conversation_as_active_now(store: Store) -> None:
    made = await open_talk(store)
    turn = await say(store, "hello")
    assert (await store.conversation("acme", "talk")).active_at == turn.created_at > made.active_at


async def test_fifty_turns_at_once_get_consecutive_numbers(store: Store) -> None:
    await open_talk(store)
    await open_talk(store, "other")
    seqs: list[int] = []

    async def speak(number: int) -> None:
        seqs.append((await say(store, f"turn {number}")).seq)
        await say(store, f"turn {number}", "other")

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(speak, number)
    assert sorted(seqs) == list(range(1, 51))
    for name in ("talk", "other"):
        stored = await store.turns("acme", name)
        assert [turn.seq for turn in stored] == list(range(1, 51))
        assert {turn.generated for turn in stored} == {f"turn {number}" for number in range(50)}


async def test_an_ended_conversation_takes_no_turn(store: Store) -> None:
    await end_talk(store)
    with pytest.raises(ConversationOver):
        await say(store, "one more thing")
    assert len(await store.turns("acme", "talk")) == 1


async def test_the_end_queues_one_reflection(store: Store) -> None:
    queued = await end_talk(store)
    assert (queued.key, queued.conversation_id, queued.status, queued.attempts) == (KEY, "talk", "waiting", 0)
    ended = await store.conversation("acme", "talk")
    assert ended.status == "ended"
    assert ended.ended_at is not None
    assert await store.end_conversation(KEY, "talk") == queued
    assert await store.reflection("acme", "talk") == queued
    assert await store.pending_reflections(KEY) == 1


async def test_a_conversation_that_has_not_ended_has_no_reflection(store: Store) -> None:
    await open_talk(store)
    assert await store.reflection("acme", "talk") is None


async def test_a_detached_conversation_is_open_and_comes_back_but_an_ended_one_stays_ended(store: Store) -> None:
    await open_talk(store)
    before = utc_now() + timedelta(minutes=1)
    await store.note_presence("acme", "talk", "detached")
    assert (await store.conversation("acme", "talk")).status == "detached"
    assert [talk.id for talk in await store.stale_conversations(before)] == ["talk"]
    await say(store, "hello")
    await store.note_presence("globex", "talk", "active")
    assert (await store.conversation("acme", "talk")).status == "detached"
    await store.note_presence("acme", "talk", "active")
    assert (await store.conversation("acme", "talk")).status == "active"
    await end_talk(store, "ended")
    await store.note_presence("acme", "ended", "active")
    assert (await store.conversation("acme", "ended")).status == "ended"
    await store.note_presence("acme", "nobody's", "detached")


async def test_stale_conversations_are_the_open_ones_without_activity_oldest_first(store: Store) -> None:
    globex = MindKey("globex", "counsellor", "bert")
    await open_talk(store, "first")
    await open_talk(store, "second", key=globex)
    await end_talk(store, "ended")
    await open_talk(store, "third")
    between = utc_now()
    await open_talk(store, "fresh")
    await say(store, "hello", "first")
    assert [(talk.tenant, talk.id) for talk in await store.stale_conversations(between)] == [
        ("globex", "second"),
        ("acme", "third"),
    ]
    later = utc_now() + timedelta(minutes=1)
    assert [talk.id for talk in await store.stale_conversations(later)] == ["second", "third", "fresh", "first"]
    assert [talk.id for talk in await store.stale_conversations(later, limit=1)] == ["second"]
    assert await store.stale_conversations(datetime(2000, 1, 1, tzinfo=UTC)) == ()


async def test_a_claimed_reflection_is_running_and_nobody_else_gets_it(store: Store) -> None:
    queued = await end_talk(store)
    claimed = await claim(store)
    assert (claimed.id, claimed.status, claimed.attempts) == (queued.id, "running", 1)
    assert await store.reflection("acme", "talk") == claimed
    assert await store.claim_reflection("other", lease_s=60) is None
    assert await store.pending_reflections(KEY) == 1


async def test_reflections_of_all_tenants_are_claimed_oldest_first(store: Store) -> None:
    globex = MindKey("globex", "sage")
    await end_talk(store, "first")
    await store.open_conversation(globex, "second", user_id="bert", channel="chat")
    await store.end_conversation(globex, "second")
    await end_talk(store, "third")
    claimed = [await claim(store) for _ in range(3)]
    assert [(one.key.tenant, one.conversation_id) for one in claimed] == [
        ("acme", "first"),
        ("globex", "second"),
        ("acme", "third"),
    ]
    assert claimed[1].key == globex


async def test_fifty_workers_never_claim_the_same_reflection(store: Store) -> None:
    for number in range(20):
        await end_talk(store, f"talk-{number}")
    claimed: list[str] = []

    async def work(number: int) -> None:
        one = await store.claim_reflection(f"worker-{number}", lease_s=60)
        if one is not None:
            claimed.append(one.conversation_id)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(work, number)
    assert sorted(claimed) == sorted(f"talk-{number}" for number in range(20))


async def test_a_reflection_whose_lease_ran_out_is_claimed_again(store: Store) -> None:
    await end_talk(store)
    first = await claim(store, lease_s=0)
    second = await claim(store, "another")
    assert (second.id, second.attempts) == (first.id, 2)


async def test_failures_and_lost_leases_are_counted_apart_and_what_is_handed_back_is_neither(store: Store) -> None:
    async def counted() -> tuple[int, int, int]:
        reflection = await store.reflection("acme", "talk")
        assert reflection is not None
        return reflection.attempts, reflection.failures, reflection.lost

    await end_talk(store)
    assert await counted() == (0, 0, 0)
    await claim(store, lease_s=0)
    second = await claim(store, lease_s=0)
    assert (second.attempts, second.failures, second.lost) == (2, 0, 1)
    await store.postpone_reflection(second, error="interrupted", delay_s=0, failed=False)
    third = await claim(store)
    assert await counted() == (3, 0, 1)
    await store.postpone_reflection(third, error="provider_unavailable", delay_s=0)
    assert await counted() == (3, 1, 1)
    fourth = await claim(store)
    assert (fourth.attempts, fourth.failures, fourth.lost) == (4, 1, 1)
    await store.postpone_reflection(fourth, error="provider_refused", delay_s=None)
    assert await counted() == (4, 2, 1)
    await store.retry_reflection("acme", "talk")
    assert await counted() == (0, 0, 0)


async def test_a_lease_that_is_renewed_does_not_run_out(store: Store) -> None:
    await end_talk(store)
    claimed = await claim(store, lease_s=0)
    assert await store.renew_reflection(claimed, lease_s=60)
    assert await store.claim_reflection("other", lease_s=60) is None
    assert await store.reflection("acme", "talk") == claimed
    assert await store.renew_reflection(claimed, lease_s=0)
    assert (await claim(store, "other")).attempts == 2


async def test_a_lease_that_another_holds_or_that_is_over_is_not_renewed(store: Store) -> None:
    await end_talk(store)
    slow = await claim(store, "slow", lease_s=0)
    assert await store.renew_reflection(replace(slow, id="unknown"), lease_s=60) is False
    quick = await claim(store, "quick", lease_s=0)
    assert await store.renew_reflection(slow, lease_s=60) is False
    await store.postpone_reflection(quick, error="timeout", delay_s=0)
    assert await store.renew_reflection(quick, lease_s=60) is False
    again = await claim(store, "again")
    await finish(store, again, parent=1, blocks=None, notes="")
    assert await store.renew_reflection(again, lease_s=60) is False
    assert await store.claim_reflection("worker", lease_s=60) is None


async def test_a_finished_reflection_has_written_the_next_version(store: Store) -> None:
    await end_talk(store)
    claimed = await claim(store)
    old = await newest(store)
    blocks = {**old.blocks, "patient_memory": (OSLO, CAT)}
    done = await finish(store, claimed, parent=1, blocks=blocks, notes="Learned two things.")
    assert (done.status, done.before, done.after, done.notes) == ("done", 1, 2, "Learned two things.")
    mind = await newest(store)
    assert (mind.number, mind.author, mind.notes, mind.conversation_id) == (2, "reflection", done.notes, "talk")
    assert mind.blocks == blocks
    assert list(mind.blocks) == list(SEED)
    assert await store.mind_version(KEY, 1) == old
    assert await store.mind_version(KEY, 3) is None
    assert (await store.conversation("acme", "talk")).status == "reflected"
    assert await store.reflection("acme", "talk") == done
    assert await store.end_conversation(KEY, "talk") == done
    assert await store.pending_reflections(KEY) == 0
    assert await store.claim_reflection("worker", lease_s=60) is None


async def test_a_reflection_that_is_done_changes_nothing_when_finished_again(store: Store) -> None:
    await end_talk(store)
    claimed = await claim(store)
    done = await finish(store, claimed, parent=1, blocks={"memory": [CAT]}, notes="once")
    again = await finish(store, claimed, parent=2, blocks={"memory": [OSLO]}, notes="twice")
    assert again == done
    assert (await newest(store)).number == 2


async def test_a_reflection_that_learned_nothing_writes_no_version(store: Store) -> None:
    await end_talk(store)
    done = await finish(store, await claim(store), parent=1, blocks=None, notes="Nothing new.")
    assert (done.status, done.before, done.after) == ("done", 1, 1)
    assert (await newest(store)).number == 1
    assert (await store.conversation("acme", "talk")).status == "reflected"


async def test_a_reflection_made_from_an_old_version_is_refused(store: Store) -> None:
    await end_talk(store, "first")
    await end_talk(store, "second")
    one, two = await claim(store), await claim(store)
    await finish(store, one, parent=1, blocks={"memory": [CAT]}, notes="")
    for blocks in ({"memory": [OSLO]}, None):
        with pytest.raises(StaleVersion):
            await finish(store, two, parent=1, blocks=blocks, notes="")
    assert (await newest(store)).blocks == {"memory": (CAT,)}
    assert await store.reflection("acme", "second") == two
    await finish(store, two, parent=2, blocks={"memory": [CAT, OSLO]}, notes="")
    assert (await newest(store)).blocks == {"memory": (CAT, OSLO)}


async def test_a_known_entry_is_never_rewritten(store: Store) -> None:
    await end_talk(store, "first")
    await end_talk(store, "second")
    await finish(store, await claim(store), parent=1, blocks={"memory": [CAT]}, notes="")
    forged = Entry(CAT.id, "Has a dog.", (Evidence("second", 1, "a dog"),))
    await finish(store, await claim(store), parent=2, blocks={"memory": [forged]}, notes="")
    assert (await newest(store)).blocks == {"memory": (CAT,)}


async def test_an_entry_in_two_blocks_and_a_thousand_entries_are_kept_in_order(store: Store) -> None:
    await end_talk(store)
    many = [Entry(f"entry-{number:04}", f"Fact {number}", (Evidence("talk", number, "q"),)) for number in range(1000)]
    blocks = {"goals": [many[7], CAT], "memory": [*reversed(many)]}
    await finish(store, await claim(store), parent=1, blocks=blocks, notes="")
    assert (await newest(store)).blocks == {label: tuple(block) for label, block in blocks.items()}


async def test_turns_are_read_page_by_page_and_where_they_are_cited(store: Store) -> None:
    for name in ("one", "two"):
        await store.open_conversation(KEY, name, user_id="anna", channel="chat")
        for number in range(1, 6):
            await store.append_turn("acme", name, NewTurn("user", f"{name} {number}"))
    everything = await store.turns("acme", "one")
    assert await store.turns("acme", "one", after=2, limit=2) == everything[2:4]
    assert await store.turns("acme", "one", after=5, limit=2) == ()
    assert await store.turns("acme", "one", after=3) == everything[3:]
    with pytest.raises(UnknownConversation):
        await store.turns("acme", "nowhere", after=2, limit=2)
    wanted = [("one", 2), ("two", 5), ("one", 2), ("one", 6), ("nowhere", 1)]
    cited = await store.cited_turns("acme", wanted)
    assert {place: turn.generated for place, turn in cited.items()} == {("one", 2): "one 2", ("two", 5): "two 5"}
    assert cited["one", 2] == everything[1]
    assert await store.cited_turns("globex", wanted) == {}
    assert await store.cited_turns("acme", []) == {}
    assert len(await store.cited_turns("acme", [*wanted, *((f"talk-{n}", n) for n in range(3000))])) == 2


async def test_a_postponed_reflection_is_due_again_after_its_delay(store: Store) -> None:
    await end_talk(store)
    await store.postpone_reflection(await claim(store), error="provider_unavailable", delay_s=3600)
    waiting = await store.reflection("acme", "talk")
    assert waiting is not None
    assert (waiting.status, waiting.error, waiting.attempts) == ("waiting", "provider_unavailable", 1)
    assert await store.claim_reflection("worker", lease_s=60) is None
    assert await store.pending_reflections(KEY) == 1

    await end_talk(store, "second")
    await store.postpone_reflection(await claim(store), error="provider_unavailable", delay_s=0)
    again = await claim(store)
    assert (again.conversation_id, again.attempts) == ("second", 2)
    done = await finish(store, again, parent=1, blocks=None, notes="")
    assert done.error == ""


async def test_a_reflection_that_is_given_up_is_failed_and_its_transcript_kept(store: Store) -> None:
    await end_talk(store)
    await store.postpone_reflection(await claim(store), error="provider_refused", delay_s=None)
    failed = await store.reflection("acme", "talk")
    assert failed is not None
    assert (failed.status, failed.error) == ("failed", "provider_refused")
    assert (await store.conversation("acme", "talk")).status == "failed"
    assert await store.claim_reflection("worker", lease_s=60) is None
    assert await store.pending_reflections(KEY) == 0
    assert len(await store.turns("acme", "talk")) == 1


async def test_a_failed_reflection_that_is_to_be_tried_again_is_as_if_it_were_new(store: Store) -> None:
    await end_talk(store)
    await store.postpone_reflection(await claim(store), error="provider_refused", delay_s=None)
    again = await store.retry_reflection("acme", "talk")
    assert (again.status, again.attempts, again.error) == ("waiting", 0, "provider_refused")
    assert again == await store.reflection("acme", "talk")
    assert (await store.conversation("acme", "talk")).status == "ended"
    assert await store.pending_reflections(KEY) == 1
    claimed = await claim(store)
    assert (claimed.id, claimed.attempts) == (again.id, 1)
    done = await finish(store, claimed, parent=1, blocks=None, notes="")
    assert (done.status, done.error) == ("done", "")
    assert (await store.conversation("acme", "talk")).status == "reflected"


async def test_only_a_failed_reflection_of_this_tenant_is_tried_again(store: Store) -> None:
    queued = await end_talk(store)
    assert await store.retry_reflection("acme", "talk") == queued
    claimed = await claim(store)
    assert await store.retry_reflection("acme", "talk") == claimed
    done = await finish(store, claimed, parent=1, blocks=None, notes="")
    assert await store.retry_reflection("acme", "talk") == done
    assert (await store.conversation("acme", "talk")).status == "reflected"
    for tenant, name in (("acme", "nobody"), ("globex", "talk")):
        with pytest.raises(UnknownConversation):
            await store.retry_reflection(tenant, name)


async def test_a_worker_that_lost_its_lease_cannot_postpone_the_next_ones_work(store: Store) -> None:
    await end_talk(store)
    slow = await claim(store, "slow", lease_s=0)
    quick = await claim(store, "quick")
    await store.postpone_reflection(slow, error="timeout", delay_s=None)
    assert await store.reflection("acme", "talk") == quick


async def test_a_reflection_that_is_done_is_not_postponed(store: Store) -> None:
    await end_talk(store)
    claimed = await claim(store)
    done = await finish(store, claimed, parent=1, blocks=None, notes="")
    await store.postpone_reflection(claimed, error="late", delay_s=None)
    assert await store.reflection("acme", "talk") == done
    assert (await store.conversation("acme", "talk")).status == "reflected"


async def test_unreflected_turns_are_what_users_said_since_the_last_reflection(store: Store) -> None:
    await end_talk(store, "reflected")
    await finish(store, await claim(store), parent=1, blocks=None, notes="")
    for name in ("first", "second"):
        await open_talk(store, name)
        await say(store, f"{name} a", name)
        await store.append_turn("acme", name, NewTurn("agent", "I see.", heard="I see."))
        await say(store, f"{name} b", name)
        await store.end_conversation(KEY, name)
    await end_talk(store, "of another mind", key=MindKey("acme", "sage", "anna"))
    await open_talk(store, "still open")
    await say(store, "not yet", "still open")
    await claim(store)
    turns = await store.unreflected_turns(KEY)
    assert [(turn.seq, turn.generated) for turn in turns] == [
        (1, "first a"),
        (3, "first b"),
        (1, "second a"),
        (3, "second b"),
    ]
    assert [turn.generated for turn in await store.unreflected_turns(KEY, limit=3)] == [
        "first b",
        "second a",
        "second b",
    ]


async def test_minds_of_users_and_of_agents_are_apart(store: Store) -> None:
    await end_talk(store, "one")
    await finish(store, await claim(store), parent=1, blocks={"memory": [CAT]}, notes="")
    for key in (MindKey("acme", "counsellor", "bert"), MindKey("acme", "counsellor"), MindKey("acme", "sage", "anna")):
        assert await store.mind(key) is None
        await store.open_conversation(key, f"with {key}", user_id="anna", channel="chat", seed=SEED)
        assert (await newest(store, key)).number == 1


async def test_another_tenants_things_do_not_exist(store: Store) -> None:
    theirs = MindKey("globex", KEY.agent, KEY.user_id)
    await end_talk(store, "talk")
    await finish(store, await claim(store), parent=1, blocks={"memory": [CAT]}, notes="secret")
    await end_talk(store, "second")

    with pytest.raises(UnknownConversation):
        await store.conversation("globex", "talk")
    with pytest.raises(UnknownConversation):
        await store.turns("globex", "talk")
    with pytest.raises(UnknownConversation):
        await say(store, "hello", "talk", key=theirs)
    with pytest.raises(UnknownConversation):
        await store.end_conversation(theirs, "talk")
    assert await store.reflection("globex", "talk") is None
    assert await store.mind(theirs) is None
    assert await store.mind_version(theirs, 2) is None
    assert await store.unreflected_turns(theirs) == ()
    assert await store.pending_reflections(theirs) == 0


async def test_two_tenants_use_the_same_ids_without_meeting(store: Store) -> None:
    theirs = MindKey("globex", KEY.agent, KEY.user_id)
    await end_talk(store)
    await end_talk(store, key=theirs)
    forged = Entry(CAT.id, "Another tenant's cat.", ())
    await finish(store, await claim(store), parent=1, blocks={"memory": [CAT]}, notes="")
    await finish(store, await claim(store), parent=1, blocks={"memory": [forged]}, notes="")
    assert (await newest(store)).blocks == {"memory": (CAT,)}
    assert (await newest(store, theirs)).blocks == {"memory": (forged,)}
    assert len(await store.turns("acme", "talk")) == len(await store.turns("globex", "talk")) == 1


async def test_turns_of_two_tenants_written_at_once_stay_apart(store: Store) -> None:
    tenants = [MindKey(f"tenant-{number}", "sage", "anna") for number in range(4)]
    for key in tenants:
        await open_talk(store, key=key)
    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(partial(say, store, f"of {number % 4}", key=tenants[number % 4]))
    for number, key in enumerate(tenants):
        assert [turn.generated for turn in await store.turns(key.tenant, "talk")] == [f"of {number}"] * 10
