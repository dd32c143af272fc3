"""Who may come in: keys, the cookies that the page gets for a key, single-use tickets for sockets, and which hosts and origins count."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

from voicemind.clock import monotonic_s
from voicemind.config import LOOPBACK
from voicemind.errors import Misconfigured

KEYLESS_TENANT = "default"
COOKIE = "voicemind_session"
COOKIE_LIFE_S = 12 * 3600
TICKET_LIFE_S = 60
MAX_TOKENS = 10_000


class Keys:
    """The keys of `tenant:key,tenant2:key2`. Raises Misconfigured where the text is something else."""

    def __init__(self, text: str) -> None:
        self._digests: list[tuple[bytes, str]] = []
        for pair in filter(None, (part.strip() for part in text.split(","))):
            tenant, colon, key = pair.partition(":")
            if not (colon and tenant.strip() and len(key.strip()) >= 8):
                raise Misconfigured(
                    "VOICEMIND_API_KEYS",
                    "a pair cannot be used",
                    accepted="tenant:key,tenant2:key2 with keys of 8 characters or more",
                )
            self._digests.append((_digest(key.strip()), tenant.strip()))

    def __bool__(self) -> bool:
        return bool(self._digests)

    @property
    def tenants(self) -> frozenset[str]:
        """Everybody who has a key; without keys, the one tenant there is."""
        return frozenset(tenant for _, tenant in self._digests) or frozenset({KEYLESS_TENANT})

    def digests_of(self, tenant: str) -> tuple[bytes, ...]:
        """Of the keys of this tenant, in their order."""
        return tuple(digest for digest, owner in self._digests if owner == tenant)

    def tenant_of(self, key: str) -> str | None:
        """Whose key it is; None for nobody's. Takes the same time whichever key is nearly right."""
        given, owner = _digest(key), None
        for digest, tenant in self._digests:
            if hmac.compare_digest(digest, given):
                owner = tenant
        return owner


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


class Tokens:
    """Random names that stand for a tenant for a while: cookies, and with `single_use` tickets."""

    def __init__(self, *, life_s: float, single_use: bool) -> None:
        self._life_s = life_s
        self._single_use = single_use
        self._owners: dict[str, tuple[str, float]] = {}

    def issue(self, tenant: str) -> str:
        """A new token."""
        now = monotonic_s()
        if len(self._owners) >= MAX_TOKENS:
            self._owners = {token: owner for token, owner in self._owners.items() if owner[1] > now}
            while len(self._owners) >= MAX_TOKENS:
                self._owners.pop(next(iter(self._owners)))
        token = secrets.token_urlsafe(32)
        self._owners[token] = (tenant, now + self._life_s)
        return token

    def tenant_of(self, token: str) -> str | None:
        """Whose it is; None for one that is unknown, expired or used up."""
        owner = self._owners.pop(token, None) if self._single_use else self._owners.get(token)
        return owner[0] if owner and owner[1] > monotonic_s() else None


class Guests:
    """Everybody who may come in: by key, by the cookie that the page got for one, or by a ticket for one socket.

    Raises Misconfigured for a server without keys that others than this machine could reach.
    """

    def __init__(self, keys: Keys, *, host: str, loopback: bool) -> None:
        if not loopback and not keys:
            raise Misconfigured(
                "VOICEMIND_API_KEYS",
                f"the server would listen on {host} without keys",
                accepted="tenant:key,tenant2:key2, or VOICEMIND_HOST=127.0.0.1",
            )
        self.keys = keys
        self.cookies = Tokens(life_s=COOKIE_LIFE_S, single_use=False)
        self.tickets = Tokens(life_s=TICKET_LIFE_S, single_use=True)


def host_is_ours(host: str, *, keyless: bool) -> bool:
    """Whether a request to this `Host` may be served: without keys only loopback names, so that no website can rebind its name to us."""
    return not keyless or _hostname(host) in LOOPBACK


def origin_is_ours(origin: str | None, host: str, *, allowed: Collection[str], keyless: bool) -> bool:
    """Whether a page of this `Origin` may call: our own, one on the allow-list, and without keys any page of this machine."""
    if origin is None or origin in allowed:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    return parts.hostname in LOOPBACK if keyless else parts.netloc.lower() == host.lower()


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
