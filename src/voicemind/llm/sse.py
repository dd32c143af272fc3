"""Server-sent events from bytes, whichever way the network cut them: pure, so that every cut can be tried."""

from __future__ import annotations

from typing import NamedTuple

LONGEST_EVENT = 4 << 20
"""Bytes after which an event that does not end is given up; the longest real one has some kilobytes."""

_BOM = b"\xef\xbb\xbf"


class EventTooLong(ValueError):
    """An event did not end within `LONGEST_EVENT` bytes."""


class Event(NamedTuple):
    """One event: its name ("message" where the stream gives none) and its data, lines joined by line feeds."""

    name: str
    data: str


class SseParser:
    """Feed it bytes, take events (https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6).

    Comments, unknown fields, `id` and `retry` are passed over, events without data too. Bytes that are no UTF-8 become
    replacement characters. Unlike the specification, `end` gives the event that no blank line closed: some servers stop there.
    """

    def __init__(self, *, longest: int = LONGEST_EVENT) -> None:
        self._longest = longest
        self._rest = bytearray()
        self._fresh = True
        self._name = ""
        self._lines: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that these bytes complete. Raises EventTooLong."""
        rest = self._rest
        has_end = b"\n" in chunk or b"\r" in chunk or rest.endswith(b"\r")
        rest += chunk
        events: list[Event] = []
        if has_end:
            come = bytes(rest)
            lines = come.splitlines()
            rest.clear()
            if not come.endswith(b"\n"):  # after a carriage return, the line feed that belongs to it may be under way
                rest += lines.pop() + (b"\r" if come.endswith(b"\r") else b"")
            events = self._taken(lines)
        if len(rest) + self._size > self._longest:
            raise EventTooLong
        return events

    def end(self) -> list[Event]:
        """The event that was still open when the stream ended, if there was one."""
        line = bytes(self._rest).removesuffix(b"\r")
        self._rest.clear()
        return self._taken([line, b""] if line else [b""])

    def _taken(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        if self._fresh and lines:
            self._fresh = False
            lines[0] = lines[0].removeprefix(_BOM)
        for line in lines:
            if not line:
                if self._lines:
                    events.append(Event(self._name or "message", "\n".join(self._lines)))
                    self._lines = []
                self._name = ""
                self._size = 0
                continue
            field, _, value = line.partition(b":")
            if field == b"data":
                self._size += len(value)
                self._lines.append(value.removeprefix(b" ").decode("utf-8", "replace"))
            elif field == b"event":
                self._name = value.removeprefix(b" ").decode("utf-8", "replace")
        return events
