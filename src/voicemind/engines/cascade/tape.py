"""The sound of a reply that has been made and may still be needed: to be sent, or to be sent again after a false alarm. Pure."""

from __future__ import annotations

from bisect import bisect_right


class Tape:
    """16-bit samples in a row; positions count samples since the reply began."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._pieces: list[bytes] = []
        self.end = 0
        self.position = 0
        """Where reading goes on."""

    @property
    def unread(self) -> int:
        """How many samples wait."""
        return self.end - self.position

    def add(self, samples: bytes) -> None:
        """More sound at the end."""
        self._starts.append(self.end)
        self._pieces.append(samples)
        self.end += len(samples) // 2

    def read(self, count: int) -> bytes:
        """The next samples, at most `count`."""
        wanted = min(self.end, self.position + count)
        parts: list[bytes] = []
        for index in range(max(0, bisect_right(self._starts, self.position) - 1), len(self._starts)):
            start = self._starts[index]
            if start >= wanted:
                break
            parts.append(self._pieces[index][max(0, self.position - start) * 2 : (wanted - start) * 2])
        self.position = wanted
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def rewind(self, position: int) -> None:
        """Read again from here, or from the oldest that is still there."""
        oldest = self._starts[0] if self._starts else self.end
        self.position = min(max(position, oldest), self.position)

    def forget(self, before: int) -> None:
        """What ended before this position, and has been read, is not needed any more."""
        old, until = 0, min(before, self.position)
        while old < len(self._pieces) and self._starts[old] + len(self._pieces[old]) // 2 <= until:
            old += 1
        del self._starts[:old], self._pieces[:old]
