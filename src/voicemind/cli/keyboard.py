"""Lines from standard input without a thread that would outlive the conversation."""

from __future__ import annotations

import os
import stat
import sys

import anyio


class Keyboard:
    """Reads standard input line by line; safe to cancel at any moment."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = sys.stdin.fileno() if descriptor is None else descriptor
        self._pending = b""
        self._over = False

    async def line(self) -> str | None:
        """The next line without its end; None once there are no more (Ctrl-D)."""
        while b"\n" not in self._pending and not self._over:
            read = await self._read()
            self._over = not read
            self._pending += read
        if not self._pending:
            return None
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    async def _read(self) -> bytes:
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):  # a file is always readable, and epoll refuses it
            await anyio.wait_readable(self._descriptor)
        return os.read(self._descriptor, 65_536)
