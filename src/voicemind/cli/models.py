"""`voicemind models`: which embedded language models there are, and getting them onto this machine."""

from __future__ import annotations

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from voicemind.cli.screen import err, note, out
from voicemind.config import Settings
from voicemind.models import catalog
from voicemind.models.pull import pull

GROWS_EVERY = 50_000_000
"""Bytes between two lines of progress where the screen is none."""


def list_models(settings: Settings) -> None:
    """A row for each model, with what is here."""
    table = Table(box=None, pad_edge=False)
    for heading in ("model", "size", "here", "licence", "about"):
        table.add_column(heading, overflow="fold")
    for model in (*catalog.MODELS.values(), catalog.SMART_TURN):
        chosen = model in needed(settings)
        here = catalog.located(model, settings.cache_dir)
        table.add_row(
            model.name + (" *" if chosen else ""),
            f"{model.size / 1e6:,.0f} MB",
            "yes" if here else "no",
            model.licence,
            model.about,
        )
    out.print(table, soft_wrap=False)
    note("* is what the settings name. `voicemind models pull NAME` fetches one.")


def needed(settings: Settings) -> tuple[catalog.Model, ...]:
    """What the settings name and has to be on this machine."""
    llm = (catalog.find(settings.llm_model),) if settings.llm == "local" else ()
    return (*llm, *((catalog.SMART_TURN,) if settings.prosody == catalog.SMART_TURN.name else ()))


async def pull_models(settings: Settings, name: str | None) -> None:
    """Fetch the named model, or everything that the settings need. Raises Misconfigured or ProviderUnavailable."""
    models = (catalog.weights(name),) if name else needed(settings)
    if not models:
        note(f"VOICEMIND_LLM is {settings.llm}: no model is needed.")
    for model in models:
        await _pull(settings, model)


async def _pull(settings: Settings, model: catalog.Model) -> None:
    """What is already here stays."""
    if (here := catalog.located(model, settings.cache_dir)) is not None:
        note(f"{model.name} is here: {here}")
        return
    note(
        f"Fetching {model.name} ({model.size / 1e6:,.0f} MB, {model.licence}); stopped, it goes on from there next time."
    )
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=err,
        disable=not err.is_terminal,
    ) as bar:
        task = bar.add_task(model.name, total=model.size)
        steps = Steps(model.size)

        def arrived(reached: int, whole: int) -> None:
            bar.update(task, completed=reached, total=whole)
            if not err.is_terminal and (line := steps.reached(reached)):
                note(line)

        path = await pull(model, cache_dir=settings.cache_dir, on_progress=arrived)
    note(f"{model.name} is here, its hash is right: {path}")


class Steps:
    """Progress for a log file: a line now and then."""

    def __init__(self, whole: int) -> None:
        self._whole = whole
        self._next = GROWS_EVERY

    def reached(self, count: int) -> str:
        """A line where enough has arrived since the last one, else nothing.

        >>> steps = Steps(100_000_000)
        >>> steps.reached(1_000), steps.reached(60_000_000), steps.reached(61_000_000)
        ('', '  60 of 100 MB', '')
        """
        if count < self._next:
            return ""
        self._next = count + GROWS_EVERY
        return f"  {count / 1e6:.0f} of {self._whole / 1e6:.0f} MB"
