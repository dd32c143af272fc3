"""A server whose model calls tools: the scripted one, which answers what it is asked besides."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.serving import scripted_settings, until_ready

from voicemind.assembly import running
from voicemind.assembly.providers import LLMS
from voicemind.llm.contract import Ask, Finished, Piece, TextDelta, ToolCall, Usage
from voicemind.llm.scripted import ScriptedLlm

CALLED = {"city": "Oslo"}


class CallingLlm(ScriptedLlm):
    """Calls the first tool that it may, once in a turn; then says what the tool said."""

    async def stream(self, ask: Ask) -> AsyncGenerator[Piece]:
        last = ask.messages[-1]
        if last.role == "tool":
            yield TextDelta(last.content)
            yield Finished("stop", Usage(1, 0, 1))
        elif ask.tools and ask.tool_choice != "none":
            name = ask.must_call or ask.tools[0].name
            yield ToolCall(f"call_{len(ask.messages)}", name, json.dumps(CALLED))
            yield Finished("tool_calls", Usage(1, 0, 1))
        else:
            async for piece in super().stream(ask):
                yield piece


@asynccontextmanager
async def calling_server(folder: Path, **given: Any) -> AsyncIterator[str]:
    """The address of a ready server in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LLMS, "scripted", lambda *_: CallingLlm())
        async with (
            running(scripted_settings(folder, **given)) as url,
            httpx.AsyncClient(base_url=url, timeout=30) as client,
        ):
            await until_ready(client)
            yield url
