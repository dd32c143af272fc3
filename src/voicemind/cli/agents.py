"""`voicemind agents`: who can be talked with, and what each of them has in mind."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from voicemind.cli.screen import out
from voicemind.config import Settings
from voicemind.mind.agent import find_agent
from voicemind.mind.agent_files import load_agents


def list_agents(settings: Settings) -> None:
    """A row for each agent. Raises Misconfigured for a file that cannot be used."""
    table = Table(box=None, pad_edge=False)
    for heading in ("agent", "name", "description", "language", "memory"):
        table.add_column(heading, overflow="fold")
    for agent in load_agents(settings.agents_dir).values():
        memory = "one for each person" if agent.is_private else "one, shared by everybody"
        cells = (agent.slug, agent.name, agent.description, agent.language, memory)
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table, soft_wrap=False)


def show_agent(settings: Settings, name: str) -> None:
    """One agent with its blocks. Raises UnknownAgent."""
    agents = load_agents(settings.agents_dir)
    agent = find_agent(agents, name)
    out.print(Text(f"{agent.name} ({agent.slug})", style="bold"))
    out.print(Text(agent.description))
    out.print(Text(f"Begins with: {agent.first_message}"))
    out.print(Text(f"Language {agent.language}, voice {agent.voice or 'as the server has it'}"))
    for block in agent.blocks:
        writable = "grows by reflection" if block.reflects else "never changes"
        out.print()
        out.print(
            Text(f"{block.title} [{block.label}], {block.scope}, {block.limit} characters, {writable}", style="bold")
        )
        out.print(Text(block.text or "\n".join(f"- {entry}" for entry in block.entries) or "[nothing yet]"))
