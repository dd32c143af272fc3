"""Where the commands write: answers to standard output, everything about them to standard error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def said(text: str, *, end: str = "\n") -> None:
    """Text of an agent or a person, exactly as it is: nothing in it is markup."""
    out.print(text, end=end, markup=False)
    out.file.flush()


PIPED_WIDTH = 1000
"""A row stays one line where a program reads it."""


def plain(text: str) -> str:
    """Text that somebody else wrote, without what would steer the terminal.

    >>> plain("Bis" + chr(27) + "[2Jcuit")
    'Bis�[2Jcuit'
    """
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "\N{REPLACEMENT CHARACTER}" for sign in text)


def paragraph(text: str, *, style: str = "", indent: int = 0) -> None:
    """Lines of a page, without what would steer the terminal."""
    for line in plain(text).split("\n"):
        out.print(Text(" " * indent + line, style=style))


def rows(headings: Sequence[str], cells: Iterable[Sequence[object]]) -> None:
    """A table; None is an empty cell."""
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in cells:
        table.add_row(*(Text("" if cell is None else plain(str(cell))) for cell in row))
    screen = out if out.is_terminal else Console(file=out.file, width=PIPED_WIDTH, highlight=False)
    screen.print(table, soft_wrap=False)


def note(text: str, *, style: str = "dim") -> None:
    """A remark about what is going on."""
    err.print(text, style=style, markup=False)


def complaint(text: str) -> None:
    """The one line that says what went wrong and what to do."""
    err.print(" ".join(text.split()), style="red", markup=False)
