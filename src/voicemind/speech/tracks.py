"""Both sides of a conversation on one clock, as a recording has them: what was heard of the person, and what the person heard of the agent. Pure.

Positions count samples at 16 kHz since the recording began. What happens is told in the order in which it happened; `take` gives the sound
up to a moment that is SETTLED_AFTER_S behind it, because what a stalled line still holds, and what is cut of a reply, is known by then.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicemind.speech.audio import INPUT_RATE_HZ, Pcm

Samples = npt.NDArray[np.int16]

SETTLED_AFTER_S = 2.0
JITTER = INPUT_RATE_HZ // 10
"""Sound that comes later or sooner than expected by less than this belongs to what came before it."""
LATE = INPUT_RATE_HZ // 200
SOFT_GAIN = 0.3
WINDOW = INPUT_RATE_HZ // 50
LOUD = 600
"""A window with such a sample in it holds a voice rather than a room."""
PAUSE = INPUT_RATE_HZ * 3 // 2
"""A longer silence does not belong to what is said after it."""
_LOOKAHEAD = INPUT_RATE_HZ // 10
"""A resampler gives its sound some milliseconds after it was given it."""


@dataclass(frozen=True, slots=True)
class Span:
    """From where to where something sounded."""

    start: int
    end: int


class PersonTrack:
    """What the microphone heard, each piece where it arrived."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._settled = 0
        self._gap = Span(0, 0)
        self._has_begun = False
        self._loud: deque[Span] = deque()

    @property
    def end(self) -> int:
        """Where the next piece goes on."""
        return self._settled + len(self._pending) // 2

    def hear(self, samples: bytes, *, at: int) -> None:
        """A piece that had arrived by `at`.

        A pause in the stream is silence; where more than real time comes after it, the line had stalled, and the sound belongs into the pause.
        """
        if not self._has_begun:
            samples = samples[-2 * max(at, 0) :] if at > 0 else b""  # the rest was said before the recording began
        early = self.end + len(samples) // 2 - at
        if early < (-JITTER if self._has_begun else 0):
            self._gap = Span(self.end, self.end - early)
            self._pending += bytes(-early * 2)
        elif early > JITTER:
            self._close_gap(early)
        self._has_begun = True
        self._note_loud(samples, start=self.end)
        self._pending += samples

    def said(self, *, by: int) -> Span:
        """Where that was said which was understood by then; told once for each turn."""
        if not self._loud:
            return Span(by, by)
        last = self._loud.pop()
        start = last.start
        while self._loud and start - self._loud[-1].end <= PAUSE:
            start = self._loud.pop().start
        self._loud.clear()
        return Span(start, last.end)

    def take(self, until: int) -> Samples:
        """The samples from the last taken to `until`; silence where none came."""
        wanted = max(until - self._settled, 0) * 2
        taken = bytes(self._pending[:wanted])
        del self._pending[:wanted]
        self._settled += wanted // 2
        return np.frombuffer(taken + bytes(wanted - len(taken)), dtype="<i2")

    def _close_gap(self, early: int) -> None:
        start = max(self._gap.start, self._settled)
        cut = min(early, self._gap.end - start)
        if cut > 0:
            offset = (start - self._settled) * 2
            del self._pending[offset : offset + cut * 2]
            moved_from, self._gap = self._gap.end, Span(start, self._gap.end - cut)
            self._loud = deque(
                Span(span.start - cut, span.end - cut) if span.start >= moved_from else span for span in self._loud
            )

    def _note_loud(self, samples: bytes, *, start: int) -> None:
        wide = np.frombuffer(samples, dtype="<i2")
        for at in range(0, len(wide), WINDOW):
            window = wide[at : at + WINDOW]
            if max(int(window.max()), -int(window.min())) < LOUD:
                continue
            span = Span(start + at, start + at + len(window))
            if self._loud and span.start - self._loud[-1].end <= PAUSE:
                span = Span(self._loud.pop().start, span.end)
            self._loud.append(span)


class _Reply:
    """A stretch of one reply without a break: its sound follows one clock, and its first sample would have sounded at `origin`."""

    def __init__(self, generation: int, rate_hz: int, origin: float) -> None:
        import soxr  # pyright: ignore[reportMissingTypeStubs]

        self.generation, self.rate_hz, self.origin = generation, rate_hz, origin
        self.next = 0
        """The reply's own position, in its own samples, at which this stretch goes on."""
        self.frames: deque[tuple[int, Samples]] = deque()
        self._written: int | None = None
        self._resampler = soxr.ResampleStream(rate_hz, INPUT_RATE_HZ, 1, dtype="int16")

    def where(self, position: int) -> int:
        return round(self.origin + position * INPUT_RATE_HZ / self.rate_hz)

    def add(self, position: int, samples: Samples) -> Span:
        self.frames.append((position, samples))
        self.next = position + len(samples)
        return Span(self.where(position), self.where(self.next))

    def cut(self, at: int) -> None:
        """Nothing of it sounds from there on."""
        limit = max(int((at - self.origin) * self.rate_hz / INPUT_RATE_HZ), 0)
        kept: deque[tuple[int, Samples]] = deque()
        for position, samples in self.frames:
            if position < limit:
                kept.append((position, samples[: limit - position]))
        self.frames = kept

    def rendered(self, until: int, *, is_over: bool, gains: _Gains) -> tuple[int, Samples] | None:
        """What of it sounds before `until`, at our rate, and where it belongs."""
        given: list[Samples] = []
        while self.frames and self.where(self.frames[0][0]) < until:
            position, samples = self.frames.popleft()
            if self._written is None:
                self._written = self.where(position)
            given.append(gains.applied(samples, at=self.where(position)))
        is_last = is_over and not self.frames
        if self._written is None or not (given or is_last):
            return None
        sound: Samples = self._resampler.resample_chunk(
            np.concatenate(given) if given else np.zeros(0, np.int16), last=is_last
        )
        start, self._written = self._written, self._written + len(sound)
        return start, sound


class _Gains:
    """From when to when the agent is played softly."""

    def __init__(self) -> None:
        self._changes: list[tuple[int, bool]] = []

    def change(self, at: int, *, is_soft: bool) -> None:
        self._changes.append((at, is_soft))

    def applied(self, samples: Samples, *, at: int) -> Samples:
        while len(self._changes) > 1 and self._changes[1][0] <= at:
            self._changes.pop(0)
        if self._changes and self._changes[0][0] <= at and self._changes[0][1]:
            return (samples * SOFT_GAIN).astype(np.int16)
        return samples


class AgentTrack:
    """What sounded of the agent, each piece when it sounded: sound is sent ahead, and goes on where the piece before it ends."""

    def __init__(self) -> None:
        self._replies: deque[_Reply] = deque()
        self._spans: dict[int, Span] = {}
        self._ready: list[tuple[int, Samples]] = []
        self._gains = _Gains()
        self._settled = 0

    def say(self, generation: int, position: int, pcm: Pcm, *, at: int) -> None:
        """A piece that was sent at `at`; `position` counts its reply's own samples."""
        samples = np.frombuffer(pcm.samples, dtype="<i2")
        reply = self._replies[-1] if self._replies else None
        if reply is None or reply.generation != generation or at > reply.where(position) + LATE:
            reply = self._begin(generation, pcm.rate_hz, at - position * INPUT_RATE_HZ / pcm.rate_hz)
        elif reply.next != position:
            reply = self._begin(generation, pcm.rate_hz, reply.origin)
        span = reply.add(position, samples)
        known = self._spans.get(generation, span)
        self._spans[generation] = Span(min(known.start, span.start), max(known.end, span.end))

    def hush(self, generation: int, *, at: int) -> None:
        """What had not sounded of this reply by then never did."""
        for reply in self._replies:
            if reply.generation == generation:
                reply.cut(at)
        if generation in self._spans:
            span = self._spans[generation]
            self._spans[generation] = Span(min(span.start, at), min(span.end, at))

    def soften(self, *, at: int, is_soft: bool) -> None:
        """The reply is played softly from here on, or as loud as before."""
        self._gains.change(at, is_soft=is_soft)

    def said(self, generation: int, *, by: int) -> Span:
        """Where this reply sounded; told once, when it is over."""
        return self._spans.pop(generation, Span(by, by))

    def take(self, until: int) -> Samples:
        """The samples from the last taken to `until`; silence where the agent was silent."""
        sound = np.zeros(max(until - self._settled, 0), dtype=np.int16)
        for reply in list(self._replies):
            is_over = reply is not self._replies[-1] or reply.where(reply.next) <= until + _LOOKAHEAD
            piece = reply.rendered(until + _LOOKAHEAD, is_over=is_over, gains=self._gains)
            if piece is not None:
                self._ready.append(piece)
            if is_over and not reply.frames:
                self._replies.remove(reply)
        self._ready = [rest for piece in self._ready for rest in self._placed(piece, sound)]
        self._settled += len(sound)
        return sound

    def _begin(self, generation: int, rate_hz: int, origin: float) -> _Reply:
        self._replies.append(_Reply(generation, rate_hz, origin))
        return self._replies[-1]

    def _placed(self, piece: tuple[int, Samples], sound: Samples) -> list[tuple[int, Samples]]:
        """Put it into the sound; what lies behind its end is left."""
        start, samples = piece
        offset = start - self._settled
        if offset < 0:
            samples, offset = samples[-offset:], 0
        here = samples[: max(len(sound) - offset, 0)]
        sound[offset : offset + len(here)] = here
        rest = samples[len(here) :]
        return [(self._settled + offset + len(here), rest)] if len(rest) else []


class Tracks:
    """Both sides; `take` gives them interleaved, the person left and the agent right."""

    def __init__(self) -> None:
        self.person = PersonTrack()
        self.agent = AgentTrack()
        self.taken = 0
        """How many samples of each side have been taken."""

    def take(self, until: int) -> bytes:
        """16-bit stereo from the last taken to `until`."""
        if until <= self.taken:
            return b""
        self.taken = until
        return np.stack([self.person.take(until), self.agent.take(until)], axis=1).astype("<i2").tobytes()
