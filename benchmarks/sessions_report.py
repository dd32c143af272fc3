"""What the sessions' benchmark shows: medians, reasons why a figure does not count, and the goals beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from rich.table import Table

from benchmarks.sessions_load import Noted

Result = dict[str, float | int | str]


def chunk_us(noted: Noted) -> float:
    """Microseconds of the server for a chunk from a microphone, with everything that follows from it."""
    return noted.server_s / noted.sent * 1e6 if noted.sent else math.nan


def figures(head: str, rounds: Sequence[Noted], **wanted: Callable[[Noted], float]) -> Result:
    """Medians of the rounds that count; INVALID with the reason where most do not. Errors are of all rounds."""
    errors = sum((one.errors for one in rounds), start=rounds[0].errors.__class__())
    result: Result = {f"{head}_errors": errors.total()}
    if errors:
        result[f"{head}_first_error"] = errors.most_common(1)[0][0]
    valid = [one for one in rounds if not one.problems()]
    if len(valid) * 2 <= len(rounds):
        result[f"{head}_invalid"] = next(problem for one in rounds for problem in one.problems())
        valid = list(rounds)
        head += "_not_counted"
    for name, figure in wanted.items():
        values = [figure(one) for one in valid]
        result[f"{head}_{name}"] = _rounded(median(values))
        result[f"{head}_{name}_spread"] = _rounded(max(values) - min(values))
    return result


def _rounded(value: float) -> float:
    return round(value, 4 if abs(value) < 0.1 else 2 if abs(value) < 100 else 0)


GOALS = (
    ("1 round trip of a small message, p95", "trip_ours_p95", "≤ 5 ms, ≤ 3 × echo"),
    ("  the echo", "trip_echo_p95", ""),
    ("2 turn: above silence and scripts, p95", "turns_50_overhead_p95", "≤ 20 ms"),
    ("3b answer to one person, p50", "answer_1_p50", "≤ 700 ms"),
    ("  p95", "answer_1_p95", "≤ 900 ms"),
    ("4 interrupt → last sound, p99", "stop_50_p99", "≤ 20 ms"),
    ("5 stutter", "turns_50_stutter", "≤ 0.001"),
    ("9 most people on a core, 20 ms chunks", "most_capacity_20", "≥ 150"),
    ("  100 ms chunks", "most_capacity_100", "≥ 300"),
    ("  Pipecat, 20 ms chunks", "most_Pipecat_20", ""),
    ("10 µs a chunk: conversations", "turns_50_chunk_us", ""),
    ("  a quiet room", "room_ours_chunk_us", "≤ 2 × echo"),
    ("  speech", "talk_ours_chunk_us", "≤ 2 × echo"),
    ("  the echo", "room_echo_chunk_us", ""),
    ("  kB an idle session", "idle_kb_ours", "≤ 150"),
    ("11 kB a cycle", "leak_kb_a_cycle", "< 1"),
    ("  tasks, descriptors, threads left", "leak_left", "0"),
    ("12 p95 beside a flood of sound / without", "fair_sound_ratio", "≤ 1.2"),
    ("  of messages / without", "fair_messages_ratio", "≤ 1.2"),
    ("13 killed, started → 50 people go on, s", "restart_s", "≤ 3"),
    ("  turns lost", "restart_lost", "0"),
    ("answer at ten people, p95: ours", "ten_ours_turn_p95", ""),
    ("  Pipecat", "ten_Pipecat_turn_p95", ""),
)


def table(result: Result) -> Table:
    """What a person reads; everything else is in the file."""
    shown = Table(title="live sessions, server on one core", title_justify="left")
    for column in ("metric", "figure", "goal"):
        shown.add_column(column, justify="left" if column == "metric" else "right")
    for title, name, goal in GOALS:
        shown.add_row(title, cell(result, name), goal)
    return shown


def markdown(result: Result) -> str:
    """The same as it can stand in docs/benchmarks.md."""
    rows = [f"| {title.strip()} | {cell(result, name)} | {goal} |" for title, name, goal in GOALS]
    return "\n".join(("| metric | figure | goal |", "|---|---|---|", *rows, ""))


def cell(result: Result, name: str) -> str:
    """A figure with its errors; INVALID with the reason where it does not count."""
    if name in result:
        return str(result[name])
    head = max((key for key in _heads(result) if name.startswith(key)), key=len, default="")
    return f"INVALID: {result[f'{head}_invalid']}" if head else "–"


def _heads(result: Result) -> Iterable[str]:
    return (key.removesuffix("_invalid") for key in result if key.endswith("_invalid"))
