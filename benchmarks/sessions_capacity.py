"""Metric 9: the most people that one core serves well, and what became of more."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.sessions_load import Noted, at
from benchmarks.sessions_report import chunk_us
from benchmarks.sessions_runs import ASK_MS, CYCLE_MS, Load
from benchmarks.sessions_search import Outcome, Search
from benchmarks.sessions_servers import Target

MOST_STUTTER, MOST_TRIP_MS = 0.01, 100.0

Result = dict[str, float | int | str]


async def most(
    load: Load, target: Target, *, chunk_ms: int, first: int, told: Callable[[str], None], step: float = 1.6
) -> Result:
    """The most that surely held, and what is known of more."""
    acts = {"ask": ASK_MS} if target.answers_messages else {}
    scripts = load.talks(target, chunk_ms=chunk_ms, **acts)
    search, best = Search(first, step), None
    while search.goes_on:
        people = search.people
        noted = await load.run(target, scripts, people=people, warm_s=7, for_s=CYCLE_MS / 1000)
        outcome, why = _outcome(noted)
        shown = f"{outcome} {why}".strip()
        told(f"    {people} people, {chunk_ms} ms: {shown} ({noted.server:.0%} of a core)")
        search.saw(outcome, why)
        best = noted if outcome == "holds" else best
    return _found(search, best, f"most_{target.name}_{chunk_ms}")


def _found(search: Search, best: Noted | None, head: str) -> Result:
    result: Result = {}
    if search.breaks_at is not None:
        result |= {f"{head}_breaks_at": search.breaks_at, f"{head}_broken_by": search.broken_by}
    if search.unmeasured:
        least = min(search.unmeasured)
        result[f"{head}_unmeasured"] = f"{least} could not be measured: {search.unmeasured[least]}"
    if best is None:
        reason = result.get(f"{head}_unmeasured")
        return {**result, f"{head}_invalid": reason} if reason else {**result, head: 0}
    return {
        head: search.holds,
        f"{head}_server": round(best.server, 2),
        f"{head}_chunk_us": round(chunk_us(best)),
        **({f"{head}_trip_p95_ms": round(at(best.trips, 0.95), 1)} if best.trips else {}),
        f"{head}_turn_p95_ms": round(at(best.turns, 0.95)),
        f"{head}_stutter": round(best.stutter, 4),
        **result,
    }


def _outcome(noted: Noted) -> tuple[Outcome, str]:
    """What came of a try, and why."""
    if problems := noted.problems():
        return "unmeasured", problems[0]
    broken = _broken(noted)
    return ("breaks", broken) if broken else ("holds", "")


def _broken(noted: Noted) -> str:
    """Why so many are too many; empty where they are not."""
    if noted.errors:
        return f"{noted.errors.total()} errors ({noted.errors.most_common(1)[0][0]})"
    if noted.stutter > MOST_STUTTER:
        return f"stutter {noted.stutter:.1%}"
    if noted.trips and at(noted.trips, 0.95) > MOST_TRIP_MS:
        return f"round trip {at(noted.trips, 0.95):.0f} ms"
    return ""
