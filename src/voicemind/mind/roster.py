"""Who can be talked to by whom: the presets and the maker's files for everybody, and what each tenant made through the API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import structlog

from voicemind.clock import monotonic_s
from voicemind.errors import BadRequest, UnknownAgent
from voicemind.mind.agent import Agent
from voicemind.mind.agent_files import defined
from voicemind.store.people_contract import Meetings
from voicemind.store.people_values import AgentRecord

log = structlog.get_logger(__name__)

TENANTS_KEPT = 1_000
CHECKED_S = 10.0
"""How long a tenant's agents are known without asking: another process may have made one."""


class Roster:
    """The agents of each tenant. `presets` are everybody's; a tenant's own agent of the same slug takes its place."""

    def __init__(self, presets: Mapping[str, Agent], store: Meetings) -> None:
        self.presets = presets
        self._store = store
        self._own: dict[str, tuple[float, dict[str, Agent]]] = {}
        self._put = 0

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
        self._put += 1
        self._own.pop(tenant, None)
        return agent

    async def _agents(self, tenant: str) -> Mapping[str, Agent]:
        read_s, own = self._own.get(tenant, (0.0, {}))
        now = monotonic_s()
        if tenant not in self._own or now - read_s > CHECKED_S:
            put = self._put
            own = dict(_sound(await self._store.agents(tenant)))
            if len(self._own) >= TENANTS_KEPT:
                self._own.clear()
            if put == self._put:  # else one may have been made while these were read
                self._own[tenant] = now, own
        return {**self.presets, **own}


def _sound(records: Iterable[AgentRecord]) -> Iterator[tuple[str, Agent]]:
    """What an older program took and this one does not costs that one agent, and not all others with it."""
    for record in records:
        try:
            yield record.slug, defined(record.definition)
        except BadRequest as error:
            log.warning("an agent cannot be used", agent=record.slug, field=error.param)
