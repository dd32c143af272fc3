"""Marks on names that this installation gave out, so that nobody can make such a name up."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from voicemind.ops.keys import Keys

FILE = "marks.secret"
MARK_CHARS = 32
_COST = 2**14
"""Who sees a mark must not be able to try out keys quickly."""


class Marks:
    """Makes marks and knows them again: with a tenant's keys, which all replicas have; without keys with a secret in the data folder."""

    def __init__(self, keys: Keys, *, folder: Path) -> None:
        self._keys, self._folder = keys, folder
        self._derived: dict[bytes, bytes] = {}
        self._own = b""

    def of(self, tenant: str, text: str) -> str:
        """The mark of this text, with the tenant's first key. The first time for a key takes about 50 ms."""
        return _mark(self._secret(self._sources(tenant)[0]), tenant, text)

    def is_ours(self, tenant: str, text: str, mark: str) -> bool:
        """Whether it was made here, with any of the keys that the tenant still has."""
        return any(
            hmac.compare_digest(_mark(self._secret(source), tenant, text), mark) for source in self._sources(tenant)
        )

    def _sources(self, tenant: str) -> tuple[bytes, ...]:
        if digests := self._keys.digests_of(tenant):
            return digests
        self._own = self._own or _kept(self._folder / FILE)
        return (self._own,)

    def _secret(self, source: bytes) -> bytes:
        if source not in self._derived:
            self._derived[source] = hashlib.scrypt(source, salt=b"voicemind marks", n=_COST, r=8, p=1, dklen=32)
        return self._derived[source]


def _kept(path: Path) -> bytes:
    """The secret of this folder; made where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        made = secrets.token_bytes(32)
        partly = path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(partly, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(made)
        partly.replace(path)
        return made


def _mark(secret: bytes, tenant: str, text: str) -> str:
    return hmac.new(secret, f"{tenant}\0{text}".encode(), "sha256").hexdigest()[:MARK_CHARS]
