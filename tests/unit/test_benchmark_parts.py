"""A part of the sessions' benchmark that dies leaves the figures of the others, and is named."""

from __future__ import annotations

from typing import cast

import pytest
from benchmarks.sessions import Bench, Result, failed, tried


@pytest.mark.anyio
async def test_a_part_that_dies_leaves_the_figures_of_the_part_before_it() -> None:
    async def good(_: Bench) -> Result:
        return {"figure": 1.5}

    async def dying(_: Bench) -> Result:
        raise RuntimeError("the server is gone")

    nothing = cast("Bench", None)
    result = await tried("good", good, nothing) | await tried("dying", dying, nothing)
    assert result == {"figure": 1.5, "dying_failed": "RuntimeError: the server is gone"}
    assert failed(result) == ["dying"]


@pytest.mark.anyio
async def test_figures_that_did_not_die_are_no_failures() -> None:
    async def good(_: Bench) -> Result:
        return {"turns_50_errors": 0}

    assert failed(await tried("good", good, cast("Bench", None))) == []
