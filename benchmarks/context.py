"""Metric 7: from blocks and transcript to a prompt; the database's part of a cold load is measured in `store`."""

from __future__ import annotations

import time
from collections.abc import Callable

from voicemind.clock import utc_now
from voicemind.mind.agent_files import load_agents
from voicemind.mind.history import fitting, messages_of
from voicemind.mind.prompt import compose
from voicemind.store.values import Entry, MindVersion, Turn

Result = dict[str, float | int | str]
LINE = "The user would rather talk about tomorrow than about today."


async def measure(*, repeats: int = 2_000) -> Result:
    """Milliseconds for composing the prompt of a warm mind, and for fitting a transcript of 1,000 turns into it."""
    agent = load_agents(None)["counsellor"]
    blocks = {block.label: tuple(Entry(str(number), LINE) for number in range(6)) for block in agent.reflective}
    version = MindVersion(agent.mind_key("bench", "user"), 1, "preset", utc_now(), blocks)
    turns = [Turn(seq, "user" if seq % 2 else "agent", LINE, LINE, utc_now()) for seq in range(1, 1_001)]
    return {
        **_timed("compose", lambda: compose(agent, version, channel="voice"), repeats),
        **_timed("fit_1000_turns", lambda: fitting(messages_of(turns), chars=8_000), repeats // 10),
    }


def _timed(name: str, work: Callable[[], object], repeats: int) -> Result:
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        spent.append((time.perf_counter() - began) * 1e3)
    spent.sort()
    return {
        f"{name}_p50_ms": round(spent[len(spent) // 2], 4),
        f"{name}_p99_ms": round(spent[int(len(spent) * 0.99)], 4),
    }
