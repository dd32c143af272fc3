"""The one thread that writes: what waits goes into one transaction, so that fifty turns cost one sync of the disk."""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import structlog
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from voicemind.errors import StorageUnavailable, VoicemindError
from voicemind.store.database import explained, kind, writing

GROUP = 256
"""Most writes in one transaction: what the last of a burst waits for stays within a few milliseconds."""
WAITING = 1024
"""Most writes that are handed in and not yet done; further callers wait outside."""
TRIES = 4
"""How often a write is tried that another process got in the way of."""

Work = Callable[[Connection], Any]
Many = Callable[[Connection, Sequence[Any]], Sequence[Any]]
T = TypeVar("T")
_log = structlog.get_logger()


class _Write:
    """One thing to write, and its outcome: a value, or an error for the caller. Without `many` it is work that runs alone."""

    __slots__ = ("done", "item", "many", "outcome")

    def __init__(self, many: Many | None, item: Any) -> None:
        self.many = many
        self.item = item
        self.outcome: Any = None
        self.done = anyio.Event()


class Writer:
    """Groups writes into transactions. Belongs to the event loop in which `start` was called."""

    def __init__(self, engine: Engine) -> None:
        self._engine = writing(engine)
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._slots = anyio.Semaphore(WAITING, fast_acquire=True)
        self._thread = threading.Thread(target=self._run, name="voicemind-writer", daemon=True)
        self._open = False

    def start(self) -> None:
        """Begin to take writes."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        self._open = True

    async def aclose(self) -> None:
        """Finish what was handed in and stop the thread; safe to call twice."""
        if self._open:
            self._open = False
            self._queue.put(None)
        if self._thread.ident is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._thread.join)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction and return its value after the commit.

        It may run more than once, after a roll-back each time. Cancelling the caller after the hand-over cancels the
        waiting, not the writing.
        """
        outcome: T = await self._hand_in(_Write(_one_by_one, work))
        return outcome

    async def write_many(
        self, many: Callable[[Connection, Sequence[Any]], Sequence[T | VoicemindError]], item: Any
    ) -> T:
        """Like `write`, for what is cheaper together: `many` gets the items of all callers that wait side by side.

        It answers with one outcome for each item, in order; an error among them is raised for that caller alone.
        """
        outcome: T = await self._hand_in(_Write(many, item))
        return outcome

    async def alone(self, work: Callable[[Engine], T]) -> T:
        """Run `work` while this process writes nothing else. It makes its own transactions, and may need to be outside of any."""
        outcome: T = await self._hand_in(_Write(None, work))
        return outcome

    async def _hand_in(self, write: _Write) -> Any:
        await self._slots.acquire()
        if not self._open:
            self._slots.release()
            raise StorageUnavailable("the store is closed")
        self._queue.put(write)
        await write.done.wait()
        if isinstance(write.outcome, Exception):
            raise write.outcome
        return write.outcome

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            last = False
            while len(group) < GROUP and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    last = True
                    break
                group.append(following)
            try:
                for alone, writes in itertools.groupby(group, lambda write: write.many is None):
                    self._do(list(writes), alone=alone)
            except RuntimeError:  # the loop is gone, and with it everybody who waited
                return
            if last:
                return

    def _do(self, group: list[_Write], *, alone: bool) -> None:
        for write in group if alone else ():
            try:
                write.outcome = write.item(self._engine)
            except Exception as error:  # noqa: BLE001 - as in `_attempt`
                _fail([write], error)
        if not alone:
            self._store(group)
        self._loop.call_soon_threadsafe(self._deliver, group)

    def _deliver(self, group: list[_Write]) -> None:
        for write in group:
            self._slots.release()
            write.done.set()

    def _store(self, group: list[_Write]) -> None:
        """All together; where that fails, each alone, so that only the guilty one fails."""
        error = self._attempt(group)
        if error is None:
            return
        alone = len(group) == 1 or isinstance(error, _HopelessError)
        if alone and not _is_worth_repeating(error):
            _fail(group, error)
            return
        for write in group:
            self._store_alone(write)

    def _store_alone(self, write: _Write) -> None:
        error = self._attempt([write])
        tries = 1
        while error is not None and tries < TRIES and _is_worth_repeating(error):
            error = self._attempt([write])
            tries += 1
        if error is not None:
            _fail([write], error)

    def _attempt(self, group: list[_Write]) -> Exception | None:
        """One transaction; the error that ended it, if one did."""
        begun = False
        try:
            with self._engine.connect() as connection, connection.begin():
                begun = True
                outcomes = [
                    outcome
                    for many, writes in itertools.groupby(group, attrgetter("many"))
                    for outcome in many(connection, [write.item for write in writes])
                ]
                settled = list(zip(group, outcomes, strict=True))
        except Exception as error:  # noqa: BLE001 - every error belongs to the caller that waits for it; the thread lives on
            lost = isinstance(error, DBAPIError) and error.connection_invalidated
            return error if begun and not lost else _HopelessError(error)
        for write, outcome in settled:
            write.outcome = outcome
        return None


class _HopelessError(Exception):
    """Nothing could begin, or the connection was lost, perhaps after the commit arrived.

    Trying one by one would take long, or write twice.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _one_by_one(connection: Connection, works: Sequence[Work]) -> list[Any]:
    return [work(connection) for work in works]


def _is_worth_repeating(error: Exception) -> bool:
    """Whether another process was merely quicker: it made the same row, or the two waited for each other."""
    return isinstance(error, IntegrityError) or (isinstance(error, DBAPIError) and kind(error) in {"40001", "40P01"})


def _fail(group: list[_Write], error: Exception) -> None:
    if isinstance(error, _HopelessError):
        error = error.error
    if not isinstance(error, VoicemindError):
        _log.warning("write failed", kind=kind(error), writes=len(group))
    for write in group:
        write.outcome = error if isinstance(error, VoicemindError) else explained(error)
