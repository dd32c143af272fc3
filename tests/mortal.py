"""A process that talks, ends and reflects, and is killed exactly at one point: `python -m tests.mortal URL POINT CONVERSATION SENTENCE`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

import anyio
import sqlalchemy as sa
from tests.reflecting import NEVER_SWEPT, QUICK, SWEEPING, Home, at_work

from voicemind.llm.scripted import ScriptedLlm
from voicemind.mind.agent import Agent
from voicemind.mind.reflection.contract import Proposal
from voicemind.mind.reflection.extractive import ExtractiveReflector
from voicemind.store.sql import SqlStore
from voicemind.store.values import ArchivedEntry, MindKey, MindVersion, Reflection, Turn

POINTS = (
    "transcript committed",
    "conversation closed",
    "reflection queued",
    "conversation ended",
    "job claimed",
    "model answered",
    "version written",
    "job marked",
    "conversation marked",
    "job done",
)
"""In the order in which they are passed. `conversation closed` and `reflection queued` lie inside one transaction. From `version written` to `conversation marked` one transaction is open; `job done` is just after its commit."""
STATEMENTS = {
    "conversation closed": ("UPDATE conversations", "ended"),
    "reflection queued": ("INSERT INTO reflections", "waiting"),
    "version written": ("INSERT INTO mind_versions", "reflection"),
    "job marked": ("UPDATE reflections", "done"),
    "conversation marked": ("UPDATE conversations", "reflected"),
}
"""How the statement begins that has just been executed, and a value in it."""
SWEEPS = "sweeps"
"""Instead of a point: nobody ends the conversation, the sweep does; it dies when it has ended three of these."""
SWEPT = 5
HANGS = "hangs"
"""Instead of a point: the model says that it began, and never answers."""
THINKING = "thinking"


def die() -> NoReturn:
    """As if the plug were pulled: no handler, no `finally`, no flush."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


class Mortal(SqlStore):
    """Dies when a call of it has returned: what it was for is committed then."""

    point = ""
    ended = 0

    async def end_conversation(self, key: MindKey, conversation_id: str) -> Reflection:
        if self.point == "transcript committed":
            die()
        ended = await super().end_conversation(key, conversation_id)
        self.ended += 1
        if self.point == "conversation ended" or (self.point == SWEEPS and self.ended == 3):
            die()
        return ended

    async def claim_reflection(self, worker: str, *, lease_s: float) -> Reflection | None:
        claimed = await super().claim_reflection(worker, lease_s=lease_s)
        if self.point == "job claimed" and claimed is not None:
            die()
        return claimed

    async def finish_reflection(self, reflection: Reflection, **result: Any) -> Reflection:
        done = await super().finish_reflection(reflection, **result)
        if self.point == "job done":
            die()
        return done


class Mortally(ExtractiveReflector):
    """Dies with the model's answer in its hands."""

    point = ""

    async def reflect(
        self,
        agent: Agent,
        version: MindVersion,
        turns: Sequence[Turn],
        *,
        conversation_id: str,
        person: str = "",
        archived: Sequence[ArchivedEntry] = (),
    ) -> Proposal:
        if self.point == HANGS:
            sys.stdout.write(f"{THINKING}\n")
            sys.stdout.flush()
            await anyio.sleep_forever()
        proposal = await super().reflect(
            agent, version, turns, conversation_id=conversation_id, person=person, archived=archived
        )
        assert proposal.operations, "a point that nothing is written at would prove nothing"
        if self.point == "model answered":
            die()
        return proposal


def die_after_statement(begins: str, value: str) -> None:
    """Within a transaction: the statement was executed, nothing is committed."""

    def executed(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(begins) and f"'{value}'" in repr(parameters):
            die()

    sa.event.listen(sa.Engine, "after_cursor_execute", executed)


async def live(url: str, point: str, conversation: str, sentence: str) -> None:
    """Talk, end, reflect; the end of this process lies somewhere on the way."""
    store = Mortal(url)
    await store.start()
    reflector = Mortally(ScriptedLlm())
    pace = replace(QUICK, lease_s=2.0 if point == HANGS else 0.05)
    patience = SWEEPING if point == SWEEPS else NEVER_SWEPT
    home = Home.build(store, reflector, name="mortal", pace=pace, patience=patience)
    store.point = reflector.point = point
    if point in STATEMENTS:
        die_after_statement(*STATEMENTS[point])
    if point == SWEEPS:
        for number in range(SWEPT):
            await home.talk(f"{conversation}-{number}", f"{sentence[:-1]}{number}.")
        async with at_work(home):
            await anyio.sleep_forever()
    opened = await home.talk(conversation, sentence)
    async with at_work(home):
        await home.endings.end(opened)
        await home.over(conversation)


if __name__ == "__main__":
    _, address, where, name, said = sys.argv
    anyio.run(live, address, where, name, said)
