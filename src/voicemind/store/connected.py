"""The open database: reads run in worker threads, each in a transaction of its own, and all writes in the writer's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from sqlalchemy.engine import Connection

from voicemind.errors import StorageUnavailable
from voicemind.store import schema
from voicemind.store.database import READERS, open_engine, parse_url, translated
from voicemind.store.writer import Writer

T = TypeVar("T")


class Connected:
    """The parts of `SqlStore` share it: opens and closes, reads and writes, and knows no table.

    `url` is `sqlite:////path/to/file`, or `postgresql://…` (also `postgres://`). Raises Misconfigured for any other.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(parse_url(url))
        self._writer = Writer(self._engine)
        self._readers = anyio.CapacityLimiter(READERS)
        self._open = False

    async def start(self) -> None:
        def prepare() -> None:
            with translated():
                schema.prepare(self._engine)

        try:
            await anyio.to_thread.run_sync(prepare, limiter=self._readers)
        except BaseException:
            self._engine.dispose()
            raise
        self._writer.start()
        self._open = True

    async def aclose(self) -> None:
        self._open = False
        await self._writer.aclose()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._engine.dispose)

    async def check(self) -> None:
        if await self._read(schema.stored_revision) != schema.HEAD:
            raise StorageUnavailable("the database does not have this program's tables")

    async def _read(self, query: Callable[[Connection], T]) -> T:
        """Run the query in a transaction of its own: everything it reads is of one moment on SQLite."""

        def read() -> T:
            if not self._open:
                raise StorageUnavailable("the store is closed")
            with translated(), self._engine.connect() as connection:
                return query(connection)

        return await anyio.to_thread.run_sync(read, limiter=self._readers)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        """Run the work in a transaction of the writer's; returns after the commit."""
        return await self._writer.write(work)
