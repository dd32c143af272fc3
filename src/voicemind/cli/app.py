"""The commands and their options. Each one imports what it needs when it is called, so that `--help` is quick."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from voicemind import __version__
from voicemind.cli.minds_app import app as minds_app
from voicemind.cli.people_app import conversations, users
from voicemind.cli.reflections_app import meetings, reflections
from voicemind.cli.running import load_settings, plain_errors, run
from voicemind.cli.screen import said

EXAMPLES = """
\b
Examples:
  voicemind serve                       start the server
  voicemind chat                        type with the counsellor
  voicemind chat -a thalia --once "Hi"  one answer, for scripts
  voicemind talk hello.wav -o a.wav     one spoken answer
  voicemind minds show counsellor       what it remembers, and why
  voicemind doctor                      what was chosen, what is missing

Settings come from VOICEMIND_<NAME> and from voicemind.toml, for example
VOICEMIND_PORT=8800.
"""

app = typer.Typer(
    name="voicemind",
    help="Talk with characters who remember you, on your own machine.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)
agents_app = typer.Typer(help="Who can be talked with.", invoke_without_command=True, rich_markup_mode=None)
models_app = typer.Typer(help="The embedded language models.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(agents_app, name="agents")
app.add_typer(minds_app, name="minds")
app.add_typer(reflections, name="reflections")
app.add_typer(users, name="users")
app.add_typer(conversations, name="conversations")
app.add_typer(meetings, name="meetings")
app.add_typer(models_app, name="models")

AgentOption = Annotated[str, typer.Option("--agent", "-a", help="Whom to talk with; `voicemind agents` lists them.")]
UserOption = Annotated[
    str, typer.Option("--user", "-u", help="Who is talking: the agent keeps a memory for each person.")
]


def _version(wanted: bool) -> None:
    if wanted:
        said(__version__)
        raise typer.Exit


@app.callback()
def everything(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Talk with characters who remember you, on your own machine."""


@app.command()
def serve() -> None:
    """Start the server: the page, the API and the voice socket, on http://127.0.0.1:8700.

    VOICEMIND_HOST and VOICEMIND_PORT choose another address; beyond this machine it also needs VOICEMIND_API_KEYS.
    """
    from voicemind.cli import serve as command

    run(partial(command.serve, load_settings()), serves=True)


@app.command()
def chat(
    agent: AgentOption = "counsellor",
    user: UserOption = "local",
    once: Annotated[
        str | None, typer.Option("--once", metavar="TEXT", help="Ask this, print the answer alone, and end.")
    ] = None,
) -> None:
    """Type with an agent. /end or Ctrl-D ends the conversation, and the agent then keeps what matters of it.

    Ctrl-C interrupts a reply; twice, it ends the conversation.

    \b
    Example:
      voicemind chat --agent counsellor --user first --once "What is my cat called?"
    """
    from voicemind.cli import chat as command

    settings = load_settings()
    if once is None:
        run(partial(command.chat, settings, agent=agent, user=user))
    elif once.strip():
        run(partial(command.ask_once, settings, once.strip(), agent=agent, user=user))
    else:
        raise typer.BadParameter("it is empty: say what to ask.", param_hint="--once")


@app.command()
def talk(
    recording: Annotated[Path, typer.Argument(metavar="FILE.wav", help="What to say: a PCM WAV file of any rate.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the spoken answer goes.")] = Path("answer.wav"),
    agent: AgentOption = "counsellor",
    user: UserOption = "local",
    fast: Annotated[bool, typer.Option("--fast", help="Play the recording 2.5 times as fast.")] = False,
) -> None:
    """Play a recording to an agent as if it were spoken now, and keep the spoken answer.

    \b
    Example:
      voicemind talk hello.wav --agent counsellor --user first --out answer.wav
    """
    from voicemind.cli import talk as command

    run(partial(command.talk_with, load_settings(), recording, agent=agent, user=user, out=out, fast=fast))


@agents_app.callback()
def agents(context: typer.Context) -> None:
    """Who can be talked with; `voicemind agents show SLUG` shows one of them whole."""
    if context.invoked_subcommand is None:
        from voicemind.cli import agents as command

        with plain_errors():
            command.list_agents(load_settings())


@agents_app.command("show")
def show_agent(slug: Annotated[str, typer.Argument(help="An agent, as `voicemind agents` names it.")]) -> None:
    """One agent with the blocks of its mind."""
    from voicemind.cli import agents as command

    with plain_errors():
        command.show_agent(load_settings(), slug)


@models_app.command("list")
def list_models() -> None:
    """The models there are, and which of them are on this machine."""
    from voicemind.cli import models as command

    with plain_errors():
        command.list_models(load_settings())


@models_app.command("pull")
def pull_model(
    name: Annotated[
        str | None, typer.Argument(help="Which model; without a name, the one that the settings need.")
    ] = None,
) -> None:
    """Fetch a model into the cache. Stopped at any moment, it goes on from there next time.

    \b
    Example:
      voicemind models pull qwen2.5-coder-0.5b
    """
    from voicemind.cli import models as command

    run(partial(command.pull_models, load_settings(), name))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    measure: Annotated[bool, typer.Option(help="Load the language model and measure its speed.")] = True,
) -> None:
    """Say what was chosen and why, and what is missing. Exits with 1 where something needed is missing."""
    from voicemind.cli import doctor as command

    run(partial(command.examine, load_settings(), as_json=as_json, measure=measure))
