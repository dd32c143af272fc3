"""Everything that ends and reflects, on a real store and without a server: for tests, and for processes that tests kill."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from voicemind.conversation.ending import Endings, Patience
from voicemind.conversation.opening import Opened, Opening
from voicemind.conversation.reflecting import Reflecting
from voicemind.embedding.scripted import ScriptedEmbedder
from voicemind.errors import UnknownAgent, UnknownConversation
from voicemind.jobs.backoff import Backoff
from voicemind.jobs.reflections import Reflections
from voicemind.jobs.worker import Pace, Worker
from voicemind.llm.scripted import ScriptedLlm
from voicemind.mind.agent import Agent
from voicemind.mind.agent_files import load_agents
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.mind.reflection.contract import Add, Proposal, Reflector
from voicemind.mind.reflection.extractive import ExtractiveReflector
from voicemind.mind.reply import Replies
from voicemind.mind.roster import Roster
from voicemind.store.contract import Store
from voicemind.store.values import (
    ArchivedEntry,
    Entry,
    Evidence,
    MindKey,
    MindVersion,
    NewTurn,
    NewVersion,
    Reflection,
    Turn,
)

TENANT = "acme"
USER = "anna"
MEMORY = "patient_memory"
KEY = MindKey(TENANT, "counsellor", USER)
QUICK = Pace(lease_s=0.3, limit_s=20, backoff=Backoff(attempts=3, first_s=0.01))
NEVER_SWEPT = Patience(sweep_every_s=3600)
SWEEPING = Patience(stale_s=0, sweep_every_s=0.05)
"""A conversation that nobody is in any more is ended at once."""
LIMIT_S = 120.0


class Remembers:
    """A Reflector that keeps every user turn, word for word."""

    name = "remembers"

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
        """One operation for each turn."""
        return Proposal(
            tuple(
                Add(MEMORY, turn.generated, (Evidence(conversation_id, turn.seq, turn.generated),), "it was said")
                for turn in turns
                if turn.role == "user"
            )
        )


@dataclass(frozen=True, slots=True)
class Home:
    """What belongs together in one process."""

    store: Store
    opening: Opening
    worker: Worker[Reflection]
    endings: Endings

    @classmethod
    def build(
        cls,
        store: Store,
        reflector: Reflector | None = None,
        *,
        name: str = "worker",
        pace: Pace = QUICK,
        patience: Patience = NEVER_SWEPT,
    ) -> Home:
        """On a store that is started. Without a reflector, the embedded one with the scripted model."""
        llm = ScriptedLlm()
        minds = Minds(store)
        opening = Opening(store, Roster(load_agents(), store))
        reflecting = Reflecting(
            store,
            opening,
            minds,
            Archives(store, ScriptedEmbedder()),
            Replies(llm, minds),
            reflector if reflector else ExtractiveReflector(llm),
        )
        hopeless = (UnknownAgent, UnknownConversation)
        worker = Worker(Reflections(store), reflecting, name=name, pace=pace, hopeless=hopeless)
        return cls(store, opening, worker, Endings(store, opening, worker, patience=patience))

    async def talk(self, name: str, *sentences: str) -> Opened:
        """A conversation in which this was said, and answered."""
        agent = await self.opening.agent(TENANT, KEY.agent)
        opened = await self.opening.open(agent, tenant=TENANT, user_id=USER, conversation_id=name, channel="browser")
        for sentence in sentences:
            await self.store.append_turn(TENANT, name, NewTurn("user", sentence, heard=sentence))
            await self.store.append_turn(TENANT, name, NewTurn("agent", "I see.", heard="I see."))
        return opened

    async def over(self, name: str) -> Reflection:
        """The reflection of a conversation when it is done or failed, however it came to its end."""
        with anyio.fail_after(LIMIT_S):
            opened = await self.opening.found(TENANT, name)
            reflection = await self.endings.reflection(opened, wait_s=LIMIT_S)
        assert reflection is not None
        return reflection

    async def remembered(self) -> list[str]:
        """The lines of the mind as it is now."""
        mind = await self.store.mind(KEY)
        assert mind is not None
        return [entry.text for entry in mind.blocks[MEMORY]]


@asynccontextmanager
async def at_work(home: Home) -> AsyncIterator[Home]:
    """While it reflects and sweeps."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(home.endings.run)
        yield home
        tasks.cancel_scope.cancel()


async def finish(
    store: Store, reflection: Reflection, *, parent: int, blocks: Mapping[str, Sequence[Entry]] | None, notes: str
) -> Reflection:
    """Finish a reflection with these blocks; None: it changed nothing."""
    version = None
    if blocks is not None:
        version = NewVersion(
            parent,
            "reflection",
            {label: tuple(block) for label, block in blocks.items()},
            notes=notes,
            conversation_id=reflection.conversation_id,
        )
    return await store.finish_reflection(reflection, parent=parent, version=version, notes=notes)
