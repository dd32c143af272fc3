"""What happens to live sessions, for whoever counts or records it."""

from __future__ import annotations

from typing import Protocol

from voicemind.conversation.opening import Opened
from voicemind.engines.contract import Event
from voicemind.store.values import Turn


class Watch(Protocol):
    """Is told of what happens. Every method returns at once and raises nothing."""

    def session_started(self, session_id: str, opened: Opened, channel: str) -> None:
        """A session serves; `channel` is `voice` or `text`."""
        ...

    def session_ended(self, session_id: str, opened: Opened, *, reason: str, seconds: float) -> None:
        """It no longer does. `reason` is as in `Over`, or the code of the error that broke it."""
        ...

    def detached(self, session_id: str) -> None:
        """The client of a session is gone; it may come back."""
        ...

    def resumed(self, session_id: str, *, missed: int) -> None:
        """It is back, and gets the messages that it missed."""
        ...

    def happened(self, session_id: str, event: Event) -> None:
        """Something that the client is shown: each frame of sound too, so this must be quick."""
        ...

    def heard(self, session_id: str, samples: bytes) -> None:
        """What the microphone hears: 16-bit mono at 16 kHz."""
        ...

    def turn(self, session_id: str, turn: Turn) -> None:
        """A turn was stored."""
        ...

    def interrupted(self, session_id: str) -> None:
        """A reply was hushed."""
        ...

    def underruns(self, session_id: str, count: int, gap_ms: float) -> None:
        """The client's buffer ran dry so often since its last report, for so long in all."""
        ...

    def engine_changed(self, session_id: str, code: str) -> None:
        """An engine failed with this code, and the next one serves."""
        ...

    def waiting(self, length: int) -> None:
        """So many newcomers wait for a place now."""
        ...

    def refused(self, code: str) -> None:
        """A socket was refused."""
        ...


class Unwatched:
    """Nobody looks. Also what a watch that wants a few of these begins with."""

    def session_started(self, session_id: str, opened: Opened, channel: str) -> None:
        """Nothing."""

    def session_ended(self, session_id: str, opened: Opened, *, reason: str, seconds: float) -> None:
        """Nothing."""

    def detached(self, session_id: str) -> None:
        """Nothing."""

    def resumed(self, session_id: str, *, missed: int) -> None:
        """Nothing."""

    def happened(self, session_id: str, event: Event) -> None:
        """Nothing."""

    def heard(self, session_id: str, samples: bytes) -> None:
        """Nothing."""

    def turn(self, session_id: str, turn: Turn) -> None:
        """Nothing."""

    def interrupted(self, session_id: str) -> None:
        """Nothing."""

    def underruns(self, session_id: str, count: int, gap_ms: float) -> None:
        """Nothing."""

    def engine_changed(self, session_id: str, code: str) -> None:
        """Nothing."""

    def waiting(self, length: int) -> None:
        """Nothing."""

    def refused(self, code: str) -> None:
        """Nothing."""
