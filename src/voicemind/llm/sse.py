"""Server-sent events from bytes, whichever way the network cut them: pure, so that every cut can be tried."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_EVENT = 4 << 20
"""Bytes after which an event that does not end is given up; the longest real one has some kilobytes."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


class EventTooLong(ValueError):
    """An event did not end within `LONGEST_EVENT` bytes."""


@dataclass(frozen=True, slots=True)
class Event:
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
        self._looked = 0
        self._fresh = True
        self._name = ""
        self._lines: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that these bytes complete. Raises EventTooLong."""
        rest = self._rest
        rest += chunk
        events: list[Event] = []
        start = 0
        for found in _LINE_END.finditer(rest, self._looked):
            if found.end() == len(rest) and found[0] == b"\r":
                break  # the line feed that belongs to it may be under way
            self._take(bytes(rest[start : found.start()]), events)
            start = found.end()
        del rest[:start]
        self._looked = max(len(rest) - 1, 0)
        if len(rest) + self._size > self._longest:
            raise EventTooLong
        return events

    def end(self) -> list[Event]:
        """The event that was still open when the stream ended, if there was one."""
        events: list[Event] = []
        line = bytes(self._rest).removesuffix(b"\r")
        self._rest.clear()
        self._looked = 0
        if line:
            self._take(line, events)
        self._take(b"", events)
        return events

    def _take(self, line: bytes, events: list[Event]) -> None:
        if self._fresh:
            self._fresh = False
            line = line.removeprefix(_BOM)
        if not line:
            if self._lines:
                events.append(Event(self._name or "message", "\n".join(self._lines)))
                self._lines = []
            self._name = ""
            self._size = 0
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._size += len(value)
            self._lines.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        elif field == b"event":
            self._name = value.removeprefix(b" ").decode("utf-8", "replace")
