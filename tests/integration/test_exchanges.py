"""Requests as platforms send them: repeated, revised, abandoned, at the same time; the transcript says what was said and heard."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import pytest
from tests.reflecting import KEY, TENANT, USER, Home

from voicemind.conversation import exchange as exchanges
from voicemind.conversation.exchange import Exchanges, Manners
from voicemind.conversation.opening import Opened
from voicemind.conversation.transcript import appended
from voicemind.errors import ConversationOver, ProviderUnavailable, Superseded
from voicemind.llm.contract import Ask, Finished, Message, Piece, TextDelta, Tool, ToolCall
from voicemind.llm.scripted import ScriptedLlm
from voicemind.mind.context import Minds
from voicemind.mind.reply import Replies, Situation, Wishes
from voicemind.store.contract import Store
from voicemind.store.values import NewTurn, Turn

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio
LIMIT_S = 20.0
CALL = "call-1"
HANG_UP = ToolCall("call_1", "end_call", '{"reason": "done"}')


class Slow(ScriptedLlm):
    """Says the words of `answers` one after the other, a word each time the test lets it."""

    def __init__(self, *answers: Sequence[Piece | Exception] | str) -> None:
        super().__init__()
        self.asked: list[Ask] = []
        self.stopped = anyio.Event()
        self._answers, self._go = list(answers), anyio.Semaphore(0)

    def go(self, pieces: int = 100) -> None:
        for _ in range(pieces):
            self._go.release()

    async def stream(self, ask: Ask) -> AsyncGenerator[Piece]:
        self.asked.append(ask)
        answer = self._answers.pop(0) if self._answers else "Yes."
        pieces = [TextDelta(f"{word} ") for word in answer.split()] if isinstance(answer, str) else answer
        try:
            for piece in pieces:
                await self._go.acquire()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
            yield Finished()
        finally:
            self.stopped.set()


@dataclass
class Place:
    """A conversation with everything that answers in it."""

    store: Store
    home: Home
    exchanges: Exchanges
    llm: Slow
    opened: Opened

    async def said(self, *talk: str, aloud: bool = False, wishes: Wishes = Wishes()) -> str:  # noqa: B008 - frozen
        return "".join(
            [p.text async for p in self.pieces(*talk, aloud=aloud, wishes=wishes) if isinstance(p, TextDelta)]
        )

    async def pieces(
        self,
        *talk: str | Message,
        aloud: bool = False,
        wishes: Wishes = Wishes(),  # noqa: B008 - frozen
    ) -> AsyncGenerator[Piece]:
        asked = Situation(self.opened.agent, self.opened.key, "voice", history=messages(*talk), wishes=wishes)
        async with aclosing(self.exchanges.answer(asked, self.opened, aloud=aloud, fills=aloud)) as pieces:
            async for piece in pieces:
                yield piece

    async def transcript(self) -> list[tuple[str, str]]:
        return [(turn.role, turn.generated.strip()) for turn in await self.turns()]

    async def turns(self) -> tuple[Turn, ...]:
        return await self.store.turns(TENANT, CALL)


def messages(*talk: str | Message) -> tuple[Message, ...]:
    """The person begins, then they take turns; what is a Message already stays one."""
    return tuple(
        said if isinstance(said, Message) else Message("assistant" if at % 2 else "user", said)
        for at, said in enumerate(talk)
    )


@asynccontextmanager
async def place(store: Store, llm: Slow, **manners: float | bool) -> AsyncIterator[Place]:
    home = Home.build(store)
    agent = await home.opening.agent(TENANT, KEY.agent)
    opened = await home.opening.open(
        agent, tenant=TENANT, user_id=USER, conversation_id=CALL, channel="chat_completions"
    )
    kind = Manners(**{"filler_after_s": 60.0, **manners})  # type: ignore[arg-type]
    exchanges = Exchanges(store, Replies(llm, Minds(store)), home.endings, manners=kind)
    with anyio.fail_after(LIMIT_S):
        async with exchanges.running():
            yield Place(store, home, exchanges, llm, opened)


async def test_a_request_that_is_sent_again_gets_the_same_answer_and_is_stored_once(store: Store) -> None:
    async with place(store, Slow("Hello Anna.")) as there:
        there.llm.go()
        first = await there.said("Hi")
        assert await there.said("Hi") == first
        assert await there.transcript() == [("user", "Hi"), ("agent", "Hello Anna.")]
        assert len(there.llm.asked) == 1


async def test_a_request_that_is_sent_again_while_it_is_answered_joins_the_answer(store: Store) -> None:
    async with place(store, Slow("Hello Anna.")) as there:
        heard: list[str] = []

        async def ask() -> None:
            heard.append(await there.said("Hi"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            there.llm.go()
        assert heard == ["Hello Anna. "] * 2
        assert await there.transcript() == [("user", "Hi"), ("agent", "Hello Anna.")]


async def asked_anew(place: Place, words: str, name: str = "new-call") -> str:
    """As a channel asks: the words are stored in the moment in which the conversation begins."""
    talk = messages(words)
    first = place.exchanges.first((TENANT, name), talk, channel="voice")
    opened = await place.home.opening.begin(
        place.opened.agent,
        tenant=TENANT,
        user_id=USER,
        conversation_id=name,
        channel="chat_completions",
        meeting_id=None,
        turns=appended(first) if first else (),
    )
    situation = Situation(opened.agent, opened.key, "voice", history=talk)
    async with aclosing(place.exchanges.answer(situation, opened, first=first)) as pieces:
        return "".join([piece.text async for piece in pieces if isinstance(piece, TextDelta)])


async def test_a_first_request_that_comes_twice_at_once_is_stored_and_answered_once(store: Store) -> None:
    async with place(store, Slow("I am here.")) as here:
        said: list[str] = []

        async def asking() -> None:
            said.append(await asked_anew(here, "Are you there?"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(asking)
            tasks.start_soon(asking)
            here.llm.go()
        assert said == ["I am here. "] * 2
        assert len(here.llm.asked) == 1
        assert await asked_anew(here, "Are you there?") == "I am here. "
        turns = await store.turns(TENANT, "new-call")
    assert [(turn.role, turn.generated.strip()) for turn in turns] == [
        ("user", "Are you there?"),
        ("agent", "I am here."),
    ]


async def test_the_words_that_begin_a_conversation_are_stored_before_the_model_is_asked(store: Store) -> None:
    async with place(store, Slow("I am here.")) as here:  # noqa: SIM117 - one after the other
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(asked_anew, here, "Are you there?")
            while not here.llm.asked:
                await anyio.lowlevel.checkpoint()
            assert [turn.generated for turn in await store.turns(TENANT, "new-call")] == ["Are you there?"]
            tasks.cancel_scope.cancel()


async def test_a_speculative_turn_leaves_nothing_but_the_words_that_were_said(store: Store) -> None:
    async with place(store, Slow("What do you", "A dog, fine.")) as there:
        guess = there.pieces("I want")
        there.llm.go(1)
        assert await anext(guess) == TextDelta("What ")
        await guess.aclose()
        there.llm.go()
        await there.said("I want a dog")
        assert await there.transcript() == [("user", "I want a dog"), ("agent", "A dog, fine.")]


async def test_a_newer_history_stops_the_older_answer(store: Store) -> None:
    async with place(store, Slow("What do you", "A dog, fine.")) as there:
        guess = there.pieces("I want")
        there.llm.go(1)
        assert await anext(guess) == TextDelta("What ")
        answers: list[str] = []

        async def ask_anew() -> None:
            answers.append(await there.said("I want a dog"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_anew)
            await there.llm.stopped.wait()
            there.llm.go()
        assert answers == ["A dog, fine. "]
        with pytest.raises(Superseded):
            await anext(guess)
        await guess.aclose()
        assert await there.transcript() == [("user", "I want a dog"), ("agent", "A dog, fine.")]


async def test_a_client_that_leaves_stops_the_model_and_the_part_it_got_is_stored(store: Store) -> None:
    async with place(store, Slow("One two three.")) as there:
        answer = there.pieces("Count")
        there.llm.go(2)
        assert [await anext(answer), await anext(answer)] == [TextDelta("One "), TextDelta("two ")]
        await answer.aclose()
        await there.llm.stopped.wait()
        async with there.exchanges.alone(there.opened):
            *_, last = await there.turns()
        assert (last.generated, last.interrupted, last.heard) == ("One two ", True, None)


class Lingering(Slow):
    """Takes its time to fall silent."""

    def __init__(self, *answers: Sequence[Piece | Exception] | str) -> None:
        super().__init__(*answers)
        self.silent = anyio.Event()

    async def stream(self, ask: Ask) -> AsyncGenerator[Piece]:
        try:
            async with aclosing(super().stream(ask)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            if len(self.asked) == 1:
                with anyio.CancelScope(shield=True):
                    await self.silent.wait()


async def test_a_request_that_is_sent_again_as_its_answer_is_being_given_up_gets_a_whole_one(store: Store) -> None:
    llm = Lingering("One two three.", "One two three.")
    async with place(store, llm) as there:
        answer = there.pieces("Count", aloud=True)
        llm.go(1)
        assert await anext(answer) == TextDelta("One ")
        await answer.aclose()
        again: list[str] = []

        async def ask() -> None:
            again.append(await there.said("Count", aloud=True))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            llm.silent.set()
            llm.go()
        assert again == ["One two three. "]
        assert await there.transcript() == [("user", "Count"), ("agent", "One two three.")]


async def test_an_answer_that_may_be_made_from_what_was_erased_is_not_stored(store: Store) -> None:
    async with place(store, Slow("I remember it.", "I know nothing.")) as there:
        answer = there.pieces("What do you know?")
        there.llm.go(1)
        await anext(answer)
        await there.exchanges.doubt(TENANT)
        with pytest.raises(Superseded):
            await anext(answer)
        await answer.aclose()
        assert await there.transcript() == [("user", "What do you know?")]
        there.llm.go()
        assert await there.said("What do you know?") == "I know nothing. "


async def test_a_conversation_that_is_ended_while_it_is_answered_keeps_what_was_said(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "ALONE_LIMIT_S", 0.01)
    async with place(store, Slow("One two three.")) as there:
        answer = there.pieces("Count")
        there.llm.go(1)
        await anext(answer)
        async with there.exchanges.alone(there.opened):
            await there.home.endings.end(there.opened)
        with pytest.raises(Superseded):
            await anext(answer)
        await answer.aclose()
        assert await there.transcript() == [("user", "Count"), ("agent", "One")]


async def test_the_last_words_of_the_person_survive_a_hang_up_before_any_answer(store: Store) -> None:
    async with place(store, Slow("Never said.")) as there:
        answer = there.pieces("My cat died.")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, answer)
            tasks.start_soon(_cancel, tasks.cancel_scope)  # as soon as the request has come
        await answer.aclose()
        async with there.exchanges.alone(there.opened):
            assert await there.transcript() == [("user", "My cat died.")]


async def _cancel(scope: anyio.CancelScope) -> None:
    scope.cancel()


async def test_what_was_cut_off_by_the_person_is_stored_as_heard(store: Store) -> None:
    async with place(store, Slow("I could tell you a very long story.", "Of course.")) as there:
        there.llm.go()
        await there.said("Hi")
        await there.said("Hi", "I could tell", "Stop")
        _, cut, *_ = await there.turns()
        assert (cut.heard, cut.interrupted) == ("I could tell", True)
        assert cut.generated.strip() == "I could tell you a very long story."
        assert [message.content for message in there.llm.asked[1].messages[-3:-1]] == ["Hi", "I could tell"]


async def test_calls_are_given_again_and_their_results_are_answered(store: Store) -> None:
    async with place(store, Slow([TextDelta("Let me see. "), HANG_UP], "It is done.")) as there:
        there.llm.go()
        wishes = Wishes(tools=(Tool("end_call"),))
        first = [piece async for piece in there.pieces("Bye", wishes=wishes)]
        again = [piece async for piece in there.pieces("Bye", wishes=wishes)]
        assert [piece for piece in first if isinstance(piece, ToolCall)] == [HANG_UP]
        assert [piece for piece in again if isinstance(piece, ToolCall)] == [HANG_UP]
        assert len(there.llm.asked) == 1
        result = (
            Message("user", "Bye"),
            Message("assistant", "Let me see.", tool_calls=(HANG_UP,)),
            Message("tool", "ok", tool_call_id="call_1"),
        )
        after = "".join([p.text async for p in there.pieces(*result, wishes=wishes) if isinstance(p, TextDelta)])
        assert after == "It is done. "
        assert [message.role for message in there.llm.asked[1].messages[1:]] == ["user", "assistant", "tool"]
        assert [role for role, _ in await there.transcript()] == ["user", "agent", "agent"]


async def test_a_voice_platform_is_given_an_apology_to_speak_and_it_is_not_stored(store: Store) -> None:
    gone = ProviderUnavailable("gone", provider="x")
    async with place(store, Slow([gone], "Here I am.")) as there:
        there.llm.go()
        sorry = await there.said("Hi", aloud=True)
        assert sorry
        assert await there.transcript() == [("user", "Hi")]
        await there.said("Hi", sorry, "Are you there?", aloud=True)
        assert await there.transcript() == [("user", "Hi"), ("user", "Are you there?"), ("agent", "Here I am.")]


async def test_other_clients_are_told_that_the_model_failed(store: Store) -> None:
    async with place(store, Slow([ProviderUnavailable("gone", provider="x")])) as there:
        there.llm.go()
        with pytest.raises(ProviderUnavailable):
            await there.said("Hi")


async def test_an_answer_that_breaks_off_aloud_ends_properly_and_is_kept_as_far_as_it_came(store: Store) -> None:
    async with place(store, Slow([TextDelta("I was "), ProviderUnavailable("gone", provider="x")])) as there:
        there.llm.go()
        pieces = [piece async for piece in there.pieces("Hi", aloud=True)]
        assert pieces == [TextDelta("I was "), Finished()]
        *_, last = await there.turns()
        assert (last.generated, last.interrupted) == ("I was ", True)


async def test_an_empty_answer_is_never_given_to_a_voice_platform(store: Store) -> None:
    async with place(store, Slow([])) as there:
        assert await there.said("Hi", aloud=True)


async def test_nothing_is_said_for_the_agent_where_nobody_wants_that(store: Store) -> None:
    async with place(store, Slow([], [ProviderUnavailable("gone", provider="x")]), apologises=False) as there:
        there.llm.go()
        assert await there.said("Hi", aloud=True) == ""
        with pytest.raises(ProviderUnavailable):
            await there.said("Hi", "", "Hello?", aloud=True)


async def test_a_filler_comes_first_where_the_answer_is_late_and_comes_back_as_nothing(store: Store) -> None:
    async with place(store, Slow("Hello Anna.", "Fine."), filler_after_s=0.01) as there:
        answer = there.pieces("Hi", aloud=True)
        first = await anext(answer)
        assert isinstance(first, TextDelta)
        assert first.text.endswith("... ")
        there.llm.go()
        rest = "".join([piece.text async for piece in answer if isinstance(piece, TextDelta)])
        assert rest == "Hello Anna. "
        await there.said("Hi", first.text + rest, "How are you?")
        turns = await there.turns()
        assert [turn.generated.strip() for turn in turns] == ["Hi", "Hello Anna.", "How are you?", "Fine."]
        assert not turns[1].interrupted


async def test_what_another_process_stored_since_the_conversation_was_opened_is_seen(store: Store) -> None:
    async with place(store, Slow("Hello again.")) as there:
        there.llm.go()
        for turn in (NewTurn("user", "Hi", heard="Hi"), NewTurn("agent", "Hello.", heard="Hello.")):
            await store.append_turn(TENANT, CALL, turn)
        assert await there.said("Hi") == "Hello."
        await there.said("Hi", "Hello.", "Still there?")
        assert [role for role, _ in await there.transcript()] == ["user", "agent", "user", "agent"]


async def test_a_platform_may_have_the_agent_begin(store: Store) -> None:
    async with place(store, Slow("Hello, who is there?")) as there:
        there.llm.go()
        await there.said("...")
        assert await there.transcript() == [("agent", "Hello, who is there?")]


async def test_nothing_is_answered_in_a_conversation_that_has_ended(store: Store) -> None:
    async with place(store, Slow("Hello.")) as there:
        there.llm.go()
        await there.said("Hi")
        await there.home.endings.end(there.opened)
        with pytest.raises(ConversationOver):
            await there.said("Hi", "Hello.", "More")
