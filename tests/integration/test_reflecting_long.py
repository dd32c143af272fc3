"""Whatever a client writes into one turn, a reflection on it keeps nobody else waiting."""

from collections.abc import Sequence

import anyio
import pytest
from tests.reflecting import MEMORY, Home, at_work

from voicemind.clock import monotonic_s
from voicemind.mind.agent import Agent
from voicemind.mind.reflection.contract import Add, Proposal
from voicemind.store.contract import Store
from voicemind.store.values import ArchivedEntry, Evidence, MindVersion, Turn

pytest_plugins = ["tests.databases"]
pytestmark = [pytest.mark.anyio, pytest.mark.alone]

SEEN = [f"I saw star{number} at home" for number in range(25)]


class Quoting:
    """A Reflector that makes an entry of every sentence that was prepared."""

    name = "quoting"

    async def reflect(
        self,
        agent: Agent,
        version: MindVersion,
        turns: Sequence[Turn],
        *,
        conversation_id: str,
        person: str = "",
        archived: Sequence[ArchivedEntry] = (),
    ) -> Proposal:
        """Each quotes the first turn."""
        return Proposal(
            tuple(
                Add(MEMORY, f"The user saw star{number} at home.", (Evidence(conversation_id, 1, quote),), "said")
                for number, quote in enumerate(SEEN)
            )
        )


async def test_a_turn_of_half_a_megabyte_is_reflected_on_while_others_are_served(store: Store) -> None:
    home = Home.build(store, Quoting())
    opened = await home.talk("long", ". ".join(SEEN) + ". " + "My garden is really lovely today. " * 15_000)
    longest = 0.0

    async def serve() -> None:
        nonlocal longest
        while True:
            before = monotonic_s()
            await anyio.sleep(0.01)
            longest = max(longest, monotonic_s() - before)

    async with at_work(home), anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        await home.endings.end(opened)
        assert (await home.over("long")).status == "done"
        tasks.cancel_scope.cancel()
    assert longest < 2
    mind = await store.mind(opened.key)
    assert mind is not None
    kept = [*mind.blocks[MEMORY], *(one.entry for one in await store.archived(opened.key))]
    assert len([entry for entry in kept if "star" in entry.text]) == len(SEEN)


async def test_what_was_said_lately_is_a_glance_however_long_it_is(store: Store) -> None:
    home = Home.build(store)
    opened = await home.talk("long", "I have a dog. " + "My garden is really lovely today. " * 15_000)
    await home.endings.end(opened)
    with anyio.fail_after(2):
        (said,) = await home.endings.unreflected(opened)
    assert said.startswith("I have a dog.")
    assert len(said) <= 1_000
