"""A talk that has no name is told by what was said in it, and never mistaken for somebody else's."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reflecting import KEY, TENANT, Home

from voicemind.conversation.unnamed import Unnamed, fit
from voicemind.llm.contract import Message, ToolCall
from voicemind.store.contract import Store
from voicemind.store.values import Call, NewTurn, Turn

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio
SYSTEM = "You are kind. It is 12:03."


class Line:
    """A platform without ids, and a server that answers it."""

    def __init__(self, store: Store) -> None:
        self.store, self.unnamed = store, Unnamed(store)
        self.home = Home.build(store)

    async def asks(self, *talk: str, system: str = SYSTEM, person: str = "", may_repeat: bool = True) -> str:
        return await self.unnamed.conversation_id(
            TENANT, KEY.agent, person=person, system=system, messages=messages(talk), may_repeat=may_repeat
        )

    async def answered(self, identity: str, *talk: str) -> None:
        """What is stored when the last of the talk, a reply, was taken."""
        agent = await self.home.opening.agent(TENANT, KEY.agent)
        opened = await self.home.opening.open(
            agent, tenant=TENANT, user_id=None, conversation_id=identity, channel="chat_completions"
        )
        for at, said in list(enumerate(talk))[opened.conversation.turns :]:
            turn = NewTurn("agent" if at % 2 else "user", said, heard=said)
            await self.store.append_turn(TENANT, identity, turn)


def messages(talk: Sequence[str]) -> tuple[Message, ...]:
    return tuple(Message("assistant" if at % 2 else "user", said) for at, said in enumerate(talk))


async def test_a_talk_goes_on_where_its_replies_are_known(store: Store) -> None:
    line = Line(store)
    first = await line.asks("Hello")
    await line.answered(first, "Hello", "Hi, who are you?")
    assert await line.asks("Hello", "Hi, who are you?", "Ann") == first


async def test_what_the_clock_in_a_system_message_says_does_not_matter(store: Store) -> None:
    line = Line(store)
    first = await line.asks("Hello", system="It is 12:03.")
    await line.answered(first, "Hello", "Hi.")
    assert await line.asks("Hello", "Hi.", "Ann", system="It is 12:04.") == first


async def test_a_reply_that_was_cut_off_is_known_again(store: Store) -> None:
    line = Line(store)
    first = await line.asks("Hello")
    await line.answered(first, "Hello", "Hi, I am a very talkative agent.")
    assert await line.asks("Hello", "Hi, I am a", "Stop") == first


async def test_two_people_who_begin_alike_are_two_conversations(store: Store) -> None:
    line = Line(store)
    ann = await line.asks("Hello", may_repeat=False)
    bob = await line.asks("Hello", may_repeat=False)
    assert ann != bob


async def test_two_people_who_got_the_same_reply_part_where_they_differ(store: Store) -> None:
    line = Line(store)
    ann = await line.asks("Hello")
    await line.answered(ann, "Hello", "Hi, who are you?")
    assert await line.asks("Hello", "Hi, who are you?", "Ann") == ann
    await line.answered(ann, "Hello", "Hi, who are you?", "Ann", "Hello Ann.")
    bob = await line.asks("Hello", "Hi, who are you?", "Bob")
    assert bob != ann
    assert await line.asks("Hello", "Hi, who are you?", "Ann", "Hello Ann.", "Bye") == ann


async def test_a_reply_that_was_never_given_here_is_another_conversation(store: Store) -> None:
    line = Line(store)
    ann = await line.asks("Hello")
    await line.answered(ann, "Hello", "Hi, who are you?")
    assert await line.asks("Hello", "Good evening, madam.", "Ann") != ann


async def test_a_platforms_first_request_that_is_sent_again_is_the_same_conversation(store: Store) -> None:
    line = Line(store)
    assert await line.asks("Hello") == await line.asks("Hello")


async def test_different_people_never_share_a_conversation(store: Store) -> None:
    line = Line(store)
    assert await line.asks("Hello", person="ann") != await line.asks("Hello", person="bob")


async def test_a_talk_goes_on_after_a_restart(store: Store) -> None:
    line = Line(store)
    first = await line.asks("Hello")
    await line.answered(first, "Hello", "Hi, who are you?")
    assert await Line(store).asks("Hello", "Hi, who are you?", "Ann") == first


async def test_a_talk_that_was_told_elsewhere_is_never_put_behind_somebody_elses(store: Store) -> None:
    line = Line(store)
    anna = await line.asks("My PIN is 4711.")
    await line.answered(anna, "My PIN is 4711.", "I shall keep it.")
    assert await line.asks("Good day", "Good day to you, sir!", "Book a table.") != anna
    assert await Line(store).asks("Good day", "Good day to you, sir!", "Book a table.") != anna


async def test_what_one_caller_is_saying_is_no_better_hearing_of_what_another_says(store: Store) -> None:
    line = Line(store)
    both = await line.asks("Hello")
    await line.answered(both, "Hello", "Hi, who are you?")
    bob = await line.asks("Hello", "Hi, who are you?", "My name is Bob.")
    await line.answered(bob, "Hello", "Hi, who are you?", "My name is Bob.")
    assert await line.asks("Hello", "Hi, who are you?", "I am Anna, and I am ill.") != bob


async def test_a_caller_who_begins_like_one_that_was_answered_is_another(store: Store) -> None:
    line = Line(store)
    first = await line.asks("Hello")
    await line.answered(first, "Hello", "Hi.")
    assert await line.asks("Hello") != first


async def test_better_understood_words_belong_to_the_same_call_while_they_are_not_answered(store: Store) -> None:
    line = Line(store)
    first = await line.asks("Hello")
    await line.answered(first, "Hello", "Hi.", "I want")
    assert await line.asks("Hello", "Hi.", "I want a dog") == first
    assert await line.asks("Hello", "Hi.", "I want a dog", may_repeat=False) != first


async def test_the_result_of_a_call_belongs_to_the_talk_that_asked_for_it(store: Store) -> None:
    line = Line(store)
    first = await line.asks("Bye", may_repeat=False)
    await line.answered(first, "Bye")
    await store.append_turn(TENANT, first, NewTurn("agent", "", heard="", calls=(Call("call_7", "end_call", "{}"),)))
    for call, is_same in (("call_7", True), ("call_8", False)):
        asked = [
            *messages(["Bye"]),
            Message("assistant", "", tool_calls=(ToolCall(call, "end_call", "{}"),)),
            Message("tool", "done", tool_call_id=call),
        ]
        found = await line.unnamed.conversation_id(
            TENANT, KEY.agent, person="", system=SYSTEM, messages=asked, may_repeat=False
        )
        assert (found == first) is is_same


async def test_after_the_end_of_a_talk_its_client_goes_on_in_a_new_one(store: Store) -> None:
    line = Line(store)
    first = await line.asks("Hello")
    await line.answered(first, "Hello", "Hi.")
    await line.home.endings.end(await line.home.opening.found(TENANT, first))
    following = await line.asks("Hello", "Hi.", "Still there?")
    assert following != first
    await line.answered(following, "Hello", "Hi.", "Still there?", "Yes.")
    assert await line.asks("Hello", "Hi.", "Still there?", "Yes.", "Good.") == following
    await store.erase_conversation(TENANT, following)
    assert await line.asks("Hello", "Hi.", "Still there?", "Yes.", "Good.") != following


TALK = st.lists(st.sampled_from(["yes", "no", "my pin is 1", "hello", "..."]), max_size=5)


@given(before=TALK, told=TALK, may_repeat=st.booleans())
@settings(max_examples=500)
def test_only_who_tells_all_of_a_talk_goes_on_with_it(before: list[str], told: list[str], may_repeat: bool) -> None:
    now = datetime(2026, 5, 4, tzinfo=UTC)
    stored = [Turn(at + 1, "agent" if at % 2 else "user", text, text, now) for at, text in enumerate(before)]
    if not fit(stored, messages(told), may_repeat=may_repeat):
        return
    persons = list(before[::2])
    asked = [text for text in told[::2] if text != "..."]
    assert asked[: len(persons) - 1] == persons[:-1]
    assert not persons or asked[len(persons) - 1].startswith(persons[-1])
