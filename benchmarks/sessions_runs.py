"""The stretches of the sessions' benchmark: who talks how, to whom, for how long."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import anyio
import httpx

from benchmarks.sessions_load import INTERRUPT, Act, Noted, Person, Script, Wheel, at
from benchmarks.sessions_servers import Target
from benchmarks.sessions_sound import murmur
from benchmarks.sessions_wire import TEXT, NotOpenError, masked
from benchmarks.watching import Watch, Watched
from voicemind.speech.audio import INPUT_RATE_HZ

OPENING_AT_ONCE = 8
CYCLE_MS, SPEECH_MS = 10_000, 4_000
"""Of ten seconds a person speaks four, the agent about four, and two are silent."""
ASK_MS = 9_800
"""When the small message is sent: the agent has finished by then."""
FloodKind = Literal["sound", "messages"]
FLOOD = 40
"""Frames at once, fifty times a second: forty microphones in one, or two thousand messages a second."""
ACTS: dict[str, Act] = {"ask": "ask", "write": "write", "interrupt": "interrupt"}
VOICES = 28
"""Different places of the recording, so that no two people say the same at once."""


@dataclass(frozen=True)
class Load:
    """So many people with scripts of their own, and the other processes of this benchmark."""

    speech: bytes
    others: Sequence[int] = ()

    def talks(
        self, target: Target, *, chunk_ms: int, cycle_ms: int = CYCLE_MS, speech_ms: int = SPEECH_MS, **acts: int
    ) -> list[Script]:
        """Scripts of people who speak and then listen. `acts` are milliseconds within the cycle."""
        quiet = _cut(murmur(cycle_ms - speech_ms), chunk_ms)
        scripts: list[Script] = []
        for voice in range(VOICES):
            start = voice * (len(self.speech) - _bytes(speech_ms)) // VOICES // 2 * 2
            spoken = _cut(self.speech[start : start + _bytes(speech_ms)], chunk_ms)
            named: dict[int, Act] = {len(spoken) - 1: "spoken"} if spoken and quiet else {}
            named |= {ms // chunk_ms: ACTS[name] for name, ms in acts.items()}
            scripts.append(Script([*map(target.dialect.chunk, [*spoken, *quiet])], named, chunk_ms))
        return scripts

    async def run(
        self,
        target: Target,
        scripts: Sequence[Script],
        *,
        people: int,
        warm_s: float,
        for_s: float,
        beside: Sequence[Person] = (),
    ) -> Noted:
        """Everybody at a place of their own in the script, so that the load is even."""
        noted = Noted()
        length = max(len(scripts[0].chunks), max(scripts[0].acts, default=0) + 1)
        everybody = [
            Person(scripts[number % len(scripts)], target.dialect, noted, turn=number * length // people)
            for number in range(people)
        ]
        opened = await self._open(target, everybody, noted)
        wheel = Wheel(noted, chunk_ms=scripts[0].chunk_ms)
        wheel.seat([*opened, *beside])
        watched = Watched((os.getpid(),), [other for other in self.others if other != target.process], target.process)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watched, noted, watched, warm_s, for_s)
                await wheel.turn(warm_s=warm_s, for_s=for_s)
        finally:
            for person in opened:
                person.leave(noted.since + for_s)
            await anyio.sleep(0.5)
        noted.late_ms = max(noted.late_ms, at(noted.slots, 0.99))
        return noted

    async def silent(self, target: Target, *, people: int, look: Callable[[], float]) -> tuple[float, float]:
        """What `look` sees before so many are connected, and while they are and say nothing."""
        noted = Noted()
        still = Script([], {})
        everybody = [Person(still, target.dialect, noted) for _ in range(people)]
        before = look()
        opened = await self._open(target, everybody, noted)
        await anyio.sleep(1.0)
        try:
            return before, look()
        finally:
            for person in opened:
                person.leave(0.0)
            await anyio.sleep(1.0)

    async def beside_flood(
        self, target: Target, scripts: Sequence[Script], *, people: int, kind: FloodKind, for_s: float
    ) -> Noted:
        """The same run while one more client sends ten times what anybody could: sound without end, or small messages."""
        frame = target.dialect.chunk(self.speech[: _bytes(20)]) if kind == "sound" else masked(INTERRUPT, opcode=TEXT)
        flood = Person(Script([frame * FLOOD], {}), target.dialect, Noted())
        await self._open(target, [flood], Noted())
        try:
            return await self.run(target, scripts, people=people, warm_s=0.5, for_s=for_s, beside=[flood])
        finally:
            flood.drop()
            await anyio.sleep(1.0)

    async def _watched(self, noted: Noted, watched: Watched, warm_s: float, for_s: float) -> None:
        await anyio.sleep(warm_s)
        noted.sent = noted.heard = 0
        async with Watch(watched, noted):
            await anyio.sleep(for_s - 0.01)

    async def _open(self, target: Target, people: Sequence[Person], noted: Noted) -> list[Person]:
        """Those who could be opened."""
        opened: list[Person] = []
        places = anyio.Semaphore(OPENING_AT_ONCE)
        noted.since = 0.0

        async def one(person: Person, client: httpx.AsyncClient) -> None:
            async with places:
                try:
                    await person.open(await target.invite(client))
                    opened.append(person)
                except (NotOpenError, httpx.HTTPError) as error:
                    noted.errors[f"not opened: {error}"] += 1

        async with httpx.AsyncClient(timeout=60) as client, anyio.create_task_group() as tasks:
            for person in people:
                tasks.start_soon(one, person, client)
        noted.since = float("inf")
        return sorted(opened, key=people.index)


def _bytes(ms: int) -> int:
    return ms * INPUT_RATE_HZ // 1000 * 2


def _cut(samples: bytes, chunk_ms: int) -> list[bytes]:
    size = _bytes(chunk_ms)
    return [samples[start : start + size] for start in range(0, len(samples), size)]
