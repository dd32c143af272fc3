"""Where the commands write: answers to standard output, everything about them to standard error."""

from __future__ import annotations

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def said(text: str, *, end: str = "\n") -> None:
    """Text of an agent or a person, exactly as it is: nothing in it is markup."""
    out.print(text, end=end, markup=False)
    out.file.flush()


def note(text: str, *, style: str = "dim") -> None:
    """A remark about what is going on."""
    err.print(text, style=style, markup=False)


def complaint(text: str) -> None:
    """The one line that says what went wrong and what to do."""
    err.print(" ".join(text.split()), style="red", markup=False)
