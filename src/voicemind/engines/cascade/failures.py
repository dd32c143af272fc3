"""Counts how often the parts of an engine failed in a row, tells the person, and says when it is no use to go on."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import anyio

from voicemind.engines.contract import Scene, Trouble
from voicemind.errors import ProviderError
from voicemind.ops import metrics

Part = Literal["stt", "tts", "vad"]
TOO_MANY = 3
"""So many failures of one part in a row are no accident."""

_TOLD: dict[Part, str] = {
    "stt": "What you said could not be understood. Please say it again.",
    "tts": "The answer could not be finished. Please say it again.",
    "vad": "You cannot be heard at the moment. You can type.",
}


class Failures:
    """Of one engine."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._in_a_row: Counter[Part] = Counter()
        self.last: ProviderError | None = None
        """The failure after which the engine cannot go on."""
        self.too_many = anyio.Event()

    def worked(self, part: Part) -> None:
        """What failed before was an accident."""
        self._in_a_row[part] = 0

    async def failed(self, part: Part, error: ProviderError) -> None:
        """Tell the person; of an ear that stays deaf, once."""
        metrics.failed(error)
        self._in_a_row[part] += 1
        if part != "vad" or self._in_a_row[part] == 1:
            await self._scene.show(Trouble(error.code, _TOLD[part]))
        if self._in_a_row[part] >= TOO_MANY:
            self.last = error
            self.too_many.set()
