"""`voicemind minds`: the commands and their options."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from voicemind.cli.asked import Manner, Whose
from voicemind.cli.options import (
    SOME,
    AgentArgument,
    AgentFilter,
    AllOption,
    CursorOption,
    IfVersionOption,
    JsonOption,
    LimitOption,
    MindUserOption,
    OutOption,
    UserFilter,
    group,
    wanted,
)
from voicemind.cli.running import load_settings, run

EXAMPLES = """
\b
Examples:
  voicemind minds list
  voicemind minds show counsellor --user ada      every line, and why it is there
  voicemind minds versions counsellor --user ada
  voicemind minds undo counsellor --user ada      take the newest version back
  voicemind minds export counsellor --user ada -o ada.md

Without --user it is the mind of whoever talks in this terminal ("local"),
or the only one, where an agent has one mind for everybody. Every change is a
new version, so every change can be undone.
"""

app = group("What agents remember: look, change, go back.", EXAMPLES)

EntryArgument = Annotated[str, typer.Argument(metavar="ENTRY", help="A line's id, or how it ends.")]
EntriesArgument = Annotated[list[str], typer.Argument(metavar="ENTRY", help="Ids of lines, or how they end.")]
TextArgument = Annotated[str, typer.Argument(metavar="TEXT", help="The line, in quotes.")]


@app.command("list")
def list_minds(
    agent: AgentFilter = None,
    user: UserFilter = None,
    limit: LimitOption = SOME,
    everything: AllOption = False,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
) -> None:
    """The minds there are.

    \b
    Example:
      voicemind minds list --agent counsellor
    """
    from voicemind.cli import minds as command

    many = wanted(limit, everything, cursor=cursor, as_json=as_json)
    run(partial(command.list_minds, load_settings(), agent=agent, user=user, wanted=many))


@app.command()
def show(
    agent: AgentArgument,
    user: MindUserOption = None,
    number: Annotated[int | None, typer.Option("--version", "-v", min=1, help="As it was in that version.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Every line of a mind: what it rests on, and which version wrote it.

    Behind each line stands the end of its id, by which the other commands know it. With --version, also what that
    version changed, and why.

    \b
    Example:
      voicemind minds show counsellor --user ada --version 2
    """
    from voicemind.cli import minds as command

    run(partial(command.show, load_settings(), Whose(agent, user), number=number, as_json=as_json))


@app.command()
def versions(
    agent: AgentArgument,
    user: MindUserOption = None,
    limit: LimitOption = SOME,
    everything: AllOption = False,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
) -> None:
    """All versions of a mind, the newest first."""
    from voicemind.cli import minds as command

    many = wanted(limit, everything, cursor=cursor, as_json=as_json)
    run(partial(command.versions, load_settings(), Whose(agent, user), wanted=many))


@app.command()
def diff(
    agent: AgentArgument,
    before: Annotated[int | None, typer.Argument(metavar="FROM", min=1, help="The older version.")] = None,
    after: Annotated[int | None, typer.Argument(metavar="TO", min=1, help="The newer one.")] = None,
    user: MindUserOption = None,
    as_json: JsonOption = False,
) -> None:
    """What differs between two versions. Without numbers: what the newest one changed.

    \b
    Example:
      voicemind minds diff counsellor 1 3 --user ada
    """
    from voicemind.cli import minds as command

    run(partial(command.diff, load_settings(), Whose(agent, user), before=before, after=after, as_json=as_json))


@app.command()
def undo(
    agent: AgentArgument,
    number: Annotated[int | None, typer.Argument(metavar="VERSION", min=1, help="The newest, if not said.")] = None,
    user: MindUserOption = None,
    if_version: IfVersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back what one version did, and nothing that came after it.

    \b
    Example:
      voicemind minds undo counsellor 2 --user ada
    """
    from voicemind.cli import minds as command

    manner = Manner(if_version, as_json)
    run(partial(command.undo, load_settings(), Whose(agent, user), number=number, manner=manner))


@app.command()
def restore(
    agent: AgentArgument,
    number: Annotated[int, typer.Argument(metavar="VERSION", min=1)],
    user: MindUserOption = None,
    if_version: IfVersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a mind what it was in that version."""
    from voicemind.cli import minds as command

    manner = Manner(if_version, as_json)
    run(partial(command.restore, load_settings(), Whose(agent, user), number=number, manner=manner))


@app.command()
def add(
    agent: AgentArgument,
    block: Annotated[str, typer.Argument(metavar="BLOCK", help="The label of a block that can be written.")],
    text: TextArgument,
    user: MindUserOption = None,
    if_version: IfVersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a line into a block.

    \b
    Example:
      voicemind minds add counsellor patient_memory "Prefers short answers." -u ada
    """
    from voicemind.cli import minds as command

    manner = Manner(if_version, as_json)
    run(partial(command.add, load_settings(), Whose(agent, user), block=block, text=text, manner=manner))


@app.command()
def edit(
    agent: AgentArgument,
    entry: EntryArgument,
    text: TextArgument,
    user: MindUserOption = None,
    if_version: IfVersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a line in other words.

    \b
    Example:
      voicemind minds edit counsellor 4f9a01c2 "The cat was called Biscuit." -u ada
    """
    from voicemind.cli import minds as command

    manner = Manner(if_version, as_json)
    run(partial(command.edit, load_settings(), Whose(agent, user), entry=entry, text=text, manner=manner))


@app.command()
def remove(
    agent: AgentArgument,
    entries: EntriesArgument,
    user: MindUserOption = None,
    if_version: IfVersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take lines out of a mind. They stay in its earlier versions; `users erase` leaves nothing."""
    _move("remove", Whose(agent, user), entries, Manner(if_version, as_json))


@app.command()
def archive(
    agent: AgentArgument,
    entries: Annotated[
        list[str] | None, typer.Argument(metavar="ENTRY", help="Lines to put there: ids, or how they end.")
    ] = None,
    user: MindUserOption = None,
    if_version: IfVersionOption = None,
    limit: LimitOption = SOME,
    everything: AllOption = False,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
) -> None:
    """What no longer fits into a mind and is remembered when it is talked about; with ENTRY, put lines there.

    \b
    Examples:
      voicemind minds archive counsellor --user ada
      voicemind minds archive counsellor 4f9a01c2 --user ada
    """
    if entries:
        _move("archive", Whose(agent, user), entries, Manner(if_version, as_json))
        return
    from voicemind.cli import minds as command

    many = wanted(limit, everything, cursor=cursor, as_json=as_json)
    run(partial(command.archive, load_settings(), Whose(agent, user), wanted=many))


@app.command()
def recall(
    agent: AgentArgument,
    entries: EntriesArgument,
    user: MindUserOption = None,
    if_version: IfVersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring lines back from the archive."""
    _move("recall", Whose(agent, user), entries, Manner(if_version, as_json))


def _move(op: str, whose: Whose, entries: list[str], manner: Manner) -> None:
    from voicemind.cli import minds as command

    run(partial(command.move, load_settings(), whose, op, entries=entries, manner=manner))


@app.command()
def export(
    agent: AgentArgument,
    user: MindUserOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """A mind as one readable file, which `import` takes again.

    \b
    Example:
      voicemind minds export counsellor --user ada --out ada.md
    """
    from voicemind.cli import minds as command

    run(partial(command.export, load_settings(), Whose(agent, user), file=out, as_json=as_json))


@app.command("import")
def import_file(
    agent: AgentArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An exported mind or a Letta agent file; - reads it.")],
    user: MindUserOption = None,
    if_version: IfVersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a file in the place of what a mind holds; one that does not exist is made.

    \b
    Example:
      voicemind minds import counsellor ada.md --user ada
    """
    from voicemind.cli import minds as command

    manner = Manner(if_version, as_json)
    run(partial(command.import_file, load_settings(), Whose(agent, user), file=file, manner=manner))
