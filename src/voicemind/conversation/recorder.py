"""What one session sounds like, noted on the loop without waiting, and written in a worker thread: the two meet in one queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import structlog

from voicemind.clock import monotonic_s
from voicemind.conversation.tape import Happening, Tape, Trimmed
from voicemind.engines.contract import AgentSound

log = structlog.get_logger(__name__)

NOTES_LIMIT_BYTES = 16 << 20
"""Of sound that waits for the disk: some three minutes. A recording that is further behind stops."""
_SMALL_BYTES = 256


class Recorder:
    """Notes what sounds in one session. `note` and `drop` never wait; `write` does, in a worker thread, one call at a time."""

    def __init__(self, name: str, tape: Tape) -> None:
        self.name, self.tape = name, tape
        self.is_over = False
        """Whether the session has ended: what was noted until then is still to be written."""
        self.is_closed = False
        """Whether nothing more will be written, and the file is closed."""
        self.stopped = ""
        """Why the recording ended before its session: `full`, `broken` or `slow`."""
        self._is_dropped = False
        self._noted: deque[tuple[float, int, Happening]] = deque()
        self._noted_bytes = self._taken_bytes = 0

    def note(self, happening: Happening) -> None:
        """Something sounds, or tells where something is."""
        if self.stopped:
            return
        size = _size(happening)
        self._noted_bytes += size
        if self._noted_bytes - self._taken_bytes > NOTES_LIMIT_BYTES:
            self.drop()
            self.stopped = "slow"
        else:
            self._noted.append((monotonic_s(), size, happening))

    def drop(self) -> None:
        """Write nothing more."""
        self._is_dropped = True
        self._noted.clear()

    def write(self) -> None:
        """Write what has happened since this was called last. Raises nothing: see `stopped`."""
        is_over = self.is_over
        try:
            if not self._is_dropped:
                self.tape.write(self._taken(), now_s=monotonic_s(), is_over=is_over)
        except Trimmed:
            self.stopped = "full"
        except OSError as error:
            self.stopped = "broken"
            log.warning("a recording cannot be written", errno=error.errno)
        except Exception:  # the boundary of a background job: others are recorded, and all conversations go on
            self.stopped = "broken"
            log.exception("a recording broke")
        else:
            self.is_closed = is_over
        finally:
            if self._is_dropped:
                self.tape.drop()
                self.is_closed = True

    def _taken(self) -> list[tuple[float, Happening]]:
        taken: list[tuple[float, Happening]] = []
        for _ in range(len(self._noted)):
            try:
                at_s, size, happening = self._noted.popleft()
            except IndexError:  # it was dropped this moment
                break
            self._taken_bytes += size
            taken.append((at_s, happening))
        return taken


class Work:
    """What a flush does with one file: its recorders in turn, the older session's first."""

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self.recorders = tuple(recorders)
        self.is_done = False
        self._is_begun = self._is_called_off = False

    def do(self) -> None:
        """In a worker thread. Raises nothing."""
        self._is_begun = True  # before the question: then one of the two threads sees what the other did
        try:
            if not self._is_called_off:
                for recorder in self.recorders:
                    recorder.write()
        finally:
            self.is_done = True

    def call_off(self) -> None:
        """Nobody waits for it any more: it is done unless it was begun, and must not begin now."""
        self._is_called_off = True
        self.is_done = self.is_done or not self._is_begun


def _size(happening: Happening) -> int:
    match happening:
        case bytes():
            return len(happening) + _SMALL_BYTES
        case AgentSound(pcm=pcm):
            return len(pcm.samples) + _SMALL_BYTES
        case _:
            return _SMALL_BYTES
