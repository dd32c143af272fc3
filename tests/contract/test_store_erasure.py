"""What every store promises of the right to be forgotten."""

import random
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import pytest
from tests.erasing import SEED, WORD, History, dump, words_in_files

from voicemind.errors import (
    ConversationOver,
    StaleVersion,
    UnknownConversation,
    UnknownMeeting,
    UnknownUser,
    VoicemindError,
)
from voicemind.store.contract import Store
from voicemind.store.database import parse_url
from voicemind.store.sql import SqlStore
from voicemind.store.values import (
    Change,
    Entry,
    Evidence,
    Intent,
    MindKey,
    MindVersion,
    NewTurn,
    NewVersion,
    Reflection,
)

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

ANNA = MindKey("acme", "counsellor", "anna")
SHARED = MindKey("acme", "sage")
NOTHING = dict.fromkeys(
    ("conversations", "turns", "reflections", "minds", "versions", "entries", "evidence", "users", "recordings"), 0
)


def entry(name: str, text: str, *conversations: str, origins: Sequence[str] = (), cue: str = "") -> Entry:
    """An entry that rests on the first turn of each conversation."""
    evidence = tuple(Evidence(one, 1, f"words of {one}") for one in conversations)
    return Entry(name, text, evidence, origins=tuple(origins), cue=cue)


async def talk(store: Store, name: str, *, key: MindKey = SHARED, person: str = "anna") -> Reflection:
    """An ended conversation of one turn, with its reflection waiting."""
    await store.open_conversation(key, name, user_id=person, channel="chat", seed=SEED)
    await store.append_turn(key.tenant, name, NewTurn("user", f"words of {name}", heard=f"words of {name}"))
    return await store.end_conversation(key, name)


async def newest(store: Store, key: MindKey = SHARED) -> MindVersion:
    mind = await store.mind(key)
    assert mind is not None
    return mind


async def remember(
    store: Store, reflection: Reflection, *entries: Entry, notes: str = "", archive: Sequence[Entry] = ()
) -> MindVersion:
    """A version whose memory is these entries."""
    old = await newest(store, reflection.key)
    version = NewVersion(
        old.number,
        "reflection",
        {**old.blocks, "memory": entries},
        archive={"memory": tuple(archive)} if archive else {},
        changes=tuple(Change("add", "memory", (), one.id, f"because of {one.text}") for one in entries),
        notes=notes,
        conversation_id=reflection.conversation_id,
    )
    await store.finish_reflection(reflection, parent=old.number, version=version, notes=notes)
    return await newest(store, reflection.key)


async def texts(store: Store, number: int | None = None, *, key: MindKey = SHARED) -> list[str]:
    """What the memory says in this version."""
    mind = await (newest(store, key) if number is None else store.mind_version(key, number))
    assert mind is not None
    return [one.text for one in mind.blocks["memory"]]


async def test_an_erased_conversation_is_unknown(store: Store) -> None:
    await talk(store, "talk")
    erased = await store.erase_conversation("acme", "talk")
    assert erased.counts == {**NOTHING, "conversations": 1, "turns": 1, "reflections": 1}
    with pytest.raises(UnknownConversation):
        await store.conversation("acme", "talk")
    with pytest.raises(UnknownConversation):
        await store.turns("acme", "talk")
    with pytest.raises(UnknownConversation):
        await store.erase_conversation("acme", "talk")
    assert await store.reflection("acme", "talk") is None
    assert await store.unreflected_turns(SHARED) == ()
    assert await store.claim_reflection("worker", lease_s=60) is None
    assert (await newest(store)).number == 1


async def test_an_entry_that_rests_on_it_alone_leaves_all_versions(store: Store) -> None:
    cat, dog = entry("cat", "Has a cat.", "one"), entry("dog", "Has a dog.", "two")
    await remember(store, await talk(store, "one"), cat, notes="Learned of the cat.")
    await remember(store, await talk(store, "two"), cat, dog)
    erased = await store.erase_conversation("acme", "one")
    assert erased.counts == {
        **NOTHING, "conversations": 1, "turns": 1, "reflections": 1, "versions": 2, "entries": 1, "evidence": 1
    }  # fmt: skip
    assert [await texts(store, number) for number in (1, 2, 3, 4)] == [[], [], ["Has a dog."], ["Has a dog."]]
    assert await store.mind_version(SHARED, 5) is None
    mind = await newest(store)
    assert (mind.number, mind.author, mind.notes, mind.changes, mind.conversation_id) == (4, "erasure", "", (), None)
    assert await store.entries(SHARED, ["cat", "dog"]) == {"dog": dog}


async def test_what_the_erased_conversation_wrote_tells_nothing_any_more(store: Store) -> None:
    cat, dog = entry("cat", "Has a cat.", "one"), entry("dog", "Has a dog.", "two")
    await remember(store, await talk(store, "one"), cat, notes="A secret.")
    await remember(store, await talk(store, "two"), cat, dog, notes="Beside 'has a CAT.', a dog.")
    await remember(store, await talk(store, "three"), dog, notes="The first animal is forgotten.")
    await remember(store, await talk(store, "four"), dog, notes="No news.")
    await store.erase_conversation("acme", "one")
    second = await store.mind_version(SHARED, 2)
    third = await store.mind_version(SHARED, 3)
    fourth = await store.mind_version(SHARED, 4)
    assert second is not None
    assert third is not None
    assert fourth is not None
    assert (second.notes, second.changes, second.conversation_id) == ("", (), None)
    assert (third.notes, third.conversation_id) == ("", "two")
    assert third.changes == (Change("add", "memory", (), "dog", "because of Has a dog."),)
    assert fourth.notes == "", "this version took the cat out"
    reflection = await store.reflection("acme", "two")
    assert reflection is not None
    assert (reflection.notes, reflection.status) == ("", "done")
    for name, notes in (("three", ""), ("four", "No news.")):
        left = await store.reflection("acme", name)
        assert left is not None
        assert left.notes == notes


async def test_an_entry_with_other_evidence_keeps_the_rest(store: Store) -> None:
    await talk(store, "one")
    both = entry("oslo", "Lives in Oslo.", "one", "two", cue="said near a secret")
    await remember(store, await talk(store, "two"), both)
    erased = await store.erase_conversation("acme", "one")
    assert (erased.counts["entries"], erased.counts["evidence"]) == (0, 1)
    kept = entry("oslo", "Lives in Oslo.", "two")
    assert (await newest(store)).blocks["memory"] == (kept,)
    assert (await newest(store)).author == "erasure"
    assert await store.entries(SHARED, ["oslo"]) == {"oslo": kept}


async def test_an_entry_made_of_others_goes_back_to_those_that_stay(store: Store) -> None:
    first, second = entry("e1", "Has a cat.", "one"), entry("e2", "Has a dog.", "two")
    merged = entry("m", "Has a cat and a dog.", "one", "two", origins=["e1", "e2"])
    await remember(store, await talk(store, "one"), first)
    await remember(store, await talk(store, "two"), first, second)
    await remember(store, await talk(store, "three"), merged)
    await store.erase_conversation("acme", "one")
    assert [await texts(store, number) for number in range(1, 6)] == [[], []] + [["Has a dog."]] * 3


async def test_an_entry_goes_back_to_what_it_was_before_the_erased_update(store: Store) -> None:
    first = entry("e1", "Has a cat.", "one")
    updated = entry("m", "Has a cat called Biscuit.", "one", "two", origins=["e1"])
    await remember(store, await talk(store, "one"), first)
    await remember(store, await talk(store, "two"), updated)
    await store.erase_conversation("acme", "two")
    assert await texts(store, 3) == await texts(store) == ["Has a cat."]


async def test_an_archived_entry_is_forgotten_with_its_words_and_its_vector(store: Store, database_url: str) -> None:
    cat, dog = entry("cat", "Has a cat.", "one"), entry("dog", "Has a dog.", "two")
    both = entry("both", "Loves animals.", "one", "two", cue="biscuit")
    await remember(store, await talk(store, "one"), archive=[cat])
    await remember(store, await talk(store, "two"), archive=[dog, both])
    await store.put_vectors(SHARED, "small", {"cat": b"cat-vector", "dog": b"dog-vector", "both": b"with-biscuit"})
    await store.erase_conversation("acme", "one")
    assert [found.entry.id for found in await store.archived(SHARED)] == ["both", "dog"]
    assert await store.archived(SHARED, number=2) == ()
    assert await store.find_archived(SHARED, ["cat", "biscuit"]) == ()
    assert [found.entry.id for found in await store.find_archived(SHARED, ["dog", "animals"])] in (
        ["both", "dog"],
        ["dog", "both"],
    )
    assert await store.vectors(SHARED, "small") == {"dog": b"dog-vector"}
    left = "".join(dump(database_url).values())
    assert "biscuit" not in left
    assert "cat-vector" not in left


async def test_what_stands_in_for_an_archived_entry_is_found_there(store: Store) -> None:
    first, second = entry("e1", "Has a cat.", "one"), entry("e2", "Has a dog.", "two")
    merged = entry("m", "Has a cat and a dog.", "one", "two", origins=["e1", "e2"])
    await remember(store, await talk(store, "one"), first)
    await remember(store, await talk(store, "two"), first, second)
    await remember(store, await talk(store, "three"), archive=[merged])
    await store.erase_conversation("acme", "one")
    assert await store.archived(SHARED, number=3) == ()
    for number in (4, 5, None):
        assert [found.entry for found in await store.archived(SHARED, number=number)] == [second]
    assert [found.entry for found in await store.find_archived(SHARED, ["dog"])] == [second]


async def test_a_proposal_loses_the_operations_about_what_is_gone(store: Store) -> None:
    await remember(store, await talk(store, "one"), entry("cat", "Has a cat.", "one"))
    waiting = await talk(store, "two")
    proposal: list[dict[str, object]] = [
        {"kind": "update", "entry_id": "cat", "text": "Has a cat and a dog.", "evidence": []},
        {"kind": "add", "text": "Has a dog.", "evidence": [{"conversation_id": "two", "turn": 1, "quote": "dog"}]},
        {"kind": "add", "text": "Cat again.", "evidence": [{"conversation_id": "one", "turn": 1, "quote": "cat"}]},
        {"kind": "remove", "entry_id": "elsewhere", "reason": "Because: has a cat."},
    ]
    await store.propose_reflection(waiting, parent=2, proposal=proposal, notes="Of cats.")
    await store.erase_conversation("acme", "one")
    left = await store.reflection("acme", "two")
    assert left is not None
    assert left.proposal == (proposal[1], {"kind": "remove", "entry_id": "elsewhere", "reason": ""})
    assert (left.status, left.notes) == ("review", "")


async def test_whoever_wrote_at_the_same_moment_must_look_again(store: Store) -> None:
    cat = entry("cat", "Has a cat.", "one")
    await remember(store, await talk(store, "one"), cat)
    own, other = await talk(store, "own"), await talk(store, "two")
    held = await newest(store)
    await store.erase_conversation("acme", "one")
    stale = NewVersion(held.number, "reflection", {**held.blocks, "memory": (cat,)})
    with pytest.raises(StaleVersion):
        await store.finish_reflection(other, parent=held.number, version=stale, notes="")
    with pytest.raises(StaleVersion):
        await store.write_version(SHARED, stale)
    await store.erase_conversation("acme", "own")
    with pytest.raises(UnknownConversation):
        await store.finish_reflection(own, parent=(await newest(store)).number, version=None, notes="")
    with pytest.raises(UnknownConversation):
        await store.propose_reflection(own, parent=1, proposal=[], notes="")
    assert await store.entries(SHARED, ["cat"]) == {}


async def test_undo_does_not_bring_back_what_was_erased(store: Store) -> None:
    await remember(store, await talk(store, "one"), entry("cat", "Has a cat.", "one"))
    await store.erase_conversation("acme", "one")
    old = await store.mind_version(SHARED, 2)
    assert old is not None
    mind = await newest(store)
    await store.write_version(SHARED, NewVersion(mind.number, "undo", old.blocks, archive_of=2, restores=2))
    assert await texts(store) == []


async def test_a_live_conversation_that_is_erased_takes_no_turn(store: Store) -> None:
    await store.open_conversation(SHARED, "live", user_id="anna", channel="browser", seed=SEED)
    await store.append_turn("acme", "live", NewTurn("user", "hello"))
    await store.erase_conversation("acme", "live")
    with pytest.raises(UnknownConversation):
        await store.append_turn("acme", "live", NewTurn("user", "are you there?"))
    with pytest.raises(UnknownConversation):
        await store.end_conversation(SHARED, "live")


async def test_turns_that_are_appended_while_their_conversation_is_erased_are_refused_or_erased(
    database_url: str,
) -> None:
    """Two processes: one speaks, the other erases."""
    speaking, erasing = SqlStore(database_url), SqlStore(database_url)
    with anyio.fail_after(60):
        await speaking.start()
        await erasing.start()
        for number in range(5):
            name = f"live-{number}"
            await speaking.open_conversation(SHARED, name, user_id="anna", channel="browser")
            refused: list[VoicemindError] = []

            async def speak(text: str, name: str = name, refused: list[VoicemindError] = refused) -> None:
                try:
                    await speaking.append_turn("acme", name, NewTurn("user", text))
                except UnknownConversation as error:
                    refused.append(error)

            async with anyio.create_task_group() as tasks:
                for turn in range(30):
                    tasks.start_soon(speak, f"secret {turn}")
                    if turn == 15:
                        tasks.start_soon(erasing.erase_conversation, "acme", name)
            (receipt,) = await erasing.erasures("acme", limit=1)
            assert receipt.counts["turns"] + len(refused) == 30
            assert "secret" not in dump(database_url)["turns"]
        await speaking.aclose()
        await erasing.aclose()


async def test_a_conversation_that_is_erased_while_its_reflection_ends_leaves_nothing(database_url: str) -> None:
    """Two processes: one writes what it learned, the other erases where it learned it."""
    reflecting, erasing = SqlStore(database_url), SqlStore(database_url)
    outcomes: list[str] = []

    async def finish(reflection: Reflection, text: str) -> None:
        for _ in range(20):
            try:
                old = await newest(reflecting)
                learned = entry(f"about {text}", text, reflection.conversation_id)
                blocks = {**old.blocks, "memory": (*old.blocks["memory"], learned)}
                version = NewVersion(old.number, "reflection", blocks, conversation_id=reflection.conversation_id)
                await reflecting.finish_reflection(reflection, parent=old.number, version=version, notes=text)
            except StaleVersion:
                continue
            except UnknownConversation:
                outcomes.append("unknown")
                return
            outcomes.append("written")
            return

    with anyio.fail_after(60):
        await reflecting.start()
        await erasing.start()
        for number in range(10):
            doomed = await talk(reflecting, f"doomed-{number}")
            kept = await talk(reflecting, f"kept-{number}")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(finish, doomed, f"Secret {number}.")
                tasks.start_soon(finish, kept, f"Kept {number}.")
                tasks.start_soon(erasing.erase_conversation, "acme", doomed.conversation_id)
        assert len(outcomes) == 20
        assert await texts(reflecting) == [f"Kept {number}." for number in range(10)]
        left = "".join(dump(database_url).values())
        assert "Secret" not in left
        assert "doomed" not in left
        await reflecting.aclose()
        await erasing.aclose()


async def test_a_conversation_erased_many_times_at_once_is_erased_once(store: Store) -> None:
    await talk(store, "talk")
    outcomes: list[str] = []

    async def erase() -> None:
        try:
            await store.erase_conversation("acme", "talk")
            outcomes.append("erased")
        except UnknownConversation:
            outcomes.append("unknown")

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(erase)
    assert sorted(outcomes) == ["erased"] + ["unknown"] * 9
    assert len(await store.erasures("acme")) == 1


async def test_another_tenants_things_cannot_be_erased(store: Store) -> None:
    theirs = MindKey("globex", "sage")
    for key in (SHARED, theirs):
        await remember(store, await talk(store, "talk", key=key), entry("cat", "Has a cat.", "talk"))
    await talk(store, "ours alone", person="bert")
    with pytest.raises(UnknownConversation):
        await store.erase_conversation("globex", "ours alone")
    with pytest.raises(UnknownUser):
        await store.erase_user("globex", "bert")
    await store.erase_conversation("acme", "talk")
    assert await texts(store, key=theirs) == ["Has a cat."]
    assert (await newest(store, theirs)).number == 2
    assert len(await store.turns("globex", "talk")) == 1
    assert await store.erasures("globex") == ()


async def test_a_person_is_erased_with_all_that_is_theirs_alone(store: Store, database_url: str) -> None:
    await remember(store, await talk(store, "private", key=ANNA), entry("p", "Private.", "private"), notes="Notes.")
    both = entry("both", "Everybody likes tea.", "shared", "of bert")
    await remember(store, await talk(store, "shared"), entry("cat", "Has a cat.", "shared"), archive=[both])
    await remember(store, await talk(store, "of bert", person="bert"), entry("dog", "Has a dog.", "of bert"))
    erased = await store.erase_user("acme", "anna")
    assert erased.counts == {
        **NOTHING, "conversations": 2, "turns": 2, "reflections": 2, "minds": 1, "versions": 1, "entries": 3, "evidence": 3,
        "users": 1,
    }  # fmt: skip
    assert await store.mind(ANNA) is None
    with pytest.raises(UnknownUser):
        await store.user("acme", "anna")
    with pytest.raises(UnknownUser):
        await store.erase_user("acme", "anna")
    assert await texts(store) == ["Has a dog."]
    assert [found.entry.text for found in await store.archived(SHARED)] == ["Everybody likes tea."]
    assert [person.id for person in await store.users("acme")] == ["bert"]
    left = "".join(dump(database_url).values())
    assert "anna" not in left
    assert "rivate" not in left
    assert "Has a cat" not in left


async def test_a_person_leaves_the_meetings_they_were_in(store: Store, database_url: str) -> None:
    async def plan(name: str, topic: str, *participants: str) -> None:
        await store.make_meeting("acme", name, kind="meeting", topic=topic, participants=participants)

    async def attend(agent: str, person: str, meeting_id: str) -> None:
        key = MindKey("acme", agent, person)
        name = f"{meeting_id} {agent}"
        await store.open_conversation(
            key, name, user_id=person, channel="chat", meeting_id=meeting_id, intent=Intent(f"Ask {person} and others.")
        )

    await plan("alone", "Secret plans.", "anna")
    await plan("together", "The roof, by Anna.", "anna", "bert")
    await plan("later", "The wall.", "anna", "bert")
    await plan("others", "The floor.", "bert")
    await attend("a", "anna", "alone")
    await attend("b", "anna", "together")
    await attend("c", "bert", "together")
    await attend("d", "bert", "others")
    await store.erase_user("acme", "anna")
    with pytest.raises(UnknownMeeting):
        await store.meeting("acme", "alone")
    together, later = await store.meeting("acme", "together"), await store.meeting("acme", "later")
    assert (together.participants, together.topic) == (("bert",), "")
    assert (later.participants, later.topic) == (("bert",), "The wall.")
    assert (await store.conversation("acme", "together c")).intent_notes == ""
    assert (await store.conversation("acme", "others d")).intent_notes == "Ask bert and others."
    assert "anna" not in "".join(dump(database_url).values()).casefold()


async def test_a_person_leaves_meetings_however_their_name_is_written(store: Store, database_url: str) -> None:
    await talk(store, "first")
    await store.make_meeting("acme", "roof", kind="meeting", topic="The roof.", participants=("Anna", "bert"))
    await store.erase_user("acme", "anna")
    assert (await store.meeting("acme", "roof")).participants == ("bert",)
    assert "anna" not in "".join(dump(database_url).values()).casefold()


async def test_intent_notes_that_may_tell_what_is_gone_go_too(store: Store) -> None:
    async def intend(key: MindKey, name: str, person: str) -> None:
        await store.open_conversation(key, name, user_id=person, channel="chat", intent=Intent("Ask about the cat."))

    async def notes(name: str) -> str:
        return (await store.conversation("acme", name)).intent_notes

    await intend(SHARED, "before", "bert")
    await intend(ANNA, "long before", "anna")
    await remember(store, await talk(store, "told"), entry("cat", "Anna has a cat.", "told"))
    await intend(SHARED, "after", "bert")
    await intend(MindKey("acme", "king"), "handed over", "anna")
    await intend(MindKey("acme", "king"), "elsewhere", "bert")
    await store.erase_conversation("acme", "told")
    assert [await notes(name) for name in ("after", "handed over")] == ["", ""]
    assert all([await notes(name) for name in ("before", "long before", "elsewhere")])


async def test_ids_of_what_was_erased_are_known_again_and_stand_nowhere(store: Store, database_url: str) -> None:
    kept = await talk(store, "kept")
    told = await talk(store, "told")
    of_kept, of_both, of_told = (
        entry("A", "One.", "kept"),
        entry("B", "Two.", "kept", "told"),
        entry("C", "Three.", "told"),
    )
    await remember(store, kept, of_kept)
    await remember(store, told, of_kept, of_both, of_told)
    await store.open_conversation(ANNA, "private", user_id="anna", channel="chat", seed={"memory": ("Four.",)})
    (own,) = (await newest(store, ANNA)).blocks["memory"]

    async def erased(key: MindKey = SHARED) -> frozenset[str]:
        entries = {"A", "B", "C", own.id, "nobody"}
        return await store.erased(key, entries=entries, talks={"kept", "told", "private", "nobody"})

    assert await erased() == frozenset()
    await store.erase_conversation("acme", "told")
    assert await erased() == {"told", "C"}
    assert await erased(ANNA) == {"told"}
    await store.erase_user("acme", "anna")
    assert await erased() == {"kept", "told", "private", "A", "B", "C"}
    assert await erased(ANNA) == {"kept", "told", "private", own.id}
    assert await erased(MindKey("globex", "sage")) == frozenset()
    assert "private" not in "".join(dump(database_url).values())


async def test_intent_notes_that_were_begun_before_an_erasure_are_not_stored_after_it(store: Store) -> None:
    await talk(store, "told")
    seen = await store.erasures_made("acme")
    await store.erase_conversation("acme", "told")
    assert await store.erasures_made("acme") == seen + 1
    assert await store.erasures_made("globex") == 0

    async def late(erasures_seen: int) -> str:
        intent = Intent("About the cat.", erasures_seen)
        opened = await store.open_conversation(SHARED, "late", user_id="bert", channel="chat", intent=intent)
        return opened.intent_notes

    with pytest.raises(StaleVersion):
        await late(seen)
    with pytest.raises(UnknownConversation):
        await store.conversation("acme", "late")
    assert await late(seen + 1) == "About the cat."
    assert await late(seen) == "About the cat."


async def test_notes_that_one_process_stores_while_another_erases_are_refused_or_erased(database_url: str) -> None:
    intending, erasing = SqlStore(database_url), SqlStore(database_url)
    with anyio.fail_after(60):
        await intending.start()
        await erasing.start()
        for number in range(15):
            await remember(
                intending, await talk(intending, f"told-{number}"), entry(f"e{number}", "A cat.", f"told-{number}")
            )
            seen = await intending.erasures_made("acme")

            async def intend(name: str, seen: int = seen) -> None:
                with suppress(StaleVersion):
                    await intending.open_conversation(
                        SHARED, name, user_id="bert", channel="chat", intent=Intent("A cat.", seen)
                    )

            async with anyio.create_task_group() as tasks:
                for part in range(6):
                    tasks.start_soon(intend, f"intent-{number}-{part}")
                    if part == 3:
                        tasks.start_soon(erasing.erase_conversation, "acme", f"told-{number}")
            assert {one.intent_notes for one in await intending.conversations("acme")} <= {""}
        await intending.aclose()
        await erasing.aclose()


async def test_receipts_name_numbers_alone_and_the_newest_first(store: Store, database_url: str) -> None:
    for name in ("first", "second", "third"):
        await talk(store, name)
        await store.erase_conversation("acme", name)
    receipts = await store.erasures("acme")
    assert [receipt.id for receipt in receipts] == sorted((receipt.id for receipt in receipts), reverse=True)
    assert [receipt.counts["turns"] for receipt in receipts] == [1, 1, 1]
    assert await store.erasures("acme", limit=2) == receipts[:2]
    assert not any(receipt.scrubbed for receipt in receipts)
    assert not any(name in dump(database_url)["erasures"] for name in ("first", "second", "third", "anna"))


async def test_scrub_marks_the_receipts_and_has_nothing_to_do_without_any(store: Store) -> None:
    with anyio.fail_after(60):
        assert await store.scrub()
        await talk(store, "talk")
        await store.erase_conversation("acme", "talk")
        assert await store.scrub()
        assert [receipt.scrubbed for receipt in await store.erasures("acme")] == [True]
        assert await store.scrub()
        await store.check()


@pytest.mark.parametrize("seed", range(6))
async def test_no_word_of_an_erased_conversation_is_left_anywhere(store: Store, database_url: str, seed: int) -> None:
    """Histories at random, erased conversation by conversation: every word left was said by somebody who was not erased."""
    order = random.Random(seed)
    with anyio.fail_after(120):
        history = History(store, SHARED, seed=seed)
        for number in range(7):
            await history.talk(f"talk-{number}", person=f"person-{number % 3}")
            if order.random() < 0.4:
                await history.undo()
        assert _words(database_url) == set().union(*history.said.values())
        if seed % 2:
            history.said = {name: words for name, words in history.said.items() if int(name[-1]) % 3}
            await store.erase_user("acme", "person-0")
            await _check(store, database_url, history)
        for name in order.sample(sorted(history.said), len(history.said)):
            del history.said[name]
            await store.erase_conversation("acme", name)
            await _check(store, database_url, history)
            if history.said and order.random() < 0.5:
                await history.undo()
    assert [one.text for block in (await newest(store)).blocks.values() for one in block] == ["I listen."]


def _words(url: str) -> set[str]:
    return {word for text in dump(url).values() for word in WORD.findall(text)}


async def _check(store: Store, url: str, history: History) -> None:
    living = {word for words in history.said.values() for word in words}
    assert _words(url) == living
    mind = await newest(store)
    named: set[str] = set()
    for number in range(1, mind.number + 1):
        version = await store.mind_version(SHARED, number)
        assert version is not None
        blocks = [one for block in version.blocks.values() for one in block]
        archive = await store.archived(SHARED, number=number, limit=1000)
        assert len({one.id for one in blocks}) == len(blocks)
        assert not {one.id for one in blocks} & {found.entry.id for found in archive}
        for one in [*blocks, *(found.entry for found in archive)]:
            assert {piece.conversation_id for piece in one.evidence} <= history.said.keys()
        assert version.conversation_id is None or version.conversation_id in history.said
        named |= {name for change in version.changes for name in (*change.gone, change.came) if name}
    assert not named & history.stored - set(await store.entries(SHARED, sorted(named)))
    assert await store.mind_version(SHARED, mind.number + 1) is None
    for found in await store.archived(SHARED, limit=1000):
        hits = await store.find_archived(SHARED, WORD.findall(found.entry.text)[:1], limit=1000)
        assert found.entry.id in {hit.entry.id for hit in hits}
    assert await store.scrub()
    if url.startswith("sqlite"):
        path = parse_url(url).database
        assert path is not None
        assert words_in_files(Path(path)) <= living


async def test_a_long_mind_is_erased_and_scrubbed_while_others_speak(store: Store) -> None:
    await store.open_conversation(SHARED, "live", user_id="bert", channel="chat", seed=SEED)
    many = [entry(f"entry-{number:05}", f"Fact number {number}.", "one") for number in range(2_000)]
    await remember(store, await talk(store, "one"), archive=many)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(partial(store.append_turn, "acme", "live", NewTurn("user", f"turn {number}")))
            await store.erase_conversation("acme", "one")
            tasks.start_soon(store.scrub)
            for number in range(20):
                tasks.start_soon(partial(store.append_turn, "acme", "live", NewTurn("user", f"turn {number}")))
    assert len(await store.turns("acme", "live")) == 40
    assert await store.archived(SHARED) == ()


async def test_an_erased_conversation_does_not_begin_again_under_its_id(store: Store) -> None:
    await talk(store, "told")
    await talk(store, "hers", person="bert")
    await store.erase_conversation("acme", "told")
    await store.erase_user("acme", "bert")
    for name, person in (("told", "anna"), ("told", "mallory"), ("hers", "bert")):
        with pytest.raises(ConversationOver):
            await store.open_conversation(SHARED, name, user_id=person, channel="chat")
        with pytest.raises(UnknownConversation):
            await store.conversation("acme", name)
    with pytest.raises(UnknownUser):
        await store.user("acme", "bert")
    elsewhere = await store.open_conversation(MindKey("globex", "sage"), "told", user_id="anna", channel="chat")
    assert elsewhere.status == "active"
