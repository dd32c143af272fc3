"""The engine that serves a session, and those that take over where one fails: the conversation is not lost with its voice."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from anyio.abc import TaskGroup

from voicemind.conversation.unanswered import Unanswered
from voicemind.engines.contract import Engine, Event, Scene
from voicemind.errors import ProviderError, ProviderUnavailable, leaves

BuildEngine = Callable[[Scene], Engine]
"""Raises ProviderRefused where such an engine cannot serve this conversation."""


class Relay:
    """The engines of one session, the best first. Raises what the first builder raises.

    `current` serves. Replies are numbered through from one engine to the next, so that no client mistakes a new one for an old one.
    """

    def __init__(self, scene: Scene, builders: Sequence[BuildEngine]) -> None:
        self._scene = scene
        self._builders = deque(builders)
        self._is_away = False
        self._before = 0
        self._highest = 0
        self.current = self._builders.popleft()(scene)

    async def serve(
        self, unanswered: Unanswered, tasks: TaskGroup, *, changed: Callable[[str], None], is_left: Callable[[], bool]
    ) -> None:
        """Let the engine serve until the session is left; where it cannot go on, the next one does, and answers what it had not.

        `changed` is told the code of what failed. Raises the last one's error.
        """
        while True:
            failure: BaseException = ProviderUnavailable("The engine stopped.", provider="engine")
            try:
                await self.current.run()
            except* ProviderError as group:
                failure = next(leaves(group))
            if is_left():
                return
            if not self.next():
                raise failure
            changed(failure.code if isinstance(failure, ProviderError) else "")
            tasks.start_soon(self._read_again, unanswered.again())

    async def _read_again(self, messages: Sequence[tuple[str, str]]) -> None:
        for message_id, text in messages:
            await self.current.read(text, message_id=message_id)

    def played(self, generation: int, ms: float) -> None:
        """A client's report; of an earlier engine's reply it is not wanted any more."""
        if generation > self._before:
            self.current.played(generation - self._before, ms)

    def away(self) -> None:
        """Nobody can hear."""
        self._is_away = True
        self.current.away()

    def back(self) -> None:
        """Somebody listens again."""
        self._is_away = False
        self.current.back()

    def next(self) -> bool:
        """Put the next engine in the place of the one that failed; False where there is none."""
        self.current.close()
        self._before = self._highest
        while self._builders:
            try:
                self.current = self._builders.popleft()(self._scene)
            except ProviderError:
                continue
            if self._is_away:
                self.current.away()
            return True
        return False

    def numbered(self, event: Event) -> Event:
        """The same happening, its reply numbered through."""
        generation = getattr(event, "generation", 0)
        if not generation:
            return event
        self._highest = max(self._highest, generation + self._before)
        return (
            cast("Event", replace(cast("Any", event), generation=generation + self._before)) if self._before else event
        )
