"""Who can be talked to by whom: the presets and the maker's files for everybody, and what each tenant made through the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voicemind.clock import monotonic_s
from voicemind.errors import BadRequest, UnknownAgent
from voicemind.mind.agent import Agent
from voicemind.mind.agent_files import defined
from voicemind.store.people_contract import Meetings

TENANTS_KEPT = 1_000
CHECKED_S = 10.0
"""How long a tenant's agents are known without asking: another process may have made one."""


class Roster:
    """The agents of each tenant. `presets` are everybody's; a tenant's own agent of the same slug takes its place."""

    def __init__(self, presets: Mapping[str, Agent], store: Meetings) -> None:
        self.presets = presets
        self._store = store
        self._own: dict[str, tuple[float, dict[str, Agent]]] = {}

    async def find(self, tenant: str, name: str) -> Agent:
        """The agent of that slug or alias. Raises UnknownAgent, StorageUnavailable."""
        agents = await self._agents(tenant)
        if name in agents:
            return agents[name]
        for agent in agents.values():
            if name in agent.aliases:
                return agent
        known = ", ".join(sorted(agents))
        raise UnknownAgent(f"There is no agent of that name; there are: {known}.", param="model")

    async def all(self, tenant: str) -> tuple[Agent, ...]:
        """All of them, by slug. Raises StorageUnavailable."""
        agents = await self._agents(tenant)
        return tuple(agents[slug] for slug in sorted(agents))

    async def put(self, tenant: str, definition: Mapping[str, Any]) -> Agent:
        """Make the agent, or put it in the place of the one of its slug.

        `definition` has the fields of an agent file. Raises BadRequest, naming the field; also where a slug or alias means another agent
        already, or where the blocks that reflection writes would belong to somebody else than before (their minds would be lost).
        """
        agent = defined(definition)
        agents = await self._agents(tenant)
        names = {agent.slug, *agent.aliases}
        for other in agents.values():
            if other.slug != agent.slug and (taken := names & {other.slug, *other.aliases}):
                raise BadRequest(f"{min(taken)} already means {other.slug}.", param="aliases")
        before = agents.get(agent.slug)
        if before is not None and before.is_private != agent.is_private:
            raise BadRequest("An agent that has minds keeps the scope of its blocks.", param="blocks")
        await self._store.put_agent(tenant, agent.slug, definition)
        self._own.pop(tenant, None)
        return agent

    async def _agents(self, tenant: str) -> Mapping[str, Agent]:
        read_s, own = self._own.get(tenant, (0.0, {}))
        now = monotonic_s()
        if tenant not in self._own or now - read_s > CHECKED_S:
            records = await self._store.agents(tenant)
            own = {record.slug: defined(record.definition) for record in records}
            if len(self._own) >= TENANTS_KEPT:
                self._own.clear()
            self._own[tenant] = now, own
        return {**self.presets, **own}
