"""What waits to be decided on: nothing is lost, nobody waits for ever."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from voicemind.engines.cascade import happenings as on
from voicemind.engines.cascade.inbox import HAPPENINGS_WAITING, Inbox

pytestmark = pytest.mark.anyio


def full() -> Inbox:
    """An inbox without room."""
    inbox = Inbox()
    for _ in range(HAPPENINGS_WAITING):
        inbox.post(on.Interrupted())
    return inbox


@pytest.mark.parametrize("waiters", [1, 2, 5])
async def test_everybody_who_waits_for_room_gets_in(waiters: int) -> None:
    inbox = full()
    typed = [on.Typed(str(number)) for number in range(waiters)]
    taken: list[on.Happening | None] = []
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for one in typed:
                tasks.start_soon(inbox.put, one)
                await anyio.wait_all_tasks_blocked()
            for _ in range(HAPPENINGS_WAITING + waiters):
                taken.append(await inbox.take(until_s=None))
                await anyio.lowlevel.checkpoint()
    assert taken[HAPPENINGS_WAITING:] == typed


async def test_nobody_waits_for_room_where_nobody_takes_any_more() -> None:
    inbox = full()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(inbox.put, on.Typed("too late"))
            await anyio.wait_all_tasks_blocked()
            inbox.close()
        await inbox.put(on.Typed("later still"))
    assert len(inbox) == HAPPENINGS_WAITING
