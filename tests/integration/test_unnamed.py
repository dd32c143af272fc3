"""A talk that has no name is told by what was said in it, and never mistaken for somebody else's."""

from collections.abc import Sequence

import pytest
from tests.reflecting import KEY, TENANT, Home

from voicemind.conversation.unnamed import Unnamed
from voicemind.llm.contract import Message
from voicemind.store.contract import Store
from voicemind.store.values import NewTurn

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
