"""What a session has said to its client, kept until the client has it: after a lost connection it gets the rest, each message once and in order. Pure.

Every message but sound has a number, from 1 on without gaps. A client that says how far it got (`ack`) keeps this short; for one that does not, the
oldest go where there are too many. First of all go those that a later message replaces (a transcript that was not final, a reply that was not
finished): whoever missed these misses nothing. Only where even that is not enough can a client no longer go on from where it was.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voicemind.errors import MissedTooMuch, UnknownSession

AFTER_SHORTENING = 0.75
"""How full it is at most after it was shortened: it must not be shortened anew with every message."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A message on its way. `key` names what it is the newest state of, if anything; one that is not `final` is replaced by the next of its key."""

    number: int
    frame: bytes
    key: str = ""
    final: bool = True


class Outbox:
    """Of one session: at most `most` messages and `most_bytes` of them."""

    def __init__(self, *, most: int = 512, most_bytes: int = 64 * 1024) -> None:
        self.last = 0
        """The number of the newest message."""
        self._most, self._most_bytes = most, most_bytes
        self._kept: deque[Kept] = deque()
        self._bytes = 0
        self._gone = 0
        """Everything up to this number has left."""

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """Bytes of the messages that are kept."""
        return self._bytes

    def put(self, frame: bytes, *, key: str = "", final: bool = True) -> Kept:
        """The next message."""
        self.last += 1
        kept = Kept(self.last, frame, key, final)
        self._kept.append(kept)
        self._bytes += len(frame)
        if self._is_over(1.0):
            self._shorten()
        return kept

    def ack(self, number: int) -> None:
        """Everything up to this number has arrived; a number that was never given counts as the last one."""
        number = min(number, self.last)
        while self._kept and self._kept[0].number <= number:
            self._bytes -= len(self._kept.popleft().frame)
        self._gone = max(self._gone, number)

    def since(self, number: int) -> tuple[Kept, ...]:
        """What came after this number, in order. Raises MissedTooMuch where some of it is gone, UnknownSession for a number that was never given."""
        if number > self.last:
            raise UnknownSession("There is no session that you could go on with.")
        if number < self._gone:
            raise MissedTooMuch(
                "You have missed too much of this session. Connect again to go on with the conversation."
            )
        return tuple(kept for kept in self._kept if kept.number > number)

    def _is_over(self, share: float) -> bool:
        return len(self._kept) > self._most * share or self._bytes > self._most_bytes * share

    def _shorten(self) -> None:
        replaced: set[str] = set()
        left: deque[Kept] = deque()
        for kept in reversed(self._kept):
            if kept.final or kept.key not in replaced:
                left.appendleft(kept)
            if kept.key:
                replaced.add(kept.key)
        self._kept, self._bytes = left, sum(len(kept.frame) for kept in left)
        while self._kept and self._is_over(AFTER_SHORTENING):
            first = self._kept.popleft()
            self._bytes -= len(first.frame)
            self._gone = first.number
