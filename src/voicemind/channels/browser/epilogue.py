"""What is left of a session that is over: its last messages, for a client whose connection broke before they arrived."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from voicemind.channels.browser import events
from voicemind.channels.browser.line import Line
from voicemind.channels.browser.outbox import Outbox
from voicemind.clock import monotonic_s


@dataclass(frozen=True, slots=True)
class Whose:
    """Which session a client must name in order to go on with it."""

    session_id: str
    tenant: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Epilogue:
    """No session is behind it any more. `close_code` is what follows the last message; `until` is in monotonic seconds."""

    whose: Whose
    secret: str
    outbox: Outbox
    close_code: int
    until: float

    def resume(self, line: Line, sequence: int) -> int:
        """Tell what was missed and close the socket; returns how many messages that were. Raises MissedTooMuch, UnknownSession."""
        missed = self.outbox.since(sequence)
        self.outbox.ack(sequence)
        line.say(
            events.Resumed(
                session_id=self.whose.session_id,
                conversation_id=self.whose.conversation_id,
                missed=len(missed),
                state="listening",
            )
        )
        for kept in missed:
            line.put(kept)
        line.close(self.close_code)
        return len(missed)


class Epilogues:
    """Those that may still be asked for: at most `most`, of `most_bytes` together, the newest. `look` takes away what nobody may or need ask for any more."""

    def __init__(self, *, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: OrderedDict[str, Epilogue] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, epilogue: Epilogue) -> None:
        """One more."""
        self._kept[epilogue.whose.session_id] = epilogue
        self.look()
        while len(self._kept) > self._most or sum(one.outbox.size for one in self._kept.values()) > self._most_bytes:
            self._kept.popitem(last=False)

    def of(self, session_id: str) -> Epilogue | None:
        """What is left of that session, if anything."""
        self.look()
        return self._kept.get(session_id)

    def look(self) -> None:
        """Let go of what has arrived, and of what nobody came back for in time."""
        now = monotonic_s()
        for name in [name for name, one in self._kept.items() if one.until <= now or not one.outbox]:
            del self._kept[name]

    def forget_all(self) -> None:
        """Something was erased, and any of these may tell of it."""
        self._kept.clear()
