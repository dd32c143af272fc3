"""What every store promises about meetings, the lists of conversations, and agents that were made through the API."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

import anyio
import pytest

from voicemind.clock import utc_now
from voicemind.errors import BadRequest, InMeeting, UnknownMeeting
from voicemind.store.contract import Store
from voicemind.store.sql import SqlStore
from voicemind.store.values import Conversation, Intent, Meeting, MindKey, NewTurn

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

KEY = MindKey("acme", "counsellor", "anna")
SHARED = MindKey("acme", "sage")


async def plan(store: Store, name: str = "monday", *, tenant: str = "acme") -> Meeting:
    return await store.make_meeting(tenant, name, kind="meeting", topic="The roof.", participants=["anna", "bert"])


async def attend(
    store: Store, name: str, meeting_id: str | None = None, *, key: MindKey = KEY, person: str = "anna", notes: str = ""
) -> Conversation:
    return await store.open_conversation(
        key, name, user_id=person, channel="browser", meeting_id=meeting_id, intent=Intent(notes)
    )


async def test_a_meeting_is_kept_as_it_was_planned(store: Store) -> None:
    before = utc_now()
    made = await store.make_meeting("acme", "monday", kind="speech", topic="The roof.", participants=["anna", "bert"])
    assert made == Meeting("acme", "monday", "speech", "The roof.", ("anna", "bert"), made.created_at)
    assert before <= made.created_at <= utc_now()
    assert await store.meeting("acme", "monday") == made


async def test_a_meeting_that_exists_is_returned_unchanged(store: Store) -> None:
    made = await plan(store)
    assert await store.make_meeting("acme", "monday", kind="speech", topic="Another.", participants=[]) == made
    assert await store.meetings("acme") == (made,)


async def test_a_meeting_made_many_times_at_once_is_made_once(store: Store) -> None:
    made: list[Meeting] = []

    async def make() -> None:
        made.append(await plan(store))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(make)
    assert len(set(made)) == 1


async def test_meetings_are_listed_the_newest_first_and_page_by_page(store: Store) -> None:
    made = [await plan(store, f"meeting-{number}") for number in range(5)]
    await plan(store, tenant="globex")
    newest_first = tuple(reversed(made))
    assert await store.meetings("acme") == newest_first
    pages: list[Meeting] = []
    before: tuple[datetime, str] | None = None
    while page := await store.meetings("acme", before=before, limit=2):
        assert len(page) <= 2
        pages.extend(page)
        before = (page[-1].created_at, page[-1].id)
    assert tuple(pages) == newest_first


@pytest.mark.parametrize("odd", ["nul \x00 inside", "half a pair \ud83d", "x" * 256])
async def test_a_meeting_id_that_not_every_database_can_hold_is_refused(store: Store, odd: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await plan(store, odd)
    assert refused.value.param == "meeting_id"


async def test_characters_that_no_database_holds_cost_no_meeting(store: Store) -> None:
    made = await store.make_meeting("acme", "odd", kind="meeting", topic="a\x00b", participants=["c\ud83d"])
    assert (made.topic, made.participants) == ("a\ufffdb", ("c\ufffd",))
    assert await store.meeting("acme", "odd") == made


async def test_a_conversation_belongs_to_its_meeting_and_keeps_its_intent_notes(store: Store) -> None:
    await plan(store)
    made = await attend(store, "talk", "monday", notes="Ask about the roof.")
    assert (made.meeting_id, made.intent_notes, made.turns) == ("monday", "Ask about the roof.", 0)
    await store.append_turn("acme", "talk", NewTurn("user", "hello"))
    stored = await store.conversation("acme", "talk")
    assert (stored.meeting_id, stored.intent_notes, stored.turns) == ("monday", "Ask about the roof.", 1)
    assert await store.meeting_of(KEY) == "monday"


async def test_a_meeting_that_nobody_is_in_can_be_dropped_and_no_other(store: Store) -> None:
    await plan(store)
    await plan(store, tenant="globex")
    tuesday = await plan(store, "tuesday")
    await attend(store, "talk", "tuesday")
    for name in ("monday", "tuesday", "nowhere"):
        await store.drop_meeting("acme", name)
    assert await store.meetings("acme") == (tuesday,)
    assert len(await store.meetings("globex")) == 1


async def test_an_unknown_meeting_cannot_be_attended(store: Store) -> None:
    await plan(store, tenant="globex")
    with pytest.raises(UnknownMeeting):
        await store.meeting("acme", "monday")
    with pytest.raises(UnknownMeeting):
        await attend(store, "talk", "monday")
    assert await store.mind(KEY) is None
    assert await store.conversations("acme") == ()


async def test_an_agent_is_in_one_live_meeting_at_a_time(store: Store) -> None:
    await plan(store)
    await plan(store, "tuesday")
    first = await attend(store, "talk", "monday")
    with pytest.raises(InMeeting) as refused:
        await attend(store, "second", "tuesday")
    assert refused.value.meeting_id == "monday"
    assert "monday" in str(refused.value)
    assert await attend(store, "talk", "tuesday") == first
    assert (await attend(store, "same meeting", "monday")).meeting_id == "monday"
    assert (await attend(store, "without")).meeting_id is None
    await store.end_conversation(KEY, "talk")
    assert await store.meeting_of(KEY) == "monday"
    await store.end_conversation(KEY, "same meeting")
    assert await store.meeting_of(KEY) is None
    assert (await attend(store, "second", "tuesday")).meeting_id == "tuesday"


async def test_minds_of_two_users_are_in_two_meetings_and_a_shared_mind_is_not(store: Store) -> None:
    await plan(store)
    await plan(store, "tuesday")
    await attend(store, "one", "monday")
    await attend(store, "two", "tuesday", key=MindKey("acme", "counsellor", "bert"), person="bert")
    await attend(store, "three", "monday", key=SHARED, person="anna")
    with pytest.raises(InMeeting):
        await attend(store, "four", "tuesday", key=SHARED, person="bert")
    assert await store.meeting_of(SHARED) == "monday"
    assert await store.meeting_of(MindKey("globex", "sage")) is None


@pytest.fixture
async def neighbours(database_url: str, anyio_backend: str) -> AsyncGenerator[tuple[SqlStore, ...]]:
    """Three stores on one database, each with a writer of its own."""
    made = tuple(SqlStore(database_url) for _ in range(3))
    with anyio.fail_after(60):
        for store in made:
            await store.start()
    yield made
    with anyio.fail_after(60):
        for store in made:
            await store.aclose()


async def test_an_agent_that_several_processes_call_to_meetings_at_once_goes_to_one(
    neighbours: tuple[SqlStore, ...],
) -> None:
    for number in range(3):
        await plan(neighbours[0], f"meeting-{number}")
    for round_number in range(8):
        key = MindKey("acme", f"agent-{round_number}")
        attended: list[str] = []
        named: list[str] = []

        async def go(number: int, key: MindKey = key, attended: list[str] = attended, named: list[str] = named) -> None:
            try:
                await attend(neighbours[number], f"{key.agent} {number}", f"meeting-{number}", key=key)
                attended.append(f"meeting-{number}")
            except InMeeting as refusal:
                named.append(refusal.meeting_id)

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for number in range(3):
                    tasks.start_soon(go, number)
        assert len(attended) == 1
        assert named == attended * 2


async def test_the_conversations_that_a_mind_has_behind_it_are_counted(store: Store) -> None:
    bert = MindKey("acme", "counsellor", "bert")
    others = (bert, SHARED, MindKey("globex", "counsellor", "anna"))
    assert await store.talks_ended(KEY) == 0
    for number, key in enumerate((KEY, KEY, KEY, *others)):
        name = f"talk-{number}"
        await attend(store, name, key=key, person=key.user_id or "anna")
        if number:  # the first one has ended without a word
            await store.append_turn(key.tenant, name, NewTurn("user", "hello"))
        if number != 1:  # the second one goes on
            await store.end_conversation(key, name)
    assert [await store.talks_ended(key) for key in (KEY, *others)] == [1, 1, 1, 1]


async def test_conversations_are_listed_the_newest_first_and_page_by_page(store: Store) -> None:
    made = [await attend(store, f"talk-{number}") for number in range(5)]
    newest_first = [talk.id for talk in reversed(made)]
    assert [talk.id for talk in await store.conversations("acme")] == newest_first
    pages: list[str] = []
    before: tuple[datetime, str] | None = None
    while page := await store.conversations("acme", before=before, limit=2):
        pages.extend(talk.id for talk in page)
        before = (page[-1].created_at, page[-1].id)
    assert pages == newest_first


async def test_conversations_are_listed_by_agent_person_status_and_meeting(store: Store) -> None:
    await plan(store)
    await attend(store, "one", "monday")
    await attend(store, "two")
    await attend(store, "three", key=SHARED, person="bert")
    await attend(store, "theirs", key=MindKey("globex", "sage"), person="bert")
    await store.end_conversation(KEY, "two")

    async def names(**wanted: str) -> list[str]:
        return [talk.id for talk in await store.conversations("acme", **wanted)]  # type: ignore[arg-type]

    assert await names() == ["three", "two", "one"]
    assert await names(agent="counsellor") == ["two", "one"]
    assert await names(user_id="bert") == ["three"]
    assert await names(status="ended") == ["two"]
    assert await names(meeting_id="monday") == ["one"]
    assert await names(agent="counsellor", status="active") == ["one"]
    assert await names(agent="nobody") == []


async def test_conversations_are_listed_by_how_their_id_begins(store: Store) -> None:
    for name in ("a_b-1", "a_b-2", "A_b-3", "axb-4", "a_b", "a_c", "a_b-\U0001f600", "%", "a_b-\u00e9"):
        await attend(store, name)
    await attend(store, "a_b-5", key=SHARED)

    async def names(prefix: str, **wanted: Any) -> list[str]:
        return [talk.id for talk in await store.conversations("acme", id_prefix=prefix, **wanted)]

    assert await names("a_b-") == ["a_b-5", "a_b-\u00e9", "a_b-\U0001f600", "a_b-2", "a_b-1"]
    assert await names("a_b-", limit=2) == ["a_b-5", "a_b-\u00e9"]
    assert await names("a_b-", agent=KEY.agent, limit=2) == ["a_b-\u00e9", "a_b-\U0001f600"]
    assert await names("%") == ["%"]
    assert await names("a_b-1x") == []
    assert len(await names("")) == 10


async def test_an_agent_is_kept_in_place_of_an_older_one_of_its_name(store: Store) -> None:
    first = await store.put_agent("acme", "sage", {"name": "Sage", "blocks": [{"label": "memory", "limit": 5}]})
    second = await store.put_agent("acme", "sage", {"name": "Sage the Second"})
    other = await store.put_agent("acme", "guide", {})
    theirs = await store.put_agent("globex", "sage", {"name": "Theirs"})
    assert first.definition == {"name": "Sage", "blocks": [{"label": "memory", "limit": 5}]}
    assert await store.agents("acme") == (other, second)
    assert await store.agents("globex") == (theirs,)
    assert await store.agents("initech") == ()


async def test_an_agent_that_is_no_json_is_refused(store: Store) -> None:
    with pytest.raises(BadRequest):
        await store.put_agent("acme", "sage", {"name": "half a pair \ud83d"})
    with pytest.raises(BadRequest):
        await store.put_agent("acme", "x" * 256, {})
    assert await store.agents("acme") == ()
