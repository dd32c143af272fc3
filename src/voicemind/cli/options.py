"""Options that several groups of commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voicemind.cli.asked import EVERYTHING, Wanted

AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="An agent, as `voicemind agents` names it.")]
AgentFilter = Annotated[str | None, typer.Option("--agent", "-a", help="Only those of this agent.")]
UserFilter = Annotated[str | None, typer.Option("--user", "-u", help="Only those of this person.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs: the answer of the API.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many rows at most.")]
AllOption = Annotated[bool, typer.Option("--all", help="All rows, however many there are.")]
CursorOption = Annotated[
    str | None, typer.Option("--cursor", help="Go on behind the end of an earlier list, which names the cursor.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, for scripts.")]
ConversationArgument = Annotated[
    str, typer.Argument(metavar="CONVERSATION", help="Its id; `voicemind conversations list` names them.")
]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Where it goes; without, to the screen.")]
MindUserOption = Annotated[
    str | None, typer.Option("--user", "-u", help="With whom; `voicemind minds list` names them.")
]
IfVersionOption = Annotated[
    int | None, typer.Option("--if-version", min=1, help="Only if the mind is still at this version.")
]
SOME = 50


def group(about: str, examples: str) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(help=about, epilog=examples, no_args_is_help=True, rich_markup_mode=None)


def wanted(limit: int, everything: bool, *, cursor: str | None, as_json: bool) -> Wanted:
    """How much of a list those options ask for."""
    return Wanted(EVERYTHING if everything else limit, cursor, as_json)
