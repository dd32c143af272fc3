"""Meetings and the agents in them, on a real store."""

from collections.abc import AsyncGenerator

import anyio
import pytest
from tests.administering import FERRYMAN
from tests.erasing import WORD, dump
from tests.reflecting import LIMIT_S, TENANT, Home

from voicemind.conversation import meetings as meeting_rules
from voicemind.conversation.live import Live
from voicemind.conversation.meetings import Meetings
from voicemind.errors import BadRequest, ConversationOver, InMeeting
from voicemind.llm.contract import Ask, Finished, TextDelta
from voicemind.llm.scripted import ScriptedLlm
from voicemind.mind.agent import Agent
from voicemind.mind.agent_files import load_agents
from voicemind.mind.context import Minds
from voicemind.mind.intent import Intents
from voicemind.mind.roster import Roster
from voicemind.store.sql import SqlStore
from voicemind.store.values import NewTurn

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

AGENTS = load_agents()
COUNSELLOR = AGENTS["counsellor"]
MARCUS, THALIA = AGENTS["marcus"], AGENTS["thalia"]


class Both(ScriptedLlm):
    """Answers when two have asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.both = anyio.Event()

    async def stream(self, ask: Ask) -> AsyncGenerator[TextDelta | Finished]:
        self.asked += 1
        if self.asked == 2:
            self.both.set()
        await self.both.wait()
        yield TextDelta("I listen.")
        yield Finished()


@pytest.fixture
async def home(store: SqlStore) -> Home:
    return Home.build(store)


@pytest.fixture
async def meetings(home: Home) -> Meetings:
    return Meetings(home.store, home.opening, home.endings, Live(limit=5), Intents(ScriptedLlm(), Minds(home.store)))


async def test_an_agent_that_has_left_a_meeting_is_not_prepared_for_it_again(meetings: Meetings) -> None:
    await meetings.prepare(TENANT, MARCUS, participants=["Bob"], meeting_id="council")
    await meetings.end(TENANT, "council")
    with pytest.raises(ConversationOver):
        await meetings.prepare(TENANT, MARCUS, participants=["Bob"], meeting_id="council")


async def test_a_meeting_has_one_conversation_with_an_agent_and_so_one_person(meetings: Meetings) -> None:
    first = await meetings.prepare(TENANT, COUNSELLOR, participants=["Bob"], meeting_id="council", user_id="bob")
    with pytest.raises(BadRequest, match="another person") as refused:
        await meetings.prepare(TENANT, COUNSELLOR, participants=["Cem"], meeting_id="council", user_id="cem")
    assert refused.value.param == "patient_id"
    again = await meetings.prepare(TENANT, COUNSELLOR, participants=["Bob"], meeting_id="council", user_id="bob")
    assert again == first


async def test_a_meeting_that_is_full_takes_no_further_agent(
    home: Home, meetings: Meetings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting_rules, "MOST_AGENTS", 1)
    await home.opening.open(THALIA, tenant=TENANT, user_id="bob", conversation_id="elsewhere", channel="chat")
    marcus = await meetings.prepare(TENANT, MARCUS, participants=["Bob"], meeting_id="council", user_id="bob")
    with pytest.raises(BadRequest) as refused:
        await meetings.prepare(TENANT, THALIA, participants=["Bob"], meeting_id="council")
    assert refused.value.param == "meeting_id"
    with pytest.raises(BadRequest):
        await meetings.hand_over(TENANT, marcus.opened.conversation.id, THALIA)
    with pytest.raises(BadRequest):
        await meetings.admit(TENANT, "council", THALIA)
    await meetings.admit(TENANT, "council", MARCUS)
    assert await meetings.prepare(TENANT, MARCUS, participants=["Bob"], meeting_id="council") == marcus


async def test_an_agent_that_is_called_to_two_meetings_at_once_leaves_no_empty_one_behind(home: Home) -> None:
    llm = Both()
    meetings = Meetings(home.store, home.opening, home.endings, Live(limit=5), Intents(llm, Minds(home.store)))
    refused: list[InMeeting] = []

    async def prepare(name: str) -> None:
        try:
            await meetings.prepare(TENANT, MARCUS, participants=["Bob"], meeting_id=name)
        except InMeeting as error:
            refused.append(error)

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(prepare, "council")
            tasks.start_soon(prepare, "feast")
    (error,) = refused
    assert [meeting.id for meeting in await home.store.meetings(TENANT)] == [error.meeting_id]


@pytest.mark.parametrize(("agent", "person"), [(MARCUS, "e97505"), (COUNSELLOR, "")])
async def test_an_agent_is_told_no_address(home: Home, agent: Agent, person: str) -> None:
    opened = await home.opening.open(
        agent, tenant=TENANT, user_id="ann@example.org", conversation_id=None, channel="chat"
    )
    assert (opened.conversation.user_id, opened.person) == ("ann@example.org", person)


async def test_nobody_is_handed_to_an_agent_that_talks_with_somebody_else_in_the_meeting(
    home: Home, meetings: Meetings
) -> None:
    marcus = await meetings.prepare(TENANT, MARCUS, participants=["Bob"], meeting_id="council", user_id="bob")
    await meetings.prepare(TENANT, THALIA, participants=["Cem"], meeting_id="council", user_id="cem")
    identity = marcus.opened.conversation.id
    with pytest.raises(BadRequest):
        await meetings.hand_over(TENANT, identity, THALIA)
    assert (await home.store.conversation(TENANT, identity)).status == "active"


async def test_erasing_somebody_without_a_name_erases_the_talk_they_were_passed_on_to_and_the_notes(
    home: Home, meetings: Meetings, database_url: str
) -> None:
    first = await home.opening.open(MARCUS, tenant=TENANT, user_id=None, conversation_id="first", channel="chat")
    await home.store.append_turn(TENANT, "first", NewTurn("user", "My secret is zq1w.", heard="My secret is zq1w."))
    following = await meetings.hand_over(TENANT, "first", THALIA)
    person = first.conversation.user_id
    assert (following.opened.conversation.user_id, following.opened.conversation.anonymous) == (person, True)
    assert "zq1w" in following.intent_notes
    await home.store.erase_user(TENANT, person)
    assert await home.store.conversations(TENANT) == ()
    assert not WORD.search("".join(dump(database_url).values()))


async def test_erasing_the_first_talk_of_somebody_without_a_name_erases_the_notes_that_were_made_of_it(
    home: Home, meetings: Meetings, database_url: str
) -> None:
    await home.opening.open(MARCUS, tenant=TENANT, user_id=None, conversation_id="first", channel="chat")
    await home.store.append_turn(TENANT, "first", NewTurn("user", "My secret is zq1w.", heard="My secret is zq1w."))
    await meetings.hand_over(TENANT, "first", THALIA)
    await home.store.erase_conversation(TENANT, "first")
    assert not WORD.search("".join(dump(database_url).values()))


async def test_a_meeting_ends_for_everybody_although_one_agent_is_gone(home: Home, store: SqlStore) -> None:
    known = Meetings(store, home.opening, home.endings, Live(limit=5), Intents(ScriptedLlm(), Minds(store)))
    for agent in (MARCUS, THALIA):
        await known.prepare(TENANT, agent, participants=["Bob"], meeting_id="council")
    fewer = Home.build(store)
    fewer.opening._roster.presets = {"thalia": THALIA}
    later = Meetings(store, fewer.opening, fewer.endings, Live(limit=5), Intents(ScriptedLlm(), Minds(store)))
    assert {reflection.key.agent for reflection in await later.end(TENANT, "council")} == {"marcus", "thalia"}
    assert {talk.status for talk in await store.conversations(TENANT, meeting_id="council")} == {"ended"}


async def test_an_agent_whose_definition_is_no_longer_taken_costs_no_other(store: SqlStore) -> None:
    await store.put_agent(TENANT, "ferryman", FERRYMAN)
    await store.put_agent(TENANT, "relic", {"slug": "relic", "mood": "of an older program"})
    roster = Roster(AGENTS, store)
    slugs = {agent.slug for agent in await roster.all(TENANT)}
    assert {"ferryman", "counsellor"} <= slugs
    assert "relic" not in slugs
