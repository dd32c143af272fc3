"""Keys and whose they are: those of the settings, which stay, and those of a file, which an operator may change while the server runs."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from voicemind.errors import Misconfigured

SETTING = "VOICEMIND_API_KEYS"
FILE_SETTING = "VOICEMIND_API_KEYS_FILE"
KEYLESS_TENANT = "default"
MIN_KEY_CHARS = 8


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who came in: the tenant, and the digest of the key that let them in; empty where no key is needed."""

    tenant: str
    digest: bytes = b""


NOBODYS_KEY = Guest(KEYLESS_TENANT)
"""Who comes in where no key is needed."""


class Keys:
    """The keys of `tenant:key,tenant2:key2`, and those that `replace` adds. Raises Misconfigured where the text is something else."""

    def __init__(self, text: str = "", *, has_file: bool = False) -> None:
        """With `has_file` keys are needed at any time, whatever is in the file."""
        self._fixed = [
            _guest(pair, "a pair cannot be used") for pair in filter(None, (part.strip() for part in text.split(",")))
        ]
        self._filed: list[Guest] = []
        self._has_file = has_file

    def __bool__(self) -> bool:
        """Whether a key is needed."""
        return self._has_file or bool(self._fixed)

    def __contains__(self, guest: object) -> bool:
        return guest in self._all()

    def __len__(self) -> int:
        return len(self._fixed) + len(self._filed)

    @property
    def tenants(self) -> frozenset[str]:
        """Everybody who has a key; without keys, the one tenant there is."""
        return frozenset(guest.tenant for guest in self._all()) or frozenset({KEYLESS_TENANT})

    def replace(self, filed: Iterable[Guest]) -> frozenset[Guest]:
        """These are the keys of the file now; returns those that let nobody in any more. A key may have one owner: raises Misconfigured."""
        found = list(dict.fromkeys(filed))
        owners = {guest.digest: guest.tenant for guest in self._fixed}
        for guest in found:
            if owners.setdefault(guest.digest, guest.tenant) != guest.tenant:
                raise Misconfigured(FILE_SETTING, "two tenants have the same key", accepted="a key of its own for each")
        before = set(self._filed)
        self._filed = found
        return frozenset(before - set(self._all()))

    def digests_of(self, tenant: str) -> tuple[bytes, ...]:
        """Of the keys of this tenant, in their order."""
        return tuple(guest.digest for guest in self._all() if guest.tenant == tenant)

    def guest_of(self, key: str) -> Guest | None:
        """Whose key it is; None for nobody's. Takes the same time whichever key is nearly right."""
        given, owner = _digest(key), None
        for guest in self._all():
            if hmac.compare_digest(guest.digest, given):
                owner = guest
        return owner

    def _all(self) -> list[Guest]:
        return [*self._fixed, *self._filed]


def guests_in(text: str) -> list[Guest]:
    """The keys of a file: `name:key` on a line, the key being all that follows the first colon; empty lines and those that begin with # are left out.

    Raises Misconfigured, which names the line and never shows it. A file without any key counts as one that is not written yet.

    >>> [guest.tenant for guest in guests_in("# staff\\nacme:long-enough\\n\\nglobex:its:own-key\\n")]
    ['acme', 'globex']
    """
    found: list[Guest] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if (bare := line.strip()) and not bare.startswith("#"):
            found.append(_guest(bare, f"line {number} cannot be used", setting=FILE_SETTING))
    if not found:
        raise Misconfigured(FILE_SETTING, "there is no key in the file", accepted=_ACCEPTED[FILE_SETTING])
    return found


_ACCEPTED = {
    SETTING: f"tenant:key,tenant2:key2 with keys of {MIN_KEY_CHARS} characters or more",
    FILE_SETTING: f"a line name:key for each, with keys of {MIN_KEY_CHARS} characters or more; # begins a comment",
}


def _guest(pair: str, problem: str, *, setting: str = SETTING) -> Guest:
    tenant, colon, key = pair.partition(":")
    tenant, key = tenant.strip(), key.strip()
    if not (colon and tenant and len(key) >= MIN_KEY_CHARS):
        raise Misconfigured(setting, problem, accepted=_ACCEPTED[setting])
    return Guest(tenant, _digest(key))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
