"""A judge of prosody that always says the same: for tests."""

from __future__ import annotations


class ScriptedProsody:
    """Every utterance is finished to the degree `likelihood`, 0 to 1."""

    name = "scripted"

    def __init__(self, *, likelihood: float = 0.5) -> None:
        self._likelihood = likelihood

    async def start(self) -> None:
        """Nothing has to be loaded."""

    async def finished(self, samples: bytes) -> float:
        """The same for every utterance; nothing at all is not finished."""
        return self._likelihood if samples else 0.0

    async def aclose(self) -> None:
        """Nothing has to be freed."""
