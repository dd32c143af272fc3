"""People who talk to a server: an open loop that sends every chunk when it is due, and notes what comes back and how late."""

from __future__ import annotations

import gc
import struct
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import anyio

from benchmarks.sessions_wire import BINARY, TEXT, Socket, connected, masked
from benchmarks.watching import Meanwhile
from voicemind.channels.browser import frames
from voicemind.speech.audio import INPUT_RATE_HZ

Act = Literal["spoken", "ask", "write", "interrupt"]
"""Beside its sound, a person finishes a sentence, sends a small message that is answered at once, types something, or interrupts."""
SLOT_MS = 1
BUFFER_S = 0.1
"""The jitter buffer of the listeners."""
GAP_S = 0.02
"""Shorter gaps are not heard."""
EARLY_MS = 1_000
"""Sound of the agent later than this into a sentence, and before its end, is an answer to half of it."""
LATE_S = 3.0
"""An answer that has not begun this long after the sentence counts as missing."""
INTERRUPT = b'{"type":"interrupt"}'
WRITTEN = b'{"type":"text","text":"What do you know about lighthouses, keepers, storms, boats and winters?"}'
_HEAD = struct.Struct("<IIII")


class Dialect:
    """How sound travels to ours and back."""

    def chunk(self, samples: bytes) -> bytes:
        """A whole WebSocket frame with what the microphone heard."""
        return masked(frames.client_audio(samples, sequence=0))

    def sound(self, content: bytes) -> tuple[int, float, float]:
        """Of a binary message: which reply it belongs to, at which second of it it sounds (-1: right after the one before), and how long."""
        _, generation, position, rate_hz = _HEAD.unpack_from(content)
        return generation, position / rate_hz, (len(content) - 16) / 2 / rate_hz


class EchoDialect(Dialect):
    """What comes back is what was sent."""

    def sound(self, content: bytes) -> tuple[int, float, float]:
        return 0, -1.0, (len(content) - 16) / 2 / INPUT_RATE_HZ


class BareDialect(Dialect):
    """Samples alone, both ways, the agent's at this rate."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz

    def chunk(self, samples: bytes) -> bytes:
        return masked(samples)

    def sound(self, content: bytes) -> tuple[int, float, float]:
        return 0, -1.0, len(content) / 2 / self._rate_hz


@dataclass
class Noted(Meanwhile):
    """What all people of a run noted. Milliseconds, since something was due; only of what was due within the stretch that counts."""

    since: float = float("inf")
    trips: list[float] = field(default_factory=list[float])
    turns: list[float] = field(default_factory=list[float])
    stops: list[float] = field(default_factory=list[float])
    slots: list[float] = field(default_factory=list[float])
    errors: Counter[str] = field(default_factory=Counter[str])
    sent: int = 0
    heard: int = 0
    heard_s: float = 0.0
    gaps_s: float = 0.0

    @property
    def stutter(self) -> float:
        """Silence where there should have been sound, by how much sound there was."""
        return self.gaps_s / self.heard_s if self.heard_s else 0.0


@dataclass(frozen=True)
class Script:
    """What one person does over and over: a chunk for every slot, and acts by the number of the slot."""

    chunks: Sequence[bytes]
    acts: Mapping[int, Act]
    chunk_ms: int = 20


class Ear:
    """A loudspeaker behind a jitter buffer."""

    def __init__(self, noted: Noted) -> None:
        self._noted = noted
        self._reply = -1
        self._zero = self._end = 0.0

    def hear(self, reply: int, position_s: float, length_s: float, now: float) -> None:
        """A chunk has arrived."""
        noted = self._noted
        if position_s < 0:
            position_s = self._end - self._zero if now < self._end + LATE_S / 2 else -1.0
        if reply != self._reply or position_s < 0:
            self._reply, position_s = reply, max(position_s, 0.0)
            self._zero = now + BUFFER_S - position_s
        gap = now - self._zero - position_s
        if gap > 0:
            self._zero += gap
            if gap > GAP_S and now >= noted.since:
                noted.gaps_s += gap
        self._end = self._zero + position_s + length_s
        if now >= noted.since:
            noted.heard_s += length_s


class Person:
    """One session. `turn` is its place in its script."""

    def __init__(self, script: Script, dialect: Dialect, noted: Noted, *, turn: int = 0) -> None:
        self._script, self._dialect, self._noted = script, dialect, noted
        self._length = max(len(script.chunks), max(script.acts, default=0) + 1)
        self._turn = turn % self._length
        self._early_from = EARLY_MS // script.chunk_ms
        self._early_until = next((slot for slot, act in script.acts.items() if act == "spoken"), 0)
        self._ear = Ear(noted)
        self._socket: Socket | None = None
        self._spoken = self._asked = self._stopped = self._sound_at = 0.0
        self._stopping = -1
        self._reply = -1
        self._leaving = False

    async def open(self, url: str) -> None:
        """Raises NotOpenError."""
        self._socket = await connected(url, self._frame, self._closed)

    def step(self, due: float) -> None:
        """The next slot of the script."""
        socket, turn, script = self._socket, self._turn, self._script
        self._turn = turn + 1 if turn + 1 < self._length else 0
        if socket is None:
            return
        if turn < len(script.chunks):
            socket.write(script.chunks[turn])
            self._noted.sent += 1
        act = script.acts.get(turn)
        if act is not None:
            self._do(act, socket, due)

    def leave(self, now: float) -> None:
        """Hang up; what is owed by now counts as missing."""
        self._leaving = True
        if self._spoken and now - self._spoken > LATE_S:
            self._missing("unanswered", self._spoken)
        if self._asked and now - self._asked > LATE_S:
            self._missing("unanswered message", self._asked)
        if self._socket is not None:
            self._socket.hang_up()

    def drop(self) -> None:
        """Cut the line."""
        self._leaving = True
        if self._socket is not None:
            self._socket.drop()

    def _do(self, act: Act, socket: Socket, due: float) -> None:
        match act:
            case "spoken":
                if self._spoken:
                    self._missing("unanswered", self._spoken)
                self._spoken = due
            case "ask":
                if self._asked:
                    self._missing("unanswered message", self._asked)
                self._asked = due
                socket.write(masked(INTERRUPT, opcode=TEXT))
            case "write":
                socket.write(masked(WRITTEN, opcode=TEXT))
            case "interrupt":
                self._stopped, self._stopping, self._sound_at = due, self._reply, due
                socket.write(masked(INTERRUPT, opcode=TEXT))

    def _frame(self, opcode: int, content: bytes) -> None:
        now = time.perf_counter()
        if opcode == BINARY:
            self._sounded(content, now)
        elif self._asked and (content.startswith(b'{"type":"interrupted"') or content == INTERRUPT):
            self._note(self._noted.trips, self._asked, now)
            self._asked = 0.0
        elif self._stopped and content.startswith(b'{"type":"interrupted"'):
            self._note(self._noted.stops, self._stopped, max(self._sound_at, self._stopped))
            self._stopped = 0.0
        elif content.startswith(b'{"type":"error"'):
            self._missing(f"error: {content.decode()[:160]}", now)

    def _sounded(self, content: bytes, now: float) -> None:
        noted = self._noted
        noted.heard += 1
        reply, position_s, length_s = self._dialect.sound(content)
        if reply == self._stopping:
            if self._stopped:
                self._sound_at = now
            else:
                self._missing("sound of a reply that was stopped", now)
        self._reply = reply
        if self._early_from < self._turn < self._early_until:
            self._missing("answered in the middle of a sentence", now)
        if self._spoken:
            self._note(noted.turns, self._spoken, now)
            self._spoken = 0.0
        self._ear.hear(reply, position_s, length_s, now)

    def _note(self, figures: list[float], due: float, now: float) -> None:
        if due >= self._noted.since:
            figures.append((now - due) * 1e3)

    def _missing(self, what: str, due: float) -> None:
        if due >= self._noted.since:
            self._noted.errors[what] += 1

    def _closed(self, code: int) -> None:
        self._socket = None
        if not self._leaving:
            self._noted.errors[f"closed with {code}"] += 1


class Wheel:
    """Everybody's chunks, each at its own millisecond; whoever is late is told how late, and nothing is left out."""

    def __init__(self, noted: Noted, *, chunk_ms: int) -> None:
        self._noted = noted
        self._slots: list[list[Person]] = [[] for _ in range(chunk_ms // SLOT_MS)]

    def seat(self, people: Sequence[Person]) -> None:
        """Spread them evenly over the slots."""
        for number, person in enumerate(people):
            self._slots[number * len(self._slots) // max(len(people), 1)].append(person)

    async def turn(self, *, warm_s: float, for_s: float) -> None:
        """Send until the time is over; what is due after `warm_s` counts."""
        begin = time.perf_counter()
        self._noted.since = begin + warm_s
        gc.disable()  # a collection takes tens of milliseconds, in which everybody's sound would be late
        try:
            await self._turn(begin, last=int((warm_s + for_s) * 1000 / SLOT_MS))
        finally:
            gc.enable()

    async def _turn(self, begin: float, *, last: int) -> None:
        number, slots = 0, self._slots
        while number < last:
            due = begin + number * SLOT_MS / 1000
            now = time.perf_counter()
            if now < due:
                await anyio.sleep(SLOT_MS / 1000)
                continue
            for person in slots[number % len(slots)]:
                person.step(due)
            if due >= self._noted.since:
                self._noted.slots.append((now - due) * 1e3)
            number += 1


def at(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies; NaN where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
