"""The one way to a reply: what the model is asked, for whom."""

from contextlib import aclosing

import msgspec
import pytest

from voicemind.errors import ProviderRefused
from voicemind.llm.contract import Finished, Message, Piece, TextDelta
from voicemind.llm.scripted import ScriptedLlm
from voicemind.mind.agent import Agent
from voicemind.mind.agent_files import load_agents
from voicemind.mind.context import Minds
from voicemind.mind.reply import Replies, Situation
from voicemind.store.values import MindKey, MindVersion

pytestmark = pytest.mark.anyio
COUNSELLOR = load_agents()["counsellor"]
Spoken = list[Piece]


class NoMinds(Minds):
    """A house where nobody is known yet."""

    def __init__(self) -> None:
        """Needs no store."""

    async def newest(self, key: MindKey) -> MindVersion | None:
        return None


def situation(agent: Agent = COUNSELLOR, *, history: tuple[Message, ...] = (Message("user", "Hello"),)) -> Situation:
    return Situation(agent, agent.mind_key("t", "u"), "voice", history=history)


async def replied(asked: Situation, *, context_tokens: int = 4096) -> Spoken:
    replies = Replies(ScriptedLlm(context_tokens=context_tokens), NoMinds())
    async with aclosing(replies.reply(asked)) as pieces:
        return [piece async for piece in pieces]


async def test_a_reply_ends_with_exactly_one_finish() -> None:
    pieces = await replied(situation())
    assert isinstance(pieces[-1], Finished)
    assert all(isinstance(piece, TextDelta) for piece in pieces[:-1])


async def test_an_agent_that_is_to_think_with_another_model_is_refused_in_plain_words() -> None:
    elsewhere = msgspec.structs.replace(COUNSELLOR, model="claude-of-the-future")
    with pytest.raises(ProviderRefused, match="claude-of-the-future"):
        await replied(situation(elsewhere))


async def test_a_talk_that_is_longer_than_the_context_is_cut_with_a_note_and_answered() -> None:
    talk = tuple(Message("user" if number % 2 == 0 else "assistant", "word " * 100) for number in range(41))
    finished = (await replied(situation(history=talk), context_tokens=1024))[-1]
    assert isinstance(finished, Finished)
    assert 0 < finished.usage.prompt < 1024
