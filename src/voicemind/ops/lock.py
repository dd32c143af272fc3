"""One process at a time in a data folder."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from voicemind.errors import Misconfigured


@contextmanager
def folder_lock(folder: Path) -> Generator[None]:
    """Hold the folder; the operating system lets go of it when the process dies. Raises Misconfigured where another process holds it."""
    import fcntl

    try:
        descriptor = os.open(folder / "voicemind.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Misconfigured(
            "VOICEMIND_DATA_DIR", f"{folder} cannot be written: {error.strerror}", accepted="a folder of your own"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise Misconfigured(
                "VOICEMIND_DATA_DIR",
                f"{folder} is in use by another Voicemind (process {holder or 'unknown'})",
                accepted="stop it, or choose another folder",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
