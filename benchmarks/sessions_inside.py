"""Our server in a process that tells, for every line it reads, what it holds: tasks, descriptors, threads, kilobytes."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
from pathlib import Path

import anyio
import anyio.to_thread

from voicemind.assembly import running
from voicemind.config import Settings


async def main() -> None:
    """Serve until the input ends."""
    async with running(Settings.load()):
        while await anyio.to_thread.run_sync(sys.stdin.readline):
            gc.collect()
            sys.stdout.write(json.dumps(held()) + "\n")
            sys.stdout.flush()


def held() -> dict[str, int]:
    """What this process holds now."""
    status = Path("/proc/self/status").read_text()
    return {
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "kb": int(status.partition("VmRSS:")[2].split()[0]),
    }


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
