"""What is erased while somebody talks or an agent prepares: nothing of it is in a later prompt, and no notes of it are kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest
from tests.erasing import WORD, dump
from tests.reflecting import KEY, LIMIT_S, TENANT, USER, Home, Remembers, finish

from voicemind.conversation import backdrop
from voicemind.conversation.ending import Patience
from voicemind.conversation.erasing import Erasing
from voicemind.conversation.exchange import Exchanges
from voicemind.conversation.live import Live
from voicemind.conversation.meetings import Meetings
from voicemind.conversation.opening import Opened
from voicemind.conversation.session import Session
from voicemind.embedding.scripted import ScriptedEmbedder
from voicemind.engines.contract import Event, PartialWords
from voicemind.errors import UnknownConversation, VoicemindError
from voicemind.llm.contract import Ask, Finished, TextDelta
from voicemind.llm.scripted import ScriptedLlm
from voicemind.mind.agent_files import load_agents
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.mind.intent import Intents
from voicemind.mind.reply import Replies
from voicemind.store.sql import SqlStore
from voicemind.store.values import Entry, Evidence, MindKey, NewTurn

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

AGENTS = load_agents()
MARCUS, THALIA = AGENTS["marcus"], AGENTS["thalia"]


class Recites(ScriptedLlm):
    """Says every traceable word that it reads; `meanwhile` happens once, while it thinks. `prompts` are the words of each prompt."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.prompts: list[set[str]] = []

    async def stream(self, ask: Ask) -> AsyncGenerator[TextDelta | Finished]:
        words = set(WORD.findall("\n".join(message.content for message in ask.messages)))
        self.prompts.append(words)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        yield TextDelta(f"I know of {', '.join(sorted(words)) or 'nothing'}.")
        yield Finished()


class Mute:
    """An engine that neither hears nor speaks."""

    quiet = True

    async def run(self) -> None:
        await anyio.sleep_forever()

    def hear(self, samples: bytes) -> None: ...

    async def read(self, text: str, *, message_id: str = "") -> None: ...

    async def greet(self, text: str) -> None: ...

    async def interrupt(self) -> None: ...

    async def finish(self) -> None: ...

    def close(self) -> None: ...

    def away(self) -> None: ...

    def back(self) -> None: ...

    def played(self, generation: int, ms: float) -> None: ...


class Listener:
    """An audience that only waits for the first thing that happens."""

    def __init__(self) -> None:
        self.awake = anyio.Event()

    def show(self, event: Event) -> None:
        self.awake.set()

    def draining(self, within_s: float) -> None: ...

    def broken(self, error: VoicemindError | None) -> None: ...

    def over(self, reason: str) -> None: ...


class House:
    """One process: what talks, prepares and erases, over one store."""

    def __init__(self, store: SqlStore) -> None:
        self.home = Home.build(store, Remembers(), patience=Patience(reflection_s=0, sweep_every_s=3600))
        self.store, self.llm, self.live, minds = store, Recites(), Live(limit=5), Minds(store)
        self.minds = minds
        archives = Archives(store, ScriptedEmbedder())
        self.replies = Replies(self.llm, minds, archives)
        self.exchanges = Exchanges(store, self.replies, self.home.endings)
        self.erasing = Erasing(store, self.live, self.exchanges, minds, archives)
        self.meetings = Meetings(store, self.home.opening, self.home.endings, self.live, Intents(self.llm, minds))

    async def ended(self, name: str, sentence: str) -> None:
        """A conversation that has ended and is not memory yet."""
        await self.home.endings.end(await self.home.talk(name, sentence))

    @asynccontextmanager
    async def talking(self, opened: Opened) -> AsyncGenerator[Session]:
        """While somebody is in this conversation."""
        listener = Listener()

        def build() -> Session:
            return Session(
                opened,
                channel="text",
                store=self.store,
                replies=self.replies,
                endings=self.home.endings,
                engines=[lambda scene: Mute()],
                audience=listener,
            )

        async with self.live.running():
            session = await self.live.begin(opened, build, greet=False)
            with anyio.fail_after(LIMIT_S):
                await listener.awake.wait()
                yield session
                session.leave("gone")
                await session.over.wait()


@pytest.fixture
async def house(store: SqlStore) -> House:
    return House(store)


async def heard(session: Session) -> str:
    """What the agent answers."""
    async with aclosing(session.answer()) as pieces:
        return "".join([piece.text async for piece in pieces if isinstance(piece, TextDelta)])


async def test_what_is_erased_while_somebody_talks_is_in_no_later_prompt_of_theirs(house: House) -> None:
    await house.ended("secret", "My secret is zq1w.")
    await house.ended("other", "My cat is zq2w.")
    async with house.talking(await house.home.talk("live")) as session:
        assert await heard(session) == "I know of zq1w, zq2w."
        await house.erasing.conversation(TENANT, "secret")
        assert await heard(session) == "I know of zq2w."


async def test_notes_that_are_erased_while_their_conversation_goes_on_are_in_no_later_prompt(house: House) -> None:
    await house.home.talk("first", "My secret is zq1w.")
    prepared = await house.meetings.hand_over(TENANT, "first", THALIA)
    async with house.talking(prepared.opened) as session:
        await heard(session)
        await house.erasing.conversation(TENANT, "first")
        await heard(session)
    assert house.llm.prompts[-2:] == [{"zq1w"}, set()]


async def test_what_another_process_erases_leaves_the_prompts_soon(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.ended("secret", "My secret is zq1w.")
    async with house.talking(await house.home.talk("live")) as session:
        await house.store.erase_conversation(TENANT, "secret")
        monkeypatch.setattr(backdrop, "CHECKED_S", 0.0)
        assert await heard(session) == "I know of nothing."


async def test_what_an_answer_rests_on_is_read_anew_while_the_person_still_speaks(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.ended("secret", "My secret is zq1w.")
    looked = anyio.Event()
    ask = house.minds.expect

    async def expect(key: MindKey) -> None:
        await ask(key)
        looked.set()

    monkeypatch.setattr(house.minds, "expect", expect)
    async with house.talking(await house.home.talk("live")) as session:
        await house.store.erase_conversation(TENANT, "secret")
        monkeypatch.setattr(backdrop, "AHEAD_S", 0.0)
        await session.show(PartialWords("What do you"))
        with anyio.fail_after(LIMIT_S):
            await looked.wait()
        assert await heard(session) == "I know of nothing.", (
            "though what was read last counts as fresh for the answer itself"
        )


async def test_an_erasure_while_a_session_reads_what_it_needs_is_not_missed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.ended("secret", "My secret is zq1w.")
    read = house.home.endings.unreflected
    async with house.talking(await house.home.talk("live")) as session:
        meanwhile = ["secret"]

        async def slow(opened: Opened, *, wait_s: float = 0.0) -> tuple[str, ...]:
            found = await read(opened, wait_s=wait_s)
            while meanwhile:
                await house.erasing.conversation(TENANT, meanwhile.pop())
            return found

        monkeypatch.setattr(house.home.endings, "unreflected", slow)
        session.doubt()
        assert await heard(session) == "I know of nothing."


async def test_notes_for_a_meeting_are_written_anew_when_something_is_erased_meanwhile(
    house: House, database_url: str
) -> None:
    key = MindKey(TENANT, "marcus")
    await house.home.opening.open(MARCUS, tenant=TENANT, user_id=USER, conversation_id="told", channel="chat")
    await house.store.append_turn(TENANT, "told", NewTurn("user", "My secret is zq1w."))
    reflection = await house.store.end_conversation(key, "told")
    await _remember(house, reflection.conversation_id, key)
    house.llm.meanwhile = lambda: house.erasing.conversation(TENANT, "told")
    prepared = await house.meetings.prepare(TENANT, MARCUS, participants=["Bob"], meeting_id="council")
    assert prepared.intent_notes == "I know of nothing."
    assert house.llm.prompts == [{"zq1w"}, set()]
    assert not WORD.search("".join(dump(database_url).values()))


async def test_notes_made_of_a_talk_that_is_erased_meanwhile_are_not_kept(house: House, database_url: str) -> None:
    await house.ended("secret", "My secret is zq1w.")
    await house.home.talk("first", "My secret is zq2w.")
    house.llm.meanwhile = lambda: house.erasing.user(TENANT, USER)
    with pytest.raises(UnknownConversation):
        await house.meetings.hand_over(TENANT, "first", THALIA)
    assert not WORD.search("".join(dump(database_url).values()))
    assert await house.store.mind(KEY) is None


async def _remember(house: House, conversation_id: str, key: MindKey) -> None:
    """The mind learns what was said in a conversation."""
    mind = await house.store.mind(key)
    assert mind is not None
    reflection = await house.store.reflection(TENANT, conversation_id)
    assert reflection is not None
    said = Entry("said", "Their secret is zq1w.", (Evidence(conversation_id, 1, "My secret is zq1w."),))
    label = next(iter(mind.blocks))
    blocks = {**mind.blocks, label: (*mind.blocks[label], said)}
    await finish(house.store, reflection, parent=mind.number, blocks=blocks, notes="")
