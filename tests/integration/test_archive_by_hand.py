"""What people put into an archive, or let a proposal put there, is recalled like everything else."""

from collections.abc import Mapping, Sequence

import anyio
import pytest
from tests.reflecting import KEY, MEMORY, Home

from voicemind.conversation.reviewing import Reviews
from voicemind.embedding.contract import Vectors
from voicemind.embedding.scripted import ScriptedEmbedder
from voicemind.errors import ProviderUnavailable
from voicemind.mind.agent_files import load_agents
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.mind.document import Document
from voicemind.mind.edits import Edit, Edits
from voicemind.mind.reflection.contract import Add
from voicemind.mind.reflection.proposal import Decision, encoded
from voicemind.store.sql import SqlStore
from voicemind.store.values import Entry, Evidence, MindKey, MindVersion, NewVersion

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio

COUNSELLOR = load_agents()["counsellor"]
SAILED = "The user went sailing to Lisbon with their uncle."
ASKED = ["Do you remember when I went sailing to Lisbon with my uncle?"]
ACCEPT = Decision("accept")


class Broken(ScriptedEmbedder):
    """Is not there."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        raise ProviderUnavailable("broken", provider="broken")


async def newest(store: SqlStore) -> MindVersion:
    mind = await store.mind(KEY)
    assert mind is not None
    return mind


async def recalled(store: SqlStore, archives: Archives) -> list[str]:
    with anyio.fail_after(20):
        return [entry.text for entry in await archives.recall(await newest(store), ASKED)]


async def test_a_line_that_a_person_puts_away_gets_its_vector(store: SqlStore) -> None:
    await store.ensure_mind(KEY, seed=COUNSELLOR.seed())
    archives = Archives(store, ScriptedEmbedder())
    edits = Edits(store, Minds(store), archives)
    mind = await edits.edit(COUNSELLOR, KEY, [Edit("add", MEMORY, text=SAILED)])
    (sailed,) = mind.blocks[MEMORY]
    await edits.edit(COUNSELLOR, KEY, [Edit("archive", entry_id=sailed.id)])
    assert set(await store.vectors(KEY, ScriptedEmbedder().name)) == {sailed.id}
    assert await recalled(store, archives) == [SAILED]


async def test_what_a_file_puts_into_the_archive_is_recalled(store: SqlStore) -> None:
    archives = Archives(store, ScriptedEmbedder())
    given = Document(archive={MEMORY: (Entry("sailed", SAILED),)})
    await Edits(store, Minds(store), archives).replace(COUNSELLOR, KEY, given)
    assert set(await store.vectors(KEY, ScriptedEmbedder().name)) == {"sailed"}
    assert await recalled(store, archives) == [SAILED]


async def test_what_a_person_accepts_into_the_archive_is_recalled_and_stands_there_once(store: SqlStore) -> None:
    home = Home.build(store)
    archives = Archives(store, ScriptedEmbedder())
    reviews = Reviews(store, home.opening, Minds(store), archives)
    for name in ("first", "second"):
        await home.talk(name, SAILED)
        told = Add(MEMORY, SAILED, (Evidence(name, 1, SAILED),), "said", lasting=False)
        reflection = await store.end_conversation(KEY, name)
        await store.propose_reflection(
            reflection, parent=(await newest(store)).number, proposal=encoded([told]), notes=""
        )
        await reviews.decide(KEY.tenant, name, [ACCEPT])
    (kept,) = await store.archived(KEY)
    assert {piece.conversation_id for piece in kept.entry.evidence} == {"first", "second"}
    assert set(await store.vectors(KEY, ScriptedEmbedder().name)) == {kept.entry.id}
    assert await recalled(store, archives) == [SAILED]


async def test_without_an_embedder_edits_are_written_and_words_alone_recall(store: SqlStore) -> None:
    await store.ensure_mind(KEY, seed=COUNSELLOR.seed())
    archives = Archives(store, Broken())
    given = Document(archive={MEMORY: (Entry("sailed", SAILED),)})
    await Edits(store, Minds(store), archives).replace(COUNSELLOR, KEY, given)
    assert await recalled(store, archives) == [SAILED]


async def test_an_index_read_while_vectors_are_written_is_not_kept(store: SqlStore) -> None:
    await store.ensure_mind(KEY, seed=COUNSELLOR.seed())
    archive = {MEMORY: (Entry("sailed", SAILED),)}
    await store.write_version(KEY, NewVersion(1, "import", (await newest(store)).blocks, archive=archive))
    read, go_on = anyio.Event(), anyio.Event()

    class Slow:
        """Hands the vectors out late, once."""

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        async def vectors(self, key: MindKey, model: str) -> Mapping[str, bytes]:
            found = await store.vectors(key, model)
            if not go_on.is_set():
                read.set()
                await go_on.wait()
            return found

    archives = Archives(Slow(), ScriptedEmbedder())  # type: ignore[arg-type]
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(archives.recall, await newest(store), ["Hello sailing Lisbon uncle?"])
            await read.wait()
            await archives.refresh(KEY)
            go_on.set()
    index = await archives._index(await newest(store))
    assert "sailed" in index.vectors


async def test_a_block_that_the_mind_did_not_have_yet_comes_in_with_a_file(store: SqlStore) -> None:
    await store.ensure_mind(KEY, seed={MEMORY: []})
    given = Document(blocks={"treatment_plan": (Entry("plan", "The user wants to sleep."),)})
    mind = await Edits(store, Minds(store)).replace(COUNSELLOR, KEY, given)
    assert [entry.text for entry in mind.blocks["treatment_plan"]] == ["The user wants to sleep."]
