"""`voicemind serve`: the server, and the three lines that say how to use it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from voicemind.cli.screen import err
from voicemind.config import Settings


async def serve(settings: Settings) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises Misconfigured."""
    from voicemind import assembly
    from voicemind.ops import logs

    logs.configure(settings.log_level, as_json=settings.log_json)
    await assembly.serve(settings, announce=announce)


def announce(url: str) -> None:
    """What to open, what the command line is called, how to stop."""
    err.print(f"Voicemind is here: open [bold]{url}[/bold] in your browser and press Start.")
    err.print(
        f"From a terminal: {command_name()} chat, {command_name()} talk FILE.wav, {command_name()} --help", markup=False
    )
    err.print("Stop it with Ctrl-C.")


def command_name() -> str:
    """How the command line is called here: its short name if that is on the path, else where it lies."""
    program = Path(sys.argv[0])
    found = shutil.which("voicemind")
    if found and Path(found).resolve() == program.resolve():
        return "voicemind"
    try:
        return str(program.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(program)
