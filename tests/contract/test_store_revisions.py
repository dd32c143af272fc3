"""What every store promises about turns that are told again, on each kind of database."""

from collections.abc import Sequence
from dataclasses import replace

import anyio
import pytest

from voicemind.errors import ConversationOver, StaleTranscript, UnknownConversation
from voicemind.store.contract import Store
from voicemind.store.turn_edits import DroppedTurns, HeardTurn, RewordedTurn, TurnEdit
from voicemind.store.values import Call, MindKey, NewTurn, Turn

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

KEY = MindKey("acme", "counsellor", "anna")
CALL = Call("call-1", "end_call", '{"reason": "done"}')
SPOKEN = (
    NewTurn("user", "I want", heard="I want"),
    NewTurn("agent", "What do you want?", heard="What do you want?", timings_ms={"thought_first": 20.0}),
    NewTurn("user", "a dog", heard="a dog"),
)


async def talk_of(store: Store, *turns: NewTurn, name: str = "talk", key: MindKey = KEY) -> tuple[Turn, ...]:
    await store.open_conversation(key, name, user_id=key.user_id, channel="chat")
    return tuple([await store.append_turn(key.tenant, name, turn) for turn in turns])


async def revised_turns(store: Store, edits: Sequence[TurnEdit], *, turns: int) -> tuple[Turn, ...]:
    count = await store.revise_turns("acme", "talk", edits, turns=turns)
    stored = await store.turns("acme", "talk")
    assert len(stored) == count
    return stored


def words(turns: tuple[Turn, ...]) -> list[str]:
    return [turn.generated for turn in turns]


async def test_the_calls_of_a_turn_are_stored_as_they_were_made(store: Store) -> None:
    (said,) = await talk_of(store, NewTurn("agent", "", heard="", calls=(CALL, replace(CALL, id="call-\x002"))))
    assert said.calls == (CALL, replace(CALL, id="call-\ufffd2"))
    assert await store.turns("acme", "talk") == (said,)


async def test_each_edit_changes_what_it_names_and_nothing_else(store: Store) -> None:
    first, agent, last = await talk_of(store, *SPOKEN)
    edits = (RewordedTurn(1, "I want a dog\x00"), HeardTurn(2, "What do"), NewTurn("agent", "", calls=(CALL,)))
    revised = await revised_turns(store, edits, turns=3)
    assert revised[:3] == (
        replace(first, generated="I want a dog\ufffd", heard="I want a dog\ufffd"),
        replace(agent, heard="What do", interrupted=True),
        last,
    )
    assert (revised[3].seq, revised[3].calls) == (4, (CALL,))
    assert await store.turns("acme", "talk") == revised
    talk = await store.conversation("acme", "talk")
    assert (talk.turns, talk.active_at) == (4, revised[3].created_at)


async def test_a_turn_that_was_heard_whole_after_all_is_not_interrupted(store: Store) -> None:
    await talk_of(store, NewTurn("agent", "Well then. ", heard=None, interrupted=True))
    (heard,) = await revised_turns(store, (HeardTurn(1, "Well then."),), turns=1)
    assert (heard.heard, heard.interrupted) == ("Well then.", False)


async def test_the_numbers_of_dropped_turns_are_given_again(store: Store) -> None:
    await talk_of(store, *SPOKEN)
    edits: tuple[TurnEdit, ...] = (DroppedTurns(2), NewTurn("agent", "So?"), HeardTurn(2, "S"), DroppedTurns(2))
    assert words(await revised_turns(store, edits, turns=3)) == ["I want"]
    edits = (NewTurn("agent", "Yes?"), NewTurn("user", "a cat"), RewordedTurn(3, "a cow"))
    revised = await revised_turns(store, edits, turns=1)
    assert [(turn.seq, turn.generated) for turn in revised] == [(1, "I want"), (2, "Yes?"), (3, "a cow")]
    assert await store.turns("acme", "talk") == revised
    next_turn = await store.append_turn("acme", "talk", NewTurn("agent", "A cow."))
    assert next_turn.seq == 4
    assert (await store.conversation("acme", "talk")).turns == 4


async def test_without_an_edit_the_conversation_is_merely_active_again(store: Store) -> None:
    stored = await talk_of(store, *SPOKEN)
    before = await store.conversation("acme", "talk")
    assert await revised_turns(store, (), turns=3) == stored
    after = await store.conversation("acme", "talk")
    assert after.active_at > before.active_at
    assert after == replace(before, active_at=after.active_at)


async def test_a_conversation_that_has_gone_on_is_not_edited(store: Store) -> None:
    stored = await talk_of(store, *SPOKEN)
    for seen in (2, 4):
        with pytest.raises(StaleTranscript):
            await store.revise_turns("acme", "talk", (DroppedTurns(1),), turns=seen)
    assert await store.turns("acme", "talk") == stored


@pytest.mark.parametrize("wrong", [DroppedTurns(5), HeardTurn(0, "x"), HeardTurn(1, "x"), RewordedTurn(2, "x")])
async def test_edits_happen_all_or_none(store: Store, wrong: TurnEdit) -> None:
    stored = await talk_of(store, *SPOKEN)
    with pytest.raises(StaleTranscript):
        await store.revise_turns("acme", "talk", (RewordedTurn(3, "a cat"), NewTurn("agent", "Oh."), wrong), turns=3)
    assert await store.turns("acme", "talk") == stored


async def test_of_edits_made_at_once_from_the_same_turns_one_happens(store: Store) -> None:
    await talk_of(store)
    await talk_of(store, name="other")
    refused: list[str] = []

    async def say(name: str, number: int) -> None:
        try:
            await store.revise_turns("acme", name, (NewTurn("user", f"{name} {number}"),), turns=0)
        except StaleTranscript:
            refused.append(name)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(say, "talk", number)
                tasks.start_soon(say, "other", number)
    assert (refused.count("talk"), refused.count("other")) == (19, 19)
    for name in ("talk", "other"):
        assert [turn.seq for turn in await store.turns("acme", name)] == [1]


async def test_an_ended_or_unknown_conversation_or_one_of_another_tenant_is_not_edited(store: Store) -> None:
    stored = await talk_of(store, *SPOKEN)
    await store.end_conversation(KEY, "talk")
    with pytest.raises(ConversationOver):
        await store.revise_turns("acme", "talk", (DroppedTurns(1),), turns=3)
    for tenant, name in (("acme", "nowhere"), ("globex", "talk")):
        with pytest.raises(UnknownConversation):
            await store.revise_turns(tenant, name, (DroppedTurns(1),), turns=3)
        with pytest.raises(UnknownConversation):
            await store.settle_turns(tenant, name, SPOKEN)
    assert await store.turns("acme", "talk") == stored


async def test_two_tenants_edit_conversations_of_the_same_name_apart(store: Store) -> None:
    globex = replace(KEY, tenant="globex")
    await talk_of(store, *SPOKEN)
    untouched = await talk_of(store, *SPOKEN, key=globex)
    await store.revise_turns("acme", "talk", (DroppedTurns(1), NewTurn("user", "Bye")), turns=3)
    assert words(await store.turns("acme", "talk")) == ["Bye"]
    assert await store.turns("globex", "talk") == untouched


@pytest.mark.parametrize("is_over", [False, True])
async def test_what_the_platform_tells_in_the_end_takes_the_place_of_all_turns(store: Store, is_over: bool) -> None:
    stored = await talk_of(store, *SPOKEN)
    if is_over:
        await store.end_conversation(KEY, "talk")
    before = await store.conversation("acme", "talk")
    told = (NewTurn("agent", "Hello!", heard="Hello!"), *SPOKEN[:2], NewTurn("agent", "", calls=(CALL,)))
    assert await store.settle_turns("acme", "talk", told)
    turns = await store.turns("acme", "talk")
    assert [(turn.seq, turn.role, turn.generated, turn.calls) for turn in turns] == [
        (1, "agent", "Hello!", ()),
        (2, "user", "I want", ()),
        (3, "agent", "What do you want?", ()),
        (4, "agent", "", (CALL,)),
    ]
    assert [turn.created_at for turn in turns] == [*(turn.created_at for turn in stored), stored[-1].created_at]
    after = await store.conversation("acme", "talk")
    assert after.settled_at is not None
    assert after.turns == 4
    assert (after.active_at == before.active_at) is is_over


async def test_a_conversation_is_settled_once(store: Store) -> None:
    await talk_of(store)
    assert (await store.conversation("acme", "talk")).settled_at is None
    assert await store.settle_turns("acme", "talk", SPOKEN)
    first = await store.conversation("acme", "talk")
    assert not await store.settle_turns("acme", "talk", SPOKEN[:1])
    assert await store.conversation("acme", "talk") == first
    assert len(await store.turns("acme", "talk")) == 3


async def test_after_its_reflection_has_begun_a_conversation_is_not_settled(store: Store) -> None:
    stored = await talk_of(store, *SPOKEN)
    await store.end_conversation(KEY, "talk")
    claimed = await store.claim_reflection("worker", lease_s=60)
    assert claimed is not None
    assert not await store.settle_turns("acme", "talk", SPOKEN[:1])
    await store.finish_reflection(claimed, parent=1, version=None, notes="")
    assert not await store.settle_turns("acme", "talk", SPOKEN[:1])
    assert await store.turns("acme", "talk") == stored
    assert (await store.conversation("acme", "talk")).settled_at is None


async def test_a_reflection_that_waits_to_be_tried_again_takes_what_was_settled(store: Store) -> None:
    await talk_of(store, *SPOKEN)
    await store.end_conversation(KEY, "talk")
    claimed = await store.claim_reflection("worker", lease_s=60)
    assert claimed is not None
    await store.postpone_reflection(claimed, error="busy", delay_s=0)
    assert await store.settle_turns("acme", "talk", SPOKEN[:1])


async def test_the_calls_of_an_erased_conversation_are_gone_with_its_turns(store: Store) -> None:
    await talk_of(store, NewTurn("agent", "", calls=(CALL,)))
    await store.settle_turns("acme", "talk", (NewTurn("agent", "", calls=(CALL,)),))
    erasure = await store.erase_conversation("acme", "talk")
    assert erasure.counts["turns"] == 1
    with pytest.raises(UnknownConversation):
        await store.turns("acme", "talk")
    with pytest.raises(ConversationOver):
        await talk_of(store)
