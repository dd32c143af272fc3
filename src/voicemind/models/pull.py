"""Gets a model onto this machine: from the hub, else from its mirror, resumable, accepted only with the right hash."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
from anyio import to_thread

from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.models import download, mirror
from voicemind.models.catalog import Model, located

Progress = Callable[[int, int], None]
"""Told on the event loop: bytes here, bytes in all. The first number falls back where a source has to start anew."""

_LOCK_POLL_S = 0.2


async def pull(
    model: Model, *, cache_dir: Path, on_progress: Progress | None = None, index_url: str = mirror.PYPI
) -> Path:
    """The path of the whole, verified weight file; it is downloaded where it is not there yet.

    Stopped or broken off at any moment, the next call goes on where this one ended. Two processes at once are safe: the
    second one waits and finds the file. `index_url` is the simple index (PEP 691) that the mirror's wheels come from.
    Raises ProviderUnavailable (no source gave it, the disk is full) and Misconfigured (the folder cannot be written).
    """
    if model.package:
        return _carried(model, cache_dir)
    folder = cache_dir / "models"
    try:
        await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise download.disk_error(folder, error) from error
    async with _alone(folder / f"{model.file}.lock"):
        whole = await to_thread.run_sync(located, model, cache_dir)
        if whole is None:
            whole = await _pulled(model, folder, on_progress=on_progress or _unwatched, index_url=index_url)
    return whole


async def verify(model: Model, *, cache_dir: Path) -> bool:
    """Whether the file is there and is, bit for bit, the one that was published. Reads all of it."""
    path = await to_thread.run_sync(located, model, cache_dir)
    return path is not None and await _sha256(path) == model.sha256


async def _pulled(model: Model, folder: Path, *, on_progress: Progress, index_url: str) -> Path:
    partial = folder / f"{model.file}.part"
    await _refuse_full_disk(model, partial)

    def arrived(reached: int) -> None:
        on_progress(reached, model.size)

    async with download.client() as http:
        await _from_any_source(http, model, into=partial, index_url=index_url, on_bytes=arrived)
    whole = folder / model.file
    with download.disk_trouble(whole):
        await to_thread.run_sync(_settle, partial, whole)
    await mirror.forget_wheels(partial)
    return whole


async def _from_any_source(
    http: httpx.AsyncClient, model: Model, *, into: Path, index_url: str, on_bytes: Callable[[int], None]
) -> None:
    """The hub, then the mirror. Both fill the same file, so one goes on where the other stopped."""

    async def from_hub() -> None:
        await download.fetch(http, model.hub_url, into=into, size=model.size, on_bytes=on_bytes)

    async def from_mirror() -> None:
        await mirror.fetch_parts(http, model, into=into, index_url=index_url, on_bytes=on_bytes)

    failures: list[str] = []
    for given, source in ((model.hub_url, from_hub), (model.mirror, from_mirror)):
        if not given:
            continue
        try:
            await source()
        except download.SourceFailed as failure:
            failures.append(str(failure))
            continue
        if await _sha256(into) == model.sha256:
            return
        await anyio.Path(into).unlink()
        failures.append("What came is not the published file (its hash differs); it was deleted.")
    raise ProviderUnavailable(
        f"{model.name} could not be downloaded: {' '.join(failures)} "
        "Check the connection and pull again: it goes on where it stopped.",
        provider="models",
    )


async def _refuse_full_disk(model: Model, partial: Path) -> None:
    have = await download.length(partial)
    spare = model.mirror.part_bytes if model.mirror else 0
    need = model.size - have + spare
    free = (await to_thread.run_sync(shutil.disk_usage, partial.parent)).free
    if free < need:
        raise ProviderUnavailable(
            f"{model.name} needs {need / 1e9:.1f} GB more in {partial.parent}, where {free / 1e9:.1f} GB are free. "
            "Free some space, or set VOICEMIND_CACHE_DIR to a folder on another disk.",
            provider="models",
        )


@asynccontextmanager
async def _alone(path: Path) -> AsyncGenerator[None]:
    """Hold the file lock of one model. It is the kernel's, so a process that dies gives it back."""
    import fcntl

    try:
        handle = await to_thread.run_sync(os.open, path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise download.disk_error(path.parent, error) from error
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await anyio.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(handle)


async def _sha256(path: Path) -> str:
    def digest() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return await to_thread.run_sync(digest)


def _settle(partial: Path, whole: Path) -> None:
    """Make the name appear only when every byte is on the disk."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    partial.replace(whole)


def _carried(model: Model, cache_dir: Path) -> Path:
    path = located(model, cache_dir)
    if path is None:
        raise Misconfigured(
            "VOICEMIND_LLM_MODEL",
            f"{model.name} comes inside the Python package {model.package}, which is not installed",
        )
    return path


def _unwatched(_: int, __: int) -> None:
    """Progress that nobody asked for."""
