"""One session over as many sockets as it takes: what is repeated after a loss, how long to wait, and when to give up. Pure.

    asking ──ready, resumed──► live ──lost──► waiting ──► asking
      └──────────lost, refused───────────────────↗

A first socket that is lost before `ready` is not replaced: nothing was begun.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from voicemind.channels.browser import events
from voicemind.cli.answers import PASSING, SERVICE, ServerEvent
from voicemind.errors import ProviderUnavailable

Message = Mapping[str, Any]
"""What a client says, ready to be written as JSON."""
Purpose = Literal["begin", "resume", "renew"]
"""What the next socket is for; one that renews begins another session of the same conversation."""

ABNORMAL, BROKEN = 1006, 1011
OVER = 1000
FINAL: Mapping[int, str] = {
    1008: "The server does not accept what this program sends.",
    4000: "The server does not know which conversation is meant.",
    4001: "The server cannot serve this conversation.",
    4401: "The key is not valid any more. Set VOICEMIND_API_KEY to a key of this server.",
    4404: "The server does not know this conversation any more.",
    4409: "This conversation goes on somewhere else: another program has connected to it.",
}
"""Close codes after which trying again would not help, with the words for a server that gave no reason."""
GONE = (4404, 4001)
"""Close codes of a session that cannot be resumed: the server does not know it any more, or keeps too little of it."""
ACK_EVERY, ACK_EVERY_S = 20, 5.0


@dataclass(frozen=True, slots=True)
class Lost:
    """The socket was lost; the line tries by itself to get another one."""


@dataclass(frozen=True, slots=True)
class Back:
    """The session goes on; or another one does (`is_renewed`), which numbers its replies afresh."""

    is_renewed: bool


Happening = ServerEvent | Lost | Back


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client waits, in seconds. Waits between attempts grow from `shortest_s` to `longest_s`."""

    shortest_s: float = 0.25
    longest_s: float = 8.0
    give_up_s: float = 180.0
    """Without a socket that lasts for as long as this, the conversation is lost."""
    stable_s: float = 5.0
    """After a socket that lived as long as this, the next attempts are quick again."""
    socket_s: float = 10.0
    """A socket that says nothing for so long after it was asked for is given up."""
    ping_s: float = 5.0
    pong_s: float = 10.0
    """How often the server is asked for a sign of life, and for how long it may keep silent."""

    def wait_s(self, attempt: int, chance: float) -> float:
        """Before this attempt, counted from 0; `chance` is in [0, 1), so that not all clients come back at once.

        >>> [Patience().wait_s(attempt, 0.0) for attempt in (0, 1, 2, 9)]
        [0.25, 0.5, 1.0, 4.0]
        """
        longest: float = min(self.longest_s, 2 * self.shortest_s * 2.0 ** min(attempt, 30))
        return longest / 2 * (1 + chance)


class Line:
    """What one client said and was told. Times are seconds of one clock that never goes back."""

    def __init__(self, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self.is_live = False
        """Whether the socket that there is serves the session."""
        self._purpose: Purpose = "begin"
        self._session: events.Ready | None = None
        self._is_known = True
        """Whether the server may still know the session."""
        self._has_spoken = False
        self._is_restarting = False
        self._trouble: events.Error | None = None
        """What the server said last, if that was an error."""
        self._last = self._told = 0
        self._told_at = 0.0
        self._owed = 0
        """Messages of the time without a socket that are still to come."""
        self._texts: dict[str, Message] = {}
        self._interrupting = self._ending = False
        self._attempt = 0
        self._live_since = self._lost_at = 0.0
        self._troubled_since: float | None = None

    @property
    def silence_s(self) -> float:
        """For how long the socket that there is may say nothing; infinite for one that has shown that it is alive."""
        return math.inf if self._purpose == "begin" or self._has_spoken else self.patience.socket_s

    def keep(self, message: Message) -> bool:
        """The client says this: whether it can be sent now. What matters is kept until the server confirms it."""
        match message["type"]:
            case "text":
                self._texts[message["id"]] = message
            case "interrupt":
                self._interrupting = True
            case "end":
                self._ending = True
            case _:
                pass
        return self.is_live

    def connecting(self, now_s: float) -> Purpose:
        """A socket is asked for: what it is for."""
        if self._session is not None:
            in_time = now_s - self._lost_at < self._session.resumable_for_s
            self._purpose = "resume" if self._is_known and in_time else "renew"
        self._has_spoken = self._is_restarting = False
        self._trouble = None
        if self._purpose != "resume":
            self._last = self._told = 0
        return self._purpose

    def opened(self) -> Sequence[Message]:
        """The socket is open: what is said before anything else."""
        if self._purpose != "resume" or self._session is None:
            return ()
        known = {"sessionId": self._session.session_id, "secret": self._session.secret}
        return ({"type": "resume", **known, "sequence": self._last},)

    def take(
        self, event: ServerEvent | None, sequence: int | None, now_s: float
    ) -> tuple[Sequence[Happening], Sequence[Message]]:
        """The server says this: what is new in it, and what is answered."""
        self._has_spoken = True
        if isinstance(event, events.Resumed):
            self._owed = event.missed
            self._serve(now_s)
            return (Back(is_renewed=False), event), self._repeated()
        if sequence is not None:
            if sequence <= self._last:
                return (), ()
            self._last = sequence
        self._notice(event)
        if isinstance(event, events.Ready):
            return self._begun(event, now_s)
        answers = self._answers(sequence, now_s) if self.is_live else ()
        # Why a socket that was to go on is refused, its close code says; what a server that stops says last is said again to the next one.
        is_moot = isinstance(event, events.Error) and (self._is_restarting or (self._session and not self.is_live))
        return ((event,) if event is not None and not is_moot else ()), answers

    def closed(self, code: int | None, now_s: float, chance: float) -> float | None:
        """There is no socket any more: how many seconds to wait before the next; None where the conversation is over.

        `code` is what the server closed with, if it did. Raises ProviderUnavailable where no other socket would help.
        """
        was_live, self.is_live = self.is_live, False
        code = ABNORMAL if code is None else code
        if was_live:
            self._lose(now_s)
        if self._session is None:
            raise self._broken_off(FINAL.get(code, "The server closed the connection before the conversation began."))
        if not was_live and self._purpose == "resume" and code in GONE:
            self._is_known = False
            return 0.0
        if not self._is_restarting:
            if code == OVER:
                return None
            if code in FINAL or (code == BROKEN and was_live and self._trouble):
                raise self._broken_off(FINAL.get(code, "Something failed on the server."))
        if self._troubled_since is None:
            self._troubled_since = now_s
        if now_s - self._troubled_since > self.patience.give_up_s:
            raise ProviderUnavailable(
                f"The connection to the server was lost and did not come back within {_spoken(self.patience.give_up_s)}. "
                "What was said until then is kept. Look after the network and the server, then start again.",
                provider=SERVICE,
            )
        self._attempt += 1
        return self.patience.wait_s(self._attempt - 1, chance)

    def _begun(self, ready: events.Ready, now_s: float) -> tuple[Sequence[Happening], Sequence[Message]]:
        is_renewed, self._session, self._is_known = self._session is not None, ready, True
        self._serve(now_s)
        if not is_renewed:
            return (ready,), self._repeated()
        self._interrupting = False  # a new session has nothing to be silent about
        return (Back(is_renewed=True), ready), self._repeated()

    def _serve(self, now_s: float) -> None:
        self.is_live, self._live_since, self._told_at = True, now_s, now_s

    def _lose(self, now_s: float) -> None:
        self._lost_at, self._owed = now_s, 0
        if now_s - self._live_since >= self.patience.stable_s:
            self._troubled_since, self._attempt = None, 0

    def _notice(self, event: ServerEvent | None) -> None:
        """What this confirms need not be kept."""
        self._trouble = event if isinstance(event, events.Error) and event.code not in PASSING else None
        match event:
            case events.Acknowledged(id=identity) | events.Transcript(final=True, id=identity):
                self._texts.pop(identity, None)
            case events.Interrupted():
                self._interrupting = False
            case events.Complete(reason=reason):
                self._is_restarting = reason == "shutdown" and not self._ending
            case _:
                pass

    def _repeated(self) -> Sequence[Message]:
        """What was not confirmed; to be silent only after what may have been the answer."""
        hush = self._interrupting and not self._owed
        return (*self._texts.values(), *_last_words(interrupt=hush, end=self._ending))

    def _answers(self, sequence: int | None, now_s: float) -> Sequence[Message]:
        said: list[Message] = []
        if sequence is not None and self._owed:
            self._owed -= 1
            said += _last_words(interrupt=self._interrupting and not self._owed, end=False)
        untold = self._last - self._told
        if untold >= ACK_EVERY or (untold and now_s - self._told_at >= ACK_EVERY_S):
            self._told, self._told_at = self._last, now_s
            said.append({"type": "ack", "sequence": self._last})
        return said

    def _broken_off(self, otherwise: str) -> ProviderUnavailable:
        return ProviderUnavailable(self._trouble.message if self._trouble else otherwise, provider=SERVICE)


def _last_words(*, interrupt: bool, end: bool) -> list[Message]:
    return [{"type": kind} for kind, is_due in (("interrupt", interrupt), ("end", end)) if is_due]


def _spoken(seconds: float) -> str:
    """A time in words.

    >>> _spoken(180), _spoken(2)
    ('3 minutes', '2 seconds')
    """
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
