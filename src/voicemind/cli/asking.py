"""Questions to the person at the keyboard: on the screen beside the answers, and answered line by line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from voicemind.cli.screen import err, note

Lines = Callable[[], Awaitable[str | None]]
"""What is typed, line by line; None once there is no more."""


async def answer(question: str, lines: Lines) -> str | None:
    """What the person says, without the space around it; None where nobody is there."""
    err.print(question, end=" ", style="bold", markup=False)
    line = await lines()
    if line is None:
        note("")
    return None if line is None else line.strip()


async def agreed(question: str, lines: Lines) -> bool:
    """Whether the person says yes; silence is no."""
    return (await answer(f"{question} [y/N]", lines) or "").lower() in ("y", "yes")
