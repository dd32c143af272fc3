"""What no longer fits into a block is recalled when it is spoken of again, beside the person's words and nowhere else."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime

import anyio
import pytest

from voicemind.embedding.contract import Vectors
from voicemind.embedding.scripted import ScriptedEmbedder
from voicemind.errors import ProviderUnavailable
from voicemind.llm.contract import Ask, Message, Piece
from voicemind.llm.scripted import ScriptedLlm
from voicemind.mind.agent_files import load_agents
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.mind.reply import Replies, Situation
from voicemind.store.contract import Store
from voicemind.store.found import Match
from voicemind.store.values import Entry, MindKey, MindVersion, NewVersion

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

AGENT = load_agents()["counsellor"]
KEY = AGENT.mind_key("acme", "anna")
MAY = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
TOLD = {
    "sail": "The user went sailing to Lisbon with their uncle.",
    "piano": "The user played the piano at a wedding.",
    "flood": "The user's cellar was flooded by heavy rain.",
}


class Listening(ScriptedLlm):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Ask] = []

    async def stream(self, ask: Ask) -> AsyncGenerator[Piece]:
        self.asked.append(ask)
        async for piece in super().stream(ask):
            yield piece


@pytest.fixture
async def version(store: Store) -> MindVersion:
    await store.ensure_mind(KEY, seed=AGENT.seed())
    archive = {"patient_memory": tuple(Entry(name, text, at=MAY) for name, text in TOLD.items())}
    mind = await store.mind(KEY)
    assert mind is not None
    return await store.write_version(KEY, NewVersion(1, "reflection", mind.blocks, archive=archive))


async def replied(store: Store, archives: Archives | None, *said: str) -> tuple[Message, ...]:
    llm = Listening()
    history = [Message("assistant" if at % 2 else "user", text) for at, text in enumerate(said)]
    situation = Situation(AGENT, KEY, "text", history=history)
    with anyio.fail_after(20):
        async for _ in Replies(llm, Minds(store), archives).reply(situation):
            pass
    (ask,) = llm.asked
    return ask.messages


async def test_a_turn_calls_up_what_it_is_about(store: Store, version: MindVersion) -> None:
    archives = Archives(store, ScriptedEmbedder())
    await archives.refresh(KEY)
    recalled = await archives.recall(version, ["Do you remember when I went sailing to Lisbon?"])
    assert [entry.id for entry in recalled][:1] == ["sail"]
    assert recalled[0].text == TOLD["sail"]


async def test_what_is_recalled_stands_beside_the_last_words_with_its_day(store: Store, version: MindVersion) -> None:
    archives = Archives(store, ScriptedEmbedder())
    before = await replied(store, None, "Hello", "Hello, how are you?", "We spoke of the piano at the wedding.")
    await archives.refresh(KEY)
    after = await replied(store, archives, "Hello", "Hello, how are you?", "We spoke of the piano at the wedding.")
    assert before[:-1] == after[:-1]
    assert before[-1].content == "We spoke of the piano at the wedding."
    assert f"- 4 May 2026: {TOLD['piano']}" in after[-1].content
    assert after[-1].content.endswith("\n\nWe spoke of the piano at the wedding.")


@pytest.mark.parametrize("said", ["Thanks.", "Yes.", "What about tax law in Peru?"])
async def test_a_turn_that_is_about_nothing_remembered_calls_up_nothing(
    store: Store, version: MindVersion, said: str
) -> None:
    archives = Archives(store, ScriptedEmbedder())
    await archives.refresh(KEY)
    assert await archives.recall(version, [said]) == ()


async def test_what_left_the_archive_is_not_recalled(store: Store, version: MindVersion) -> None:
    archives = Archives(store, ScriptedEmbedder())
    await archives.refresh(KEY)
    asked = ["Do you remember when I went sailing to Lisbon?"]
    assert await archives.recall(version, asked)
    newer = await store.write_version(KEY, NewVersion(2, "person", version.blocks, unarchive=("sail",)))
    assert "sail" not in [entry.id for entry in await archives.recall(newer, asked)]


async def test_vectors_are_made_once_for_each_model(store: Store, version: MindVersion) -> None:
    class Counting(ScriptedEmbedder):
        texts = 0

        async def embed(self, texts: Sequence[str]) -> Vectors:
            Counting.texts += len(texts)
            return await super().embed(texts)

    archives = Archives(store, Counting())
    await archives.refresh(KEY)
    await archives.refresh(KEY)
    assert Counting.texts == len(TOLD)


async def test_an_embedder_that_fails_leaves_the_words_and_costs_no_answer(store: Store, version: MindVersion) -> None:
    class Broken(ScriptedEmbedder):
        async def embed(self, texts: Sequence[str]) -> Vectors:
            if len(texts) == 1:
                raise ProviderUnavailable("broken", provider="broken")
            return await super().embed(texts)

    archives = Archives(store, Broken())
    await archives.refresh(KEY)
    messages = await replied(store, archives, "Do you remember when I went sailing to Lisbon?")
    assert TOLD["sail"] in messages[-1].content
    assert TOLD["piano"] not in messages[-1].content
    assert messages[-1].content.endswith("\n\nDo you remember when I went sailing to Lisbon?")


async def test_a_mind_without_an_archive_is_not_searched(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[Sequence[str]] = []
    find = store.match_archived

    async def watched(key: MindKey, words: Sequence[str], *, limit: int = 50) -> tuple[Match, ...]:
        searches.append(words)
        return await find(key, words, limit=limit)

    monkeypatch.setattr(store, "match_archived", watched)
    asked = ["Do you remember when I went sailing to Lisbon?"]
    version = await store.ensure_mind(KEY, seed=AGENT.seed())
    archives = Archives(store, ScriptedEmbedder())
    assert await archives.recall(version, asked) == ()
    assert searches == []
    archive = {"patient_memory": (Entry("sail", TOLD["sail"], at=MAY),)}
    newer = await store.write_version(KEY, NewVersion(1, "person", version.blocks, archive=archive))
    assert await archives.recall(newer, asked)
    assert len(searches) == 1
