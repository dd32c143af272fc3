"""Brings one address into one file, continuing where an earlier attempt stopped."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx
from anyio import to_thread

from voicemind.errors import Misconfigured, ProviderError, ProviderUnavailable

TIMEOUT = httpx.Timeout(30.0, connect=3.0)
"""Seconds. A source that cannot even be reached must not hold up the next one."""

_FRUITLESS_ATTEMPTS = 2
"""A broken connection is opened again; after this many attempts in a row that brought nothing it is given up."""


class SourceFailed(ProviderUnavailable):
    """This address does not give the file; another may. The message names the host alone: an address may hold a key."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"{urlsplit(url).hostname or 'the address'} {problem}", provider="models")


def client() -> httpx.AsyncClient:
    """An HTTP client that follows a hub to its storage. The caller closes it."""
    return httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=True, headers={"accept-encoding": "identity"})


async def fetch(http: httpx.AsyncClient, url: str, *, into: Path, size: int, on_bytes: Callable[[int], None]) -> None:
    """Bring `url`, which is `size` bytes long, into the file `into`, after the bytes that are there already.

    `on_bytes` is told the length reached. What has arrived stays in the file whatever happens, and the next call
    goes on from there.
    Raises SourceFailed; Misconfigured and ProviderUnavailable for a disk that cannot take it.
    """
    fruitless = 0
    while (had := await length(into)) < size:
        try:
            await _append(http, url, into=into, had=had, size=size, on_bytes=on_bytes)
            problem = "ended the download early."
        except httpx.HTTPError as error:
            problem = (
                f"cannot be reached ({type(error).__name__})."
                if not await length(into)
                else f"broke the download off ({type(error).__name__})."
            )
            if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                raise SourceFailed(url, problem) from error
        fruitless = 0 if await length(into) > had else fruitless + 1
        if fruitless >= _FRUITLESS_ATTEMPTS:
            raise SourceFailed(url, problem)
    if await length(into) > size:
        await anyio.Path(into).unlink()
        raise SourceFailed(url, "sent a file of another size.")


async def _append(
    http: httpx.AsyncClient, url: str, *, into: Path, had: int, size: int, on_bytes: Callable[[int], None]
) -> None:
    """One attempt. A server that ignores the Range header sends everything again: then the file starts anew."""
    async with AsyncExitStack() as closing:
        headers = {"range": f"bytes={had}-"} if had else {}
        answer = await closing.enter_async_context(http.stream("GET", url, headers=headers))
        if answer.status_code not in {200, 206}:
            raise SourceFailed(url, f"answered {answer.status_code} instead of the file.")
        if answer.status_code == 206 and answer.headers.get("content-range") != f"bytes {had}-{size - 1}/{size}":
            raise SourceFailed(url, "did not continue the file where it stopped.")
        if answer.status_code == 200 and answer.headers.get("content-length", str(size)) != str(size):
            raise SourceFailed(url, "sent a file of another size.")
        file = await closing.enter_async_context(
            await anyio.open_file(into, "ab" if answer.status_code == 206 else "wb")
        )
        reached = had if answer.status_code == 206 else 0
        async for chunk in answer.aiter_raw():
            with disk_trouble(into):
                await file.write(chunk)
                await file.flush()
            reached += len(chunk)
            on_bytes(reached)
            if reached > size:
                return


class disk_trouble:  # noqa: N801 - reads as a verb at the place of use
    """Turns what a disk refuses into words that say what to do about it."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            raise disk_error(self._folder, error) from error


def disk_error(folder: Path, error: OSError) -> ProviderError | Misconfigured:
    """What to tell somebody whose disk refused."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ProviderUnavailable(
            f"The disk of {folder} is full. Free some space, or set VOICEMIND_CACHE_DIR to a folder on another disk, "
            "and pull again: it goes on from here.",
            provider="models",
        )
    return Misconfigured(
        "VOICEMIND_CACHE_DIR",
        f"{folder} cannot be written ({error.strerror})",
        accepted="a folder that you may write to",
    )


async def length(path: Path) -> int:
    """Bytes in the file; 0 where there is none."""
    return await to_thread.run_sync(lambda: path.stat().st_size if path.exists() else 0)
