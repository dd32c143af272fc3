"""Our server in a process that says where it is and then, for every line it reads, what it holds: tasks, descriptors, threads, kilobytes.

The line `connect` has the store open all of its connections before.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
from pathlib import Path

import anyio
import anyio.to_thread
from sqlalchemy.pool import QueuePool

from voicemind.assembly import running
from voicemind.config import Settings
from voicemind.ops import logs

CONNECT = "connect"
POOLED = "AnyIO worker thread"
"""Comes with the load and goes after ten idle seconds."""


async def main() -> None:
    """Serve until the input ends."""
    async with running(Settings.load()) as url:
        _say(url)
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            if line.strip() == CONNECT:
                await anyio.to_thread.run_sync(connect_all)
            gc.collect()
            _say(json.dumps(held()))


def connect_all() -> None:
    """Take every connection of the store's pool at once, and give them back.

    A pool opens one when all others are taken in the same moment, and keeps it. With short reads on one core that moment may never come, and then
    it comes while leaks are looked for.
    """
    for pool in [one for one in gc.get_objects() if isinstance(one, QueuePool)]:
        taken = [pool.connect() for _ in range(pool.size())]
        for connection in taken:
            cursor = connection.cursor()
            cursor.execute("SELECT count(*) FROM sqlite_master")  # opens the log of the file too
            cursor.close()
            connection.close()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def held() -> dict[str, int]:
    """What this process holds now."""
    status = Path("/proc/self/status").read_text()
    return {
        "tasks": len(asyncio.all_tasks()),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "threads": sum(1 for thread in threading.enumerate() if thread.name != POOLED),
        "kb": int(status.partition("VmRSS:")[2].split()[0]),
    }


if __name__ == "__main__":
    logs.configure("warning", as_json=False)
    anyio.run(main, backend_options={"use_uvloop": True})
