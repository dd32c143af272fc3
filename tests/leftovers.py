"""What a server in this process holds: its tasks, threads, descriptors, and whatever serves a conversation."""

from __future__ import annotations

import asyncio
import gc
import threading
from dataclasses import dataclass

import anyio

from voicemind.channels.browser.attachment import Attachment
from voicemind.channels.browser.line import Line
from voicemind.conversation.session import Session
from voicemind.ops.vitals import open_files

SERVING = (Session, Attachment, Line)
LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Held:
    """How many there are of each; `serving` are sessions, attachments and sockets that something still refers to."""

    tasks: int
    threads: int
    files: int
    serving: int

    def is_within(self, other: Held, *, pooled: int = 0) -> bool:
        """Whether nothing is more than there, but for so many threads and database connections: pools keep those for the next who needs one."""
        return (
            self.tasks <= other.tasks
            and self.files <= other.files + pooled
            and self.serving <= other.serving
            and self.threads <= other.threads + pooled
        )


def held() -> Held:
    """What there is now."""
    gc.collect()
    serving = sum(isinstance(one, SERVING) for one in gc.get_objects())
    return Held(len(asyncio.all_tasks()), threading.active_count(), open_files(), serving)


async def settled(before: Held, *, pooled: int = 0) -> Held:
    """What there is once nothing of what came after `before` is left; what there is at last, where something stays."""
    now = held()
    with anyio.move_on_after(LIMIT_S):
        while not now.is_within(before, pooled=pooled):
            await anyio.sleep(0.05)
            now = held()
    return now
