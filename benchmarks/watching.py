"""How busy the server, the load and everybody else were while something was measured, and whether the figures count."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

LATE_MS = 10.0
HOT = 0.7
FOREIGN = 0.25
"""Of one core: what other processes may have taken."""
PROBE_S = 0.005
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Meanwhile:
    """What a stretch of load took. Shares are of one core."""

    spent_s: float = 0.0
    server_s: float = 0.0
    load: float = 0.0
    foreign: float = 0.0
    late_ms: float = 0.0

    @property
    def server(self) -> float:
        """How busy the server was."""
        return self.server_s / self.spent_s

    def problems(self, *, is_control: bool = False) -> list[str]:
        """Why the figures do not count. A control without a server in between may take all there is."""
        return [
            *(
                [f"the load generator was {self.late_ms:.0f} ms late"]
                if self.late_ms > LATE_MS and not is_control
                else []
            ),
            *([f"the load generator was at {self.load:.0%}"] if self.load > HOT and not is_control else []),
            *([f"something else took {self.foreign:.0%} of a core"] if self.foreign > FOREIGN else []),
        ]


@dataclass(frozen=True)
class Watched:
    """The processes of a run: the load's own, those that may be doing something else of this benchmark, and the server's."""

    load: Sequence[int]
    others: Sequence[int]
    server: int | None


class Watch:
    """Measures a stretch: its time, what each process spent in it, and how late the load's own loop was."""

    def __init__(self, watched: Watched, found: Meanwhile) -> None:
        self._watched, self._found = watched, found
        self._tasks = anyio.create_task_group()
        self._late: list[float] = []

    async def __aenter__(self) -> None:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._probe)
        self._before = self._spent()
        self._begin = time.perf_counter()

    async def __aexit__(self, *error: object) -> None:
        found = self._found
        found.spent_s = time.perf_counter() - self._begin
        machine, load, others, server = (
            after - before for after, before in zip(self._spent(), self._before, strict=True)
        )
        found.server_s, found.load = server, load / found.spent_s
        found.foreign = max(machine - load - others - server, 0) / found.spent_s
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        ordered = sorted(self._late)
        found.late_ms = ordered[int(len(ordered) * 0.99)] if ordered else 0.0

    async def _probe(self) -> None:
        while True:
            due = time.perf_counter() + PROBE_S
            await anyio.sleep(PROBE_S)
            self._late.append((time.perf_counter() - due) * 1e3)

    def _spent(self) -> tuple[float, float, float, float]:
        watched = self._watched
        return (
            _machine_s(),
            sum(map(cpu_s, watched.load)),
            sum(map(cpu_s, watched.others)),
            0.0 if watched.server is None else cpu_s(watched.server),
        )


def cpu_s(process: int) -> float:
    """Processor seconds of a process, all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _machine_s() -> float:
    """Processor seconds of everybody, other machines on the same cores included; without interrupts, which are the load's own network."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _waiting, _irq, _softirq, steal = map(int, fields[:8])
    return (user + nice + system + steal) / _TICKS


def resident_mb(process: int) -> float:
    """Memory of a process now."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
