"""Who follows a session: the way from what happens there to a client, whichever way it is connected."""

from __future__ import annotations

from typing import Protocol

from voicemind.engines.contract import Event
from voicemind.errors import VoicemindError


class Audience(Protocol):
    """Who follows a session, whether or not a client is there. No method waits or raises."""

    def show(self, event: Event) -> None:
        """Something happened."""
        ...

    def draining(self, within_s: float) -> None:
        """The server stops within so many seconds."""
        ...

    def broken(self, error: VoicemindError | None) -> None:
        """The session cannot go on; None for what nobody foresaw. `over` follows."""
        ...

    def over(self, reason: str) -> None:
        """Everything is stored, and nothing more will be shown."""
        ...
