"""Metrics 1, 2, 3b, 4, 5, 9, 10, 11, 12, 13: what live sessions cost and how late they are, beside an echo and Pipecat in the same run."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
from rich.console import Console

from benchmarks.completions_servers import NotInstalledError
from benchmarks.sessions_capacity import most
from benchmarks.sessions_leaks import leaks
from benchmarks.sessions_load import Noted, Script, at
from benchmarks.sessions_report import chunk_us, figures, table
from benchmarks.sessions_restart import restart
from benchmarks.sessions_runs import ASK_MS, CYCLE_MS, FloodKind, Load
from benchmarks.sessions_servers import SCRIPT_MS, Target, echo, ours, pipecat
from benchmarks.sessions_sound import speech
from benchmarks.watching import resident_mb
from voicemind.engines.cascade.endpoint import EndpointLimits

ROUNDS = 3
PEOPLE = 50
CHUNKS_MS = (20, 100)
IDLE = 200
"""So many say nothing."""
WHOLE_MS = 2_400
"""Speech that is long enough for the scripted recogniser, a word each 300 ms, to have heard its whole sentence."""
WITHOUT = "--without-pipecat"
FAILED = "_failed"
"""Ends the name of the figure that says why a part has none."""
KINDS: tuple[FloodKind, ...] = ("sound", "messages")

Result = dict[str, float | int | str]
console = Console()


@dataclass
class Bench:
    """What all parts need."""

    folder: Path
    load: Load
    serving: set[int]
    stack: AsyncExitStack
    echo: Target
    others: list[int] = field(default_factory=list[int])

    async def ours(self, name: str, **settings: str) -> Target:
        """One more server of ours; it runs, and idles, to the end."""
        target = await self.stack.enter_async_context(
            ours(self.folder / name, cores=self.serving, name=name, settings=settings)
        )
        self.others.append(target.process)
        return target


async def measure(parts: Sequence[str] = ()) -> Result:
    """Milliseconds from when something was due, shares of a core, microseconds of the server's processor, kilobytes."""
    cores = sorted(os.sched_getaffinity(0))
    result: Result = {"cores": len(cores), "people": PEOPLE}
    if len(cores) < 2:
        return {**result, "invalid": "there is one core alone: server and load get in each other's way"}
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores[1:]))
    try:
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            others: list[int] = []
            load = Load(await speech(), others)
            control = await stack.enter_async_context(echo(folder / "echo", cores=set(cores[:1])))
            others.append(control.process)
            bench = Bench(folder, load, set(cores[:1]), stack, control, others)
            for name, part in PARTS.items():
                if not parts or name in parts:
                    result |= await tried(name, part, bench)
    finally:
        os.sched_setaffinity(0, before)
    return result


async def tried(name: str, part: Callable[[Bench], Awaitable[Result]], bench: Bench) -> Result:
    """The figures of one part, shown as soon as they are there. One that dies says so, and leaves those of the others alone."""
    console.print(f"  {name} …")
    try:
        found = await part(bench)
    except Exception as error:  # noqa: BLE001 - the boundary of a part: whatever it died of, the others have figures
        console.print_exception()
        return {f"{name}{FAILED}": f"{type(error).__name__}: {error}"}
    console.print(found)
    return found


def failed(result: Result) -> list[str]:
    """The parts that died."""
    return [name.removesuffix(FAILED) for name in result if name.endswith(FAILED)]


def _told(line: str) -> None:
    console.print(line, markup=False)


async def _trips(bench: Bench) -> Result:
    """1 and 10: small messages, then sound alone; the echo and ours in turn."""
    target = await bench.ours("trips")
    found: dict[str, list[Noted]] = {}
    for number in range(ROUNDS):
        for one in (bench.echo, target):
            noted = await bench.load.run(one, [Script([], {4: "ask"})], people=PEOPLE, warm_s=0.5, for_s=4)
            found.setdefault(f"trip_{one.name}", []).append(noted)
            for what, speech_ms in (("room", 0), ("talk", CYCLE_MS)) if number else ():
                scripts = bench.load.talks(one, chunk_ms=20, speech_ms=speech_ms)
                noted = await bench.load.run(one, scripts, people=PEOPLE, warm_s=0.5, for_s=3)
                found.setdefault(f"{what}_{one.name}", []).append(noted)
    result: Result = {}
    for name, rounds in found.items():
        what, _, who = name.partition("_")
        who = "echo" if who == "echo" else "ours"
        if what == "trip":
            result |= figures(
                f"trip_{who}", rounds, p50=lambda one: at(one.trips, 0.5), p95=lambda one: at(one.trips, 0.95)
            )
        else:
            result |= figures(f"{what}_{who}", rounds, chunk_us=chunk_us)
    return result | await _idle_memory(bench, target)


async def _idle_memory(bench: Bench, target: Target) -> Result:
    """Kilobytes a session that says nothing."""
    result: Result = {}
    for one, name in ((bench.echo, "echo"), (target, "ours")):
        before, during = await bench.load.silent(one, people=IDLE, look=partial(resident_mb, one.process))
        result[f"idle_kb_{name}"] = round((during - before) * 1024 / IDLE)
    return result


async def _turns(bench: Bench) -> Result:
    """2 and 5: conversations of fifty people, without thinking early; above the scripts and the silence that the endpoint asks for, not the one it waited."""
    target = await bench.ours("turns", early_thinking="false")
    scripts = bench.load.talks(target, chunk_ms=20, ask=ASK_MS)
    silence = EndpointLimits().over_ms
    rounds = [await bench.load.run(target, scripts, people=PEOPLE, warm_s=8, for_s=CYCLE_MS / 1000) for _ in range(2)]
    return {
        "endpoint_silence_ms": silence,
        **figures(
            "turns_50",
            rounds,
            p50=lambda one: at(one.turns, 0.5),
            p95=lambda one: at(one.turns, 0.95),
            overhead_p50=lambda one: at(one.turns, 0.5) - silence - SCRIPT_MS,
            overhead_p95=lambda one: at(one.turns, 0.95) - silence - SCRIPT_MS,
            stutter=lambda one: one.stutter,
            trip_p95=lambda one: at(one.trips, 0.95),
            server=lambda one: one.server,
            chunk_us=chunk_us,
        ),
    }


async def _answers(bench: Bench) -> Result:
    """3b: as it is by default, one person, from the last sound of the sentence to the first of the answer."""
    target = await bench.ours("answers")
    scripts = bench.load.talks(target, chunk_ms=20, cycle_ms=4_500, speech_ms=WHOLE_MS, interrupt=4_400)
    rounds = [await bench.load.run(target, scripts[number:], people=1, warm_s=0, for_s=18) for number in range(2)]
    merged = [value for one in rounds for value in one.turns]
    return figures("answer_1", rounds, p50=lambda _: at(merged, 0.5), p95=lambda _: at(merged, 0.95))


async def _stops(bench: Bench) -> Result:
    """4: answers that are interrupted while they sound."""
    target = await bench.ours("stops")
    script = Script([], {0: "write", 75: "interrupt", 99: "ask"})
    rounds = [await bench.load.run(target, [script], people=PEOPLE, warm_s=2, for_s=8) for _ in range(ROUNDS)]
    return figures("stop_50", rounds, p50=lambda one: at(one.stops, 0.5), p99=lambda one: at(one.stops, 0.99))


async def _capacity(bench: Bench) -> Result:
    """9: how many can talk at once."""
    target = await bench.ours("capacity")
    result: Result = {}
    for chunk_ms, first in zip(CHUNKS_MS, (100, 160), strict=True):
        result |= await most(bench.load, target, chunk_ms=chunk_ms, first=first, told=_told)
    return result


async def _fairness(bench: Bench) -> Result:
    """12: small messages of 49 good people, alone and beside one who floods."""
    target = await bench.ours("fairness")
    asking = Script([], {4: "ask"})
    found: dict[str, list[Noted]] = {}
    for _ in range(ROUNDS):
        found.setdefault("alone", []).append(
            await bench.load.run(target, [asking], people=PEOPLE - 1, warm_s=0.5, for_s=4)
        )
        for kind in KINDS:
            noted = await bench.load.beside_flood(target, [asking], people=PEOPLE - 1, kind=kind, for_s=4)
            found.setdefault(kind, []).append(noted)
    result: Result = {}
    for name, rounds in found.items():
        result |= figures(f"fair_{name}", rounds, p95=lambda one: at(one.trips, 0.95))
    for kind in KINDS:
        if "fair_alone_p95" in result and f"fair_{kind}_p95" in result:
            result[f"fair_{kind}_ratio"] = round(float(result[f"fair_{kind}_p95"]) / float(result["fair_alone_p95"]), 2)
    return result


async def _leaks(bench: Bench) -> Result:
    """11: people who come, talk and go, three in ten without a word."""
    return await leaks(bench.folder / "leaks", cores=bench.serving)


async def _restart(bench: Bench) -> Result:
    """13: a server that is killed while fifty people talk."""
    return await restart(bench.folder / "restart")


async def _rival(bench: Bench) -> Result:
    """Pipecat with the same scripts: ten people, and as many as it can hold."""
    if WITHOUT in sys.argv:
        console.print(f"[bold]Pipecat is left out[/bold]: {WITHOUT}.")
        return {}
    try:
        target = await bench.stack.enter_async_context(pipecat(bench.folder / "pipecat", cores=bench.serving))
    except (NotInstalledError, RuntimeError) as error:
        console.print(f"[bold]Pipecat is left out[/bold], so nothing is compared with it: {error}", markup=True)
        return {}
    bench.others.append(target.process)
    mine = await bench.ours("beside")
    result: Result = {}
    for one, name in ((mine, "ours"), (target, "Pipecat")):
        scripts = bench.load.talks(one, chunk_ms=20)
        rounds = [await bench.load.run(one, scripts, people=10, warm_s=7, for_s=CYCLE_MS / 1000) for _ in range(2)]
        result |= figures(
            f"ten_{name}",
            rounds,
            turn_p50=lambda one: at(one.turns, 0.5),
            turn_p95=lambda one: at(one.turns, 0.95),
            stutter=lambda one: one.stutter,
            server=lambda one: one.server,
        )
    return result | await most(bench.load, target, chunk_ms=20, first=10, told=_told, step=1.5)


PARTS: dict[str, Callable[[Bench], Awaitable[Result]]] = {
    "trips": _trips,
    "turns": _turns,
    "answers": _answers,
    "stops": _stops,
    "capacity": _capacity,
    "fairness": _fairness,
    "leaks": _leaks,
    "restart": _restart,
    "rival": _rival,
}


if __name__ == "__main__":
    chosen = [name for name in sys.argv[1:] if name != WITHOUT]
    if unknown := [name for name in chosen if name not in PARTS]:
        sys.exit(
            f"There is no part {unknown[0]!r}. Parts: {', '.join(PARTS)}; none means all. {WITHOUT} leaves Pipecat out."
        )
    found = anyio.run(measure, chosen, backend_options={"use_uvloop": True})
    console.print(table(found))
    if dead := failed(found):
        sys.exit(f"Without figures, because they died: {', '.join(dead)}.")
