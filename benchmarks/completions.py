"""Metric 6: what our chat completions add to a direct call of the same scripted service, beside LiteLLM's proxy in the same run."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import anyio
from rich.console import Console
from rich.table import Table

from benchmarks.completions_load import Round, crowded, paced, streamed
from benchmarks.completions_servers import STYLES, NotInstalledError, Target, direct, litellm, ours, upstream
from benchmarks.completions_upstream import ORDER
from benchmarks.watching import Watched, resident_mb

ROUNDS = 3
WORDS = 16
CROWDS = (50, 200)
ALONE_S, CROWD_S = 3.0, 2.0
EVERY_S = 0.075
"""How often the one caller asks: slowly enough that each of them has answered before, so that nothing waits in a queue of its own."""
LONG, SHORT, PACE_MS, STREAMS = 72, 8, 20, 20
"""For the price of a chunk: the difference between long and short answers, spoken slowly so that every chunk travels alone."""
WITHOUT = "--without-litellm"

Result = dict[str, float | int | str]
console = Console()


@dataclass
class Figures:
    """The rounds of one target at one load."""

    is_control: bool
    rounds: list[Round] = field(default_factory=list[Round])

    @property
    def valid(self) -> list[Round]:
        """Those that count."""
        return [one for one in self.rounds if not one.problems(is_control=self.is_control)]

    @property
    def problem(self) -> str:
        """Why there is no figure; empty where most rounds count."""
        if len(self.valid) * 2 > len(self.rounds):
            return ""
        found = [problem for one in self.rounds for problem in one.problems(is_control=self.is_control)]
        return found[0] if found else "there is no round"

    def at(self, share: float) -> list[float]:
        """The time to the first word in each round that counts, at this share of all answers."""
        return [_at(one.first_ms, share) for one in self.valid if one.first_ms]

    @property
    def errors(self) -> int:
        """In all rounds, whether they count or not."""
        return sum(one.errors for one in self.rounds)


Table3 = dict[tuple[str, str, int], Figures]
"""By style of the service, target and callers at once."""


async def measure(*, rounds: int = ROUNDS) -> Result:
    """Milliseconds from when a request was due to its first word, answers a second, microseconds a chunk, megabytes."""
    cores = sorted(os.sched_getaffinity(0))
    serving, load = {cores[0]}, set(cores[1:]) or {cores[0]}
    result: Result = {"cores": len(cores), "words": WORDS}
    if len(cores) < 2:
        result["invalid"] = "there is one core alone: server and load get in each other's way"
        console.print(f"[bold]INVALID[/bold]: {result['invalid']}.")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, load)
    try:
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            service, process = stack.enter_context(upstream(cores=load))
            targets = {style: [direct(service, style)] for style in STYLES}
            for style in STYLES:
                targets[style].append(
                    await stack.enter_async_context(ours(folder / style, style, service, cores=serving))
                )
            for style, target in (await _rival(stack, folder / "litellm", service, serving)).items():
                targets[style].append(target)
            found, chunks = await _all_rounds(targets, process, rounds=rounds)
            result |= _figures(found) | chunks
            for style in STYLES:
                for target in targets[style][1:]:
                    assert target.process is not None
                    result[f"{style}_{target.name}_mb"] = round(resident_mb(target.process))
    finally:
        os.sched_setaffinity(0, before)
    return result


async def _rival(stack: AsyncExitStack, folder: Path, service: str, cores: set[int]) -> dict[str, Target]:
    if WITHOUT in sys.argv:
        console.print(f"[bold]LiteLLM is left out[/bold]: {WITHOUT}.")
        return {}
    try:
        return await stack.enter_async_context(litellm(folder, service, cores=cores))
    except (NotInstalledError, RuntimeError) as error:
        console.print(f"[bold]LiteLLM is left out[/bold], so nothing is compared with it: {error}", markup=True)
        return {}


async def _all_rounds(targets: Mapping[str, Sequence[Target]], service: int, *, rounds: int) -> tuple[Table3, Result]:
    """One target after the other, again and again, so that whatever the machine does meets all of them."""
    processes = [target.process for every in targets.values() for target in every if target.process is not None]
    found: Table3 = {}
    chunks: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for style, every in targets.items():
            for target in every:
                idle = [process for process in set(processes) if process != target.process]
                watched = Watched((os.getpid(), service), idle, target.process)
                for callers in (1, *CROWDS):
                    once = await _round(target, callers, watched, is_warming=number == 0)
                    if number:
                        name = (style, target.name, callers)
                        found.setdefault(name, Figures(target.process is None)).rounds.append(once)
                if number and target.process is not None:
                    price = await _price(target, watched)
                    chunks.setdefault(f"{style}_{target.name}_chunk_us", []).append(price)
    return found, {name: round(median(prices)) for name, prices in chunks.items()}


async def _round(target: Target, callers: int, watched: Watched, *, is_warming: bool) -> Round:
    before = target.stored() if target.stored else 0
    once = await _asked(target, callers, watched, is_warming=is_warming)
    if target.stored:
        once.compare(target.stored() - before)
    return once


async def _asked(target: Target, callers: int, watched: Watched, *, is_warming: bool) -> Round:
    request = target.request(ORDER.format(words=WORDS, pace_ms=0))
    if callers == 1:
        for_s = EVERY_S * 5 if is_warming else ALONE_S
        return await paced(target.url, request, watched, every_s=EVERY_S, for_s=for_s)
    if is_warming:
        callers = min(callers, 50)
    return await crowded(target.url, request, watched, callers=callers, for_s=0.1 if is_warming else CROWD_S)


async def _price(target: Target, watched: Watched) -> float:
    """Microseconds that the server's process spends on one more chunk."""
    spent: list[float] = []
    for words in (SHORT, LONG):
        request = target.request(ORDER.format(words=words, pace_ms=PACE_MS))
        once = await streamed(target.url, request, watched, callers=STREAMS)
        spent.append(once.server_s)
    return (spent[1] - spent[0]) / (STREAMS * (LONG - SHORT)) * 1e6


def _figures(found: Table3) -> Result:
    result: Result = {}
    for (style, name, callers), figures in found.items():
        head = f"{style}_{name}_{callers}"
        result[f"{head}_errors"] = figures.errors
        if figures.problem:
            result[f"{head}_invalid"] = figures.problem
            continue
        control = found[style, "direct", callers]
        for share, label in ((0.5, "p50"), (0.99, "p99")):
            each = figures.at(share)
            if not each:
                continue
            result[f"{head}_{label}_ms"] = round(median(each), 2)
            result[f"{head}_{label}_spread_ms"] = round(max(each) - min(each), 2)
            if name != "direct" and not control.problem:
                result[f"{head}_added_{label}_ms"] = round(median(each) - median(control.at(share)), 2)
        if callers > 1:
            rates = [one.rate for one in figures.valid]
            result[f"{head}_per_s"] = round(median(rates), 1)
            result[f"{head}_per_s_spread"] = round(max(rates) - min(rates), 1)
            result[f"{head}_load_share"] = round(median(one.load for one in figures.valid), 2)
    return result


def _at(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def table(result: Result) -> Table:
    """What a person reads; everything else is in the file."""
    shown = Table(title="6 chat completions against the same scripted service", title_justify="left")
    for column in ("service", "at once", "through", "first word p50 / p99, ms", "added, ms", "answers/s", "errors"):
        shown.add_column(column, justify="left" if column in ("service", "through") else "right")
    for style in STYLES:
        for callers in (1, *CROWDS):
            for name in ("direct", "ours", "LiteLLM"):
                if f"{style}_{name}_{callers}_errors" in result:
                    shown.add_row(style, str(callers), name, *_cells(result, f"{style}_{name}_{callers}"))
    for style in STYLES:
        for name in ("ours", "LiteLLM"):
            if f"{style}_{name}_mb" in result:
                price, memory = result[f"{style}_{name}_chunk_us"], result[f"{style}_{name}_mb"]
                shown.add_row(style, "", name, f"{price} µs a chunk", f"{memory} MB", "", "")
    return shown


def _cells(result: Result, head: str) -> tuple[str, str, str, str]:
    if problem := result.get(f"{head}_invalid"):
        return "INVALID", str(problem), "", str(result[f"{head}_errors"])

    def cell(*names: str) -> str:
        return " / ".join(str(result[f"{head}_{name}"]) for name in names if f"{head}_{name}" in result)

    return cell("p50_ms", "p99_ms"), cell("added_p50_ms", "added_p99_ms"), cell("per_s"), cell("errors")


if __name__ == "__main__":
    console.print(table(anyio.run(measure, backend_options={"use_uvloop": True})))
