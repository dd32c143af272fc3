"""Keeps models that were made here of others, so that they are made once and not at every start."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


def kept(folder: Path, name: str, make: Callable[[], bytes]) -> Path | bytes:
    """The file `<name>-<its sha256>.onnx` in the folder, if it is what was kept; else what is made, as a file where it can be kept."""
    with contextlib.suppress(OSError):
        for file in folder.glob(f"{name}-*.onnx"):
            if file.stem == f"{name}-{digest(file)}":
                return file
    made = make()
    whole = folder / f"{name}-{hashlib.sha256(made).hexdigest()}.onnx"
    part = whole.with_suffix(f".{os.getpid()}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_bytes(made)
        part.replace(whole)
    except OSError as error:
        log.warning("a model is made anew at every start", model=name, reason=type(error).__name__)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        return made
    return whole


def digest(file: Path) -> str:
    """The sha256 of a file's content, in hexadecimal digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
