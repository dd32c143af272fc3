"""Runs a command: errors become one line on standard error and an exit code that says whose turn it is."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

import anyio
import typer

from voicemind.cli.screen import complaint
from voicemind.errors import Busy, ClientMistake, Misconfigured, VoicemindError

if TYPE_CHECKING:
    from voicemind.config import Settings

YOUR_MISTAKE, OUR_TROUBLE, INTERRUPTED = 2, 1, 130


@dataclass
class Tracebacks:
    """Whether somebody looks for a fault of the program, and so wants to see where errors come from."""

    wanted: bool = False


tracebacks = Tracebacks()


def load_settings() -> Settings:
    """The settings of this command; leaves with one line where one of them is wrong."""
    from voicemind.config import Settings

    with plain_errors():
        settings = Settings.load()
    tracebacks.wanted = settings.log_level == "debug"
    return settings


def run(command: Callable[[], Awaitable[None]], *, serves: bool = False) -> None:
    """Run an asynchronous command to its end; one that `serves` gets the faster loop, where there is one."""
    with plain_errors():
        anyio.run(command, backend_options={"use_uvloop": serves and sys.platform != "win32"})


@contextmanager
def plain_errors() -> Generator[None]:
    """Our own errors leave as one line and an exit code, also out of task groups."""
    try:
        yield
    except VoicemindError as error:
        _leave(error)
    except BaseExceptionGroup as group:
        ours = _first_of_ours(group)
        if ours is None:
            raise
        _leave(ours)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def exit_code(error: VoicemindError) -> int:
    """2 where the person at the keyboard can put it right, 1 where the trouble is ours."""
    theirs = isinstance(error, ClientMistake | Misconfigured) and not isinstance(error, Busy)
    return YOUR_MISTAKE if theirs else OUR_TROUBLE


def last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """`sys.excepthook`: a fault of the program is one line too, unless somebody looks for it."""
    if tracebacks.wanted:
        sys.__excepthook__(kind, error, trace)
        return
    complaint(f"Voicemind has failed ({kind.__name__}). With VOICEMIND_LOG_LEVEL=debug it says where.")


def _leave(error: VoicemindError) -> NoReturn:
    if tracebacks.wanted:
        raise error
    complaint(str(error))
    raise typer.Exit(exit_code(error)) from None


def _first_of_ours(group: BaseExceptionGroup[BaseException]) -> VoicemindError | None:
    ours: BaseException | None = group.subgroup(VoicemindError)
    while isinstance(ours, BaseExceptionGroup):
        ours = ours.exceptions[0]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - narrowing loses the type
    return ours if isinstance(ours, VoicemindError) else None
