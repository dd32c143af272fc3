"""Who may talk now, and who waits: a fixed number of places, and a queue before them. Decides only.

    ask ──► placed ──► given back
     │         ▲
     └──► queued ──► given back

A place that becomes free goes to whoever has waited longest.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from voicemind.errors import AllTalking

RETRY_AFTER_S = 10


class Place:
    """One newcomer's. `position` is 0 once the place is theirs, 1 for who comes next."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.changed = anyio.Event()
        """Set when `position` has changed; a new one takes its place then."""

    def move(self, position: int) -> None:
        """To another position."""
        if position != self.position:
            self.position = position
            self.changed.set()
            self.changed = anyio.Event()


class Admission:
    """At most `places` are taken at once, and at most `queue_places` wait. `on_queue` is told how many do."""

    def __init__(self, places: int, *, queue_places: int = 0, on_queue: Callable[[int], None] | None = None) -> None:
        self._places, self._queue_places = places, queue_places
        self._on_queue = on_queue
        self._held: set[Place] = set()
        self._queue: list[Place] = []

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    def refuse_when_full(self) -> None:
        """Raises AllTalking where there is no place, not even in the queue."""
        if len(self._held) >= self._places and len(self._queue) >= self._queue_places:
            raise AllTalking(
                "Too many people are talking right now. Please try again in a moment.", retry_after_s=RETRY_AFTER_S
            )

    def ask(self) -> Place:
        """A place, at once or after waiting. Raises AllTalking."""
        if len(self._held) < self._places and not self._queue:
            place = Place(0)
            self._held.add(place)
            return place
        self.refuse_when_full()
        place = Place(len(self._queue) + 1)
        self._queue.append(place)
        self._tell()
        return place

    def give_back(self, place: Place) -> None:
        """It is not needed any more, wherever it is. Safe to call twice."""
        if place in self._held:
            self._held.remove(place)
        elif place in self._queue:
            self._queue.remove(place)
        else:
            return
        while self._queue and len(self._held) < self._places:
            self._held.add(self._queue[0])
            self._queue.pop(0).move(0)
        for number, waiting in enumerate(self._queue, 1):
            waiting.move(number)
        self._tell()

    def dismiss(self) -> None:
        """Wake everybody who waits, though nothing has changed for them."""
        for place in self._queue:
            place.changed.set()

    def _tell(self) -> None:
        if self._on_queue:
            self._on_queue(len(self._queue))
