"""LiteLLM, in a virtual environment of its own, must understand recorded Anthropic traffic as we do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio
import pytest
from tests.integration.test_llm_wires import EXPECTED, WHOLE, WIRES
from tests.needs import LITELLM
from tests.upstreams import KEY, anthropic_service, replay

READS = Path(__file__).with_name("litellm_reads.py")
REASONS = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "refusal"}

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not LITELLM, reason="VOICEMIND_TEST_LITELLM names no interpreter of a venv with LiteLLM in it"),
]


async def test_litellm_understands_the_recordings_as_we_do() -> None:
    async with anthropic_service() as upstream:
        upstream.queue.extend(replay((WIRES / f"{name}.sse").read_bytes()) for name in WHOLE)
        command = [LITELLM, str(READS), upstream.url, KEY, str(len(WHOLE))]
        with anyio.fail_after(240):
            done = await anyio.run_process(command, env={"PATH": os.environ["PATH"]}, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    differences: list[str] = []
    for name, read in zip(WHOLE, json.loads(done.stdout.splitlines()[-1]), strict=True):
        expected = EXPECTED[name]
        calls = [
            (call["name"], json.loads(call["arguments"] or "{}")) for call in read["calls"] if expected.end != "length"
        ]
        if (read["said"], REASONS.get(read["reason"]), calls) != (
            expected.said,
            expected.end,
            [] if expected.end == "length" else expected.calls,
        ):
            differences.append(f"{name}: {read}")
    assert differences == []
