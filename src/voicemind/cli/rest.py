"""The programming interface `/api/v1` as the commands use it: answers as records, and as they came for programs."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import anyio
import msgspec

from voicemind.cli.answers import SERVICE, decoded
from voicemind.cli.asked import Wanted
from voicemind.cli.client import Server
from voicemind.cli.connection import already_running, connected, in_process
from voicemind.cli.rest_records import AgentRecord
from voicemind.cli.screen import err, note, said
from voicemind.config import Settings
from voicemind.errors import BadRequest, ProviderUnavailable

PREFIX = "/api/v1"
PATIENCE_S = 300.0
"""How long an answer may take: an erasure rewrites the database, an agent may think before a meeting."""
LARGEST_PAGE = 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """One answer, as it came and as a record."""

    raw: bytes
    value: T


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Rows of a list; `next_cursor` leads to the next ones, None where there are none."""

    items: list[T]
    next_cursor: str | None = None


class Api:
    """`/api/v1` of a server. `thinks` says whether that server has its models, and so does what is queued."""

    def __init__(self, server: Server, *, thinks: bool) -> None:
        self._server = server
        self.thinks = thinks

    async def ask(
        self,
        method: str,
        path: str,
        shape: type[T],
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer[T]:
        """One answer. Raises the server's refusal, or ProviderUnavailable."""
        try:
            answer = await self._server.request(
                method, PREFIX + path, body=body, query=_given(query), headers=headers, timeout_s=PATIENCE_S
            )
        except TimeoutError as error:
            raise ProviderUnavailable(f"{error} It may still be at work.", provider=SERVICE) from error
        return Answer(answer.content, decoded(answer.content, shape))

    async def get(self, path: str, shape: type[T], **query: str | int | None) -> Answer[T]:
        """Something to read."""
        return await self.ask("GET", path, shape, query=query)

    async def listed(
        self, path: str, shape: type[T], *, wanted: Wanted | None = None, **query: str | int | None
    ) -> Answer[Page[T]]:
        """As many rows as are wanted, from as many pages as that takes."""
        wanted = wanted or Wanted()
        rows: list[msgspec.Raw] = []
        cursor = wanted.cursor
        while True:
            limit = min(wanted.limit - len(rows), LARGEST_PAGE)
            one = await self.get(path, Page[msgspec.Raw], **query, limit=limit, cursor=cursor)
            rows += one.value.items
            cursor = one.value.next_cursor
            if cursor is None or len(rows) >= wanted.limit:
                break
        raw = msgspec.json.encode(Page(rows, cursor))
        return Answer(raw, Page([decoded(row, shape) for row in rows], cursor))

    async def agent(self, name: str) -> AgentRecord:
        """The agent of that slug or alias. Raises UnknownAgent."""
        return (await self.get(f"/agents/{part(name)}", AgentRecord)).value

    async def slug(self, name: str | None) -> str | None:
        """By which name lists know an agent; None for None."""
        return None if name is None else (await self.agent(name)).slug

    async def save(
        self, path: str, file: Path | None, *, accept: str = "", query: Mapping[str, str | int] | None = None
    ) -> None:
        """Write what is at this address into the file once all of it is there; without one, to standard output. Raises BadRequest."""
        headers = {"Accept": accept} if accept else {}
        async with aclosing(self._server.download(PREFIX + path, query=query, headers=headers)) as pieces:
            if file is None:
                async for piece in pieces:
                    sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
                return
            size = await _written(file, pieces)
        note(f"{size:,} bytes in {file}")


@asynccontextmanager
async def reached(settings: Settings, *, thinking: bool = False) -> AsyncGenerator[Api]:
    """The interface of the running server, or of one in this process, which loads its models only for `thinking`."""
    if thinking:
        async with connected(settings) as server:
            yield Api(server, thinks=True)
        return
    async with already_running(settings) as server:
        if server is not None:
            yield Api(server, thinks=True)
            return
    async with in_process(settings, models=False) as server:
        yield Api(server, thinks=False)


def part(text: str) -> str:
    """An id as a part of an address.

    >>> part("a/b c"), part("..")
    ('a%2Fb%20c', '%2E%2E')
    """
    return quote(text, safe="") if text.strip(".") else "%2E" * len(text)


def for_programs(raw: bytes) -> None:
    """An answer as it came, in lines that people can read too."""
    said(msgspec.json.format(raw, indent=2).decode())


def more(page: Page[T]) -> None:
    """Say that there is more, or nothing."""
    if page.next_cursor:
        note(f"There are more: --all, or go on with --cursor {page.next_cursor}")
    elif not page.items:
        note("There are none.")


def _given(query: Mapping[str, str | int | None] | None) -> dict[str, str | int]:
    return {name: value for name, value in (query or {}).items() if value is not None}


async def _written(file: Path, pieces: AsyncGenerator[bytes]) -> int:
    """The size. A file that is there stays as it is until the new one is whole."""
    unfinished = anyio.Path(file.with_name(file.name + ".part"))
    size = 0
    try:
        with err.status("writing…") as status:
            async with await unfinished.open("wb") as target:
                async for piece in pieces:
                    await target.write(piece)
                    size += len(piece)
                    status.update(f"writing… {size / 1e6:.1f} MB")
        await unfinished.replace(file)
    except OSError as error:
        raise BadRequest(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        with anyio.CancelScope(shield=True):
            await unfinished.unlink(missing_ok=True)
    return size
