"""What looks at a running server: figures, spans, alarms, and the recordings that people agreed to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
from starlette.routing import BaseRoute

from voicemind.channels.metrics import Metrics
from voicemind.config import Settings
from voicemind.conversation.observing import Observing, Watches
from voicemind.conversation.recording import Recordings, Rules
from voicemind.conversation.watching import Watch
from voicemind.ops.auth import Guests
from voicemind.ops.traces import sent_to
from voicemind.ops.vitals import Vitals
from voicemind.store.contract import Store


class Lookout:
    """All of it. Raises Misconfigured where spans are wanted and their library is missing."""

    def __init__(self, settings: Settings, store: Store, *, besides: Watch) -> None:
        self._settings = settings
        self._traces = sent_to(settings.otel_endpoint)
        self.recordings = Recordings(store, settings.data_dir / "recordings", rules=Rules.of(settings))
        self.watch = Watches([Observing(self._traces), self.recordings, besides])

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Look inside this block; then write what sessions that are over have left."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(Vitals().run)
                tasks.start_soon(self.recordings.run)
                yield
                tasks.cancel_scope.cancel()
        finally:
            await self.recordings.aclose()
            await self._traces.aclose()

    def routes(self, guests: Guests) -> Sequence[BaseRoute]:
        """`/metrics`."""
        return Metrics(guests, access=self._settings.metrics, key=self._settings.metrics_key).routes()
