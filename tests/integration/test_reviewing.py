"""A person's word on what is proposed: it is written as decided, once, on the mind as it is by then."""

import pytest
from tests.reflecting import KEY, MEMORY, Home

from voicemind.conversation.reviewing import Reviews
from voicemind.errors import BadRequest, NotWaiting, UnknownConversation
from voicemind.mind.agent_files import load_agents
from voicemind.mind.context import Minds
from voicemind.mind.edits import Edit, Edits
from voicemind.mind.reflection.contract import Add, Operation, Remove, Supersede
from voicemind.mind.reflection.proposal import Decision, encoded
from voicemind.store.sql import SqlStore
from voicemind.store.values import Evidence, Reflection

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

COUNSELLOR = load_agents()["counsellor"]
TEA = Add(MEMORY, "The user likes tea.", (Evidence("talk", 1, "I like tea"),), "said")
RAIN = Add(MEMORY, "The user likes rain.", (Evidence("talk", 1, "and rain"),), "said", lasting=False)
ACCEPT, REJECT = Decision("accept"), Decision("reject")


@pytest.fixture
async def home(store: SqlStore) -> Home:
    made = Home.build(store)
    await made.talk("talk", "I like tea and rain.")
    return made


async def proposed(home: Home, *operations: Operation) -> Reflection:
    reflection = await home.store.end_conversation(KEY, "talk")
    mind = await home.store.mind(KEY)
    assert mind is not None
    return await home.store.propose_reflection(
        reflection, parent=mind.number, proposal=encoded(operations), notes="Refused 1 proposed change."
    )


def reviews(home: Home) -> Reviews:
    return Reviews(home.store, home.opening, Minds(home.store))


async def test_what_is_accepted_is_written_and_the_rest_is_not(home: Home) -> None:
    await proposed(home, TEA, RAIN, TEA)
    done = await reviews(home).decide(KEY.tenant, "talk", [Decision("edit", "The user loves tea."), ACCEPT, REJECT])
    assert (done.status, done.before, done.after) == ("done", 1, 2)
    assert done.notes == "Refused 1 proposed change. A person accepted 2 of 3 proposed changes."
    assert await home.remembered() == ["The user loves tea."]
    assert [one.entry.text for one in await home.store.archived(KEY)] == ["The user likes rain."]
    mind = await home.store.mind(KEY)
    assert mind is not None
    assert (mind.conversation_id, mind.blocks[MEMORY][0].evidence) == ("talk", TEA.evidence)


async def test_rejecting_everything_writes_no_version(home: Home) -> None:
    await proposed(home, TEA)
    done = await reviews(home).decide(KEY.tenant, "talk", [REJECT])
    assert (done.status, done.before, done.after) == ("done", 1, 1)


async def test_a_decision_counts_once(home: Home) -> None:
    await proposed(home, TEA)
    await reviews(home).decide(KEY.tenant, "talk", [ACCEPT])
    with pytest.raises(NotWaiting):
        await reviews(home).decide(KEY.tenant, "talk", [ACCEPT])
    assert await home.remembered() == ["The user likes tea."]


async def test_the_mind_may_have_changed_since_the_proposal(home: Home) -> None:
    edits = Edits(home.store, Minds(home.store))
    mind = await edits.edit(COUNSELLOR, KEY, [Edit("add", MEMORY, text="The user likes cocoa.")])
    (cocoa,) = mind.blocks[MEMORY]
    evidence = TEA.evidence
    await proposed(
        home,
        Supersede(MEMORY, cocoa.id, "The user likes tea.", evidence, "said"),
        Remove(MEMORY, cocoa.id, evidence, ""),
    )
    await edits.edit(COUNSELLOR, KEY, [Edit("remove", entry_id=cocoa.id), Edit("add", MEMORY, text="By hand.")])
    done = await reviews(home).decide(KEY.tenant, "talk", [ACCEPT, ACCEPT])
    assert done.status == "done"
    assert await home.remembered() == ["By hand."]


async def test_decisions_that_do_not_fit_leave_the_proposal_waiting(home: Home) -> None:
    await proposed(home, TEA)
    for wrong in ([], [ACCEPT, ACCEPT], [Decision("edit", " ")], [Decision("edit", "x" * 500)]):
        with pytest.raises(BadRequest):
            await reviews(home).decide(KEY.tenant, "talk", wrong)
    waiting = await home.store.reflection(KEY.tenant, "talk")
    assert waiting is not None
    assert waiting.status == "review"


async def test_nothing_can_be_decided_where_nothing_waits(home: Home) -> None:
    with pytest.raises(UnknownConversation):
        await reviews(home).decide(KEY.tenant, "talk", [])
    with pytest.raises(UnknownConversation):
        await reviews(home).decide(KEY.tenant, "nobody", [])
    await home.store.end_conversation(KEY, "talk")
    with pytest.raises(NotWaiting):
        await reviews(home).decide(KEY.tenant, "talk", [])


async def test_an_erased_conversation_has_nothing_to_decide_on(home: Home) -> None:
    await proposed(home, TEA)
    await home.store.erase_conversation(KEY.tenant, "talk")
    with pytest.raises(UnknownConversation):
        await reviews(home).decide(KEY.tenant, "talk", [ACCEPT])


async def test_only_a_failed_reflection_is_tried_again(home: Home) -> None:
    reflection = await home.store.end_conversation(KEY, "talk")
    with pytest.raises(NotWaiting):
        await reviews(home).retry(KEY.tenant, "talk")
    await home.store.postpone_reflection(reflection, error="timeout", delay_s=None)
    again = await reviews(home).retry(KEY.tenant, "talk")
    assert (again.status, again.attempts) == ("waiting", 0)
    with pytest.raises(UnknownConversation):
        await reviews(home).retry(KEY.tenant, "nobody")
