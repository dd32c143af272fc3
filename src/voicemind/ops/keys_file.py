"""The file of keys: who may read it, what it holds, and whether it has changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from voicemind.errors import Misconfigured
from voicemind.ops.keys import FILE_SETTING, Guest, guests_in

LARGEST_BYTES = 1 << 20
SECRETS = (Path("/run/secrets"), Path("/var/run/secrets"))
"""Where container engines mount secrets, by default readable by whoever is in the container: nobody but us."""

Stamp = tuple[int, int, int, int, int]
"""What changes when the file does: device, inode, size, and the times of its content and of its rights in nanoseconds."""


class KeysFile:
    """Reads keys from a path, which may be a link to ever other files. Its methods block."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> Stamp | None:
        """How the file looks from outside; None where there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def read(self) -> list[Guest]:
        """Its keys. Raises Misconfigured where it cannot be read or used, or others of this machine may read or write it."""
        try:
            if not self.path.is_file():
                raise _unusable(f"there is no file {self.path}")
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                if is_too_open(self.path, mode):
                    raise _unusable(f"others may read or write {self.path} (mode {stat.S_IMODE(mode):o})")
                text = file.read(LARGEST_BYTES + 1).decode()
        except OSError as error:
            raise _unusable(f"{self.path} cannot be read ({type(error).__name__})") from None
        except UnicodeDecodeError:
            raise _unusable(f"{self.path} is no text") from None
        if len(text) > LARGEST_BYTES:
            raise _unusable(f"{self.path} is larger than a megabyte")
        return guests_in(text)


class Settled:
    """Whether a file that changes has been left alone for a while: who reads it in between may find half of it. Pure."""

    def __init__(self, taken: Stamp | None) -> None:
        self._taken = self._last = taken

    def look(self, stamp: Stamp | None) -> bool:
        """Whether it is another file than the one that was taken last, the same as at the last look; then it is taken."""
        is_still, self._last = stamp == self._last, stamp
        if not is_still or stamp == self._taken:
            return False
        self._taken = stamp
        return True


def is_too_open(path: Path, mode: int) -> bool:
    """Whether everybody on this machine could use it. A group may: that is how a mounted secret is given to a user who is not root.

    >>> is_too_open(Path("/etc/voicemind/keys"), 0o644), is_too_open(Path("/etc/voicemind/keys"), 0o640)
    (True, False)
    >>> is_too_open(Path("/run/secrets/keys"), 0o444), is_too_open(Path("/run/secrets/keys"), 0o666)
    (False, True)
    """
    is_mounted = any(path.is_relative_to(folder) for folder in SECRETS)
    return bool(mode & (stat.S_IWOTH if is_mounted else stat.S_IRWXO))


def _unusable(problem: str) -> Misconfigured:
    return Misconfigured(FILE_SETTING, problem, accepted="a text file with mode 600, or a mounted secret")
