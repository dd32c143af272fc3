"""`make bench`: runs the benchmarks one after the other, prints a table and writes benchmarks/results/latest.json."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
from rich.console import Console
from rich.table import Table

from benchmarks import (
    completions,
    context,
    labelled,
    memory,
    recall,
    sessions,
    sessions_report,
    slow_clients,
    start,
    store,
    voice,
    voicebench_run,
)

Result = dict[str, float | int | str]
ALL: dict[str, tuple[str, Callable[[], Awaitable[Result]]]] = {
    "start": ("13 start, idle memory", start.measure),
    "context": ("7 prompt from a warm mind", context.measure),
    "store": ("7 cold load · 8 acknowledged turn", store.measure),
    "completions": ("6 chat completions", completions.measure),
    "slow": ("fault 8: good requests beside 200 slow clients", slow_clients.measure),
    "memory": ("evidence recall at 5 / 10 / 20 on LoCoMo", memory.measure),
    "labelled": ("entries of our own dialogues that are not supported", labelled.measure),
    "recall": ("recall among 10,000 entries", recall.measure),
    "sessions": ("1, 2, 3b, 4, 5, 9 to 13 live sessions", sessions.measure),
    "voice": ("3a end of speech to first sound", voice.measure),
    "voicebench": ("voicebench: answers, interruptions, a cough", voicebench_run.measure),
}
TABLES: dict[str, Callable[[Result], Table]] = {"completions": completions.table, "sessions": sessions_report.table}
RESULTS = Path(__file__).parent / "results"
BUSY_LOAD = 1.0
console = Console()


async def main(names: list[str]) -> None:
    """Run these, or all."""
    unknown = [name for name in names if name not in ALL]
    if unknown:
        console.print(f"There is no benchmark {unknown[0]!r}; there are: {', '.join(ALL)}.")
        raise SystemExit(2)
    busy = os.getloadavg()[0]
    results: dict[str, Result] = {}
    for name in names or list(ALL):
        title, measure = ALL[name]
        console.print(f"measuring {name} …")
        results[name] = await measure()
        console.print(TABLES[name](results[name]) if name in TABLES else _plain(title, results[name]))
    if busy > BUSY_LOAD:
        console.print(
            f"[bold]INVALID[/bold]: the machine was busy with something else (load {busy:.1f} before the first benchmark)."
        )
    RESULTS.mkdir(exist_ok=True)
    if "sessions" in results:
        (RESULTS / "sessions.md").write_text(sessions_report.markdown(results["sessions"]))
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": round(busy, 2),
        "valid": busy <= BUSY_LOAD,
    }
    (RESULTS / "latest.json").write_text(json.dumps({"machine": machine, **results}, indent=2) + "\n")
    if dead := sessions.failed(results.get("sessions", {})):
        sys.exit(f"Without figures, because they died: {', '.join(dead)}.")


def _plain(title: str, result: Result) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in result.items():
        table.add_row(name, str(value))
    return table


names = [name for name in sys.argv[1:] if name not in (completions.WITHOUT, sessions.WITHOUT)]
if "--data" in names:  # the path is the benchmark's to read
    del names[names.index("--data") : names.index("--data") + 2]
anyio.run(main, names, backend_options={"use_uvloop": True})
