"""The seat of each live conversation: one place however many sockets open it, the session that serves, and the newest that waits to.

newcomer ──► waiting ──► serving ──► over
                │ a newer one: over at once
"""

from __future__ import annotations

from collections import OrderedDict

from voicemind.clock import monotonic_s
from voicemind.conversation.admission import Admission, Place
from voicemind.conversation.session import Session
from voicemind.conversation.unanswered import Unanswered

CONVERSATIONS_KEPT = 256
"""Conversations whose typed messages are remembered after their session."""

Name = tuple[str, str]
"""Tenant and conversation."""


class Seat:
    """Of one conversation with at least one session; it has one place."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.sessions: list[Session] = []
        """The newest is the last. At most one of them waits, and it is the newest."""

    @property
    def newest(self) -> Session:
        """Whom messages and wishes for the conversation are for."""
        return self.sessions[-1]


class Seats:
    """Of one process. Decides only."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._seats: dict[Name, Seat] = {}
        self._typed: OrderedDict[Name, tuple[float, Unanswered]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seats)

    def __contains__(self, name: Name) -> bool:
        return name in self._seats

    def newest(self, name: Name) -> Session | None:
        """Who serves this conversation, or is about to."""
        seat = self._seats.get(name)
        return seat.newest if seat else None

    def all(self) -> list[Session]:
        """The newest session of each conversation."""
        return [seat.newest for seat in self._seats.values()]

    def take(self, name: Name, session: Session, place: Place | None) -> Session | None:
        """Seat a session; returns the one that serves and is to finish first. One that has waited for that too is over at once.

        Without `place` somebody has the seat; with one that turns out to be the second of its conversation, it is given back.
        """
        seat = self._seats.get(name)
        if seat is None:
            assert place is not None
            seat = self._seats[name] = Seat(place)
        elif place is not None:
            self._admission.give_back(place)
        if seat.sessions and not seat.newest.entered.is_set():
            seat.sessions.pop().step_aside()
        older = seat.sessions[-1] if seat.sessions else None
        seat.sessions.append(session)
        return older

    def leave(self, name: Name, session: Session) -> None:
        """A session is over; who was the last gives the place back."""
        seat = self._seats.get(name)
        if seat is None or session not in seat.sessions:
            return
        self._remember(name, session)
        seat.sessions.remove(session)
        if not seat.sessions:
            del self._seats[name]
            self._admission.give_back(seat.place)

    def typed_before(self, name: Name, older: Session | None) -> Unanswered:
        """What earlier sessions of this conversation have stored of what was typed: a message that is sent again after its session broke counts once."""
        if older is not None:
            return older.unanswered
        until_s, typed = self._typed.get(name, (0.0, Unanswered()))
        return typed if monotonic_s() < until_s else Unanswered()

    def _remember(self, name: Name, session: Session) -> None:
        """Only ids, never the words."""
        typed = Unanswered()
        typed.inherit(session.unanswered)
        if not typed.has_ids:
            return
        self._typed[name] = (monotonic_s() + session.patience.detached_s, typed)
        self._typed.move_to_end(name)
        while len(self._typed) > CONVERSATIONS_KEPT:
            self._typed.popitem(last=False)
