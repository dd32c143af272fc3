"""The sound of a reply that has been made and may still be needed: to be sent, or to be sent again after a false alarm. Pure."""

from __future__ import annotations

from collections import deque


class Tape:
    """16-bit samples in a row; positions count samples since the reply began."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, bytes]] = deque()
        self.end = 0
        self.position = 0
        """Where reading goes on."""

    @property
    def unread(self) -> int:
        """How many samples wait."""
        return self.end - self.position

    def add(self, samples: bytes) -> None:
        """More sound at the end."""
        self._pieces.append((self.end, samples))
        self.end += len(samples) // 2

    def read(self, count: int) -> bytes:
        """The next samples, at most `count`."""
        wanted = min(self.end, self.position + count)
        parts: list[bytes] = []
        for start, samples in self._pieces:
            if start >= wanted:
                break
            if start + len(samples) // 2 > self.position:
                parts.append(samples[max(0, self.position - start) * 2 : (wanted - start) * 2])
        self.position = wanted
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def rewind(self, position: int) -> None:
        """Read again from here, or from the oldest that is still there."""
        oldest = self._pieces[0][0] if self._pieces else self.end
        self.position = min(max(position, oldest), self.position)

    def forget(self, before: int) -> None:
        """What ended before this position, and has been read, is not needed any more."""
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) // 2 <= min(before, self.position):
            self._pieces.popleft()
