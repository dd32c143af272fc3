"""Who may come in: keys, the cookies that the page gets for a key, single-use tickets for sockets, and which hosts and origins count."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from typing import Self
from urllib.parse import urlsplit

import anyio
import structlog
from anyio import to_thread

from voicemind.clock import monotonic_s
from voicemind.config import LOOPBACK, Settings
from voicemind.errors import Misconfigured
from voicemind.ops.keys import SETTING, Guest, Keys
from voicemind.ops.keys_file import KeysFile, Settled

log = structlog.get_logger(__name__)

COOKIE = "voicemind_session"
COOKIE_LIFE_S = 12 * 3600
TICKET_LIFE_S = 60
MAX_TOKENS = 10_000
LOOK_EVERY_S = 1.0
"""How often the file of keys is looked at; what has changed is read once it has stayed as it is for as long."""

Revoked = Callable[[frozenset[Guest]], None]


class Tokens:
    """Random names that stand for a guest for a while: cookies, and with `single_use` tickets."""

    def __init__(self, *, life_s: float, single_use: bool) -> None:
        self._life_s = life_s
        self._single_use = single_use
        self._owners: dict[str, tuple[Guest, float]] = {}

    def issue(self, guest: Guest) -> str:
        """A new token."""
        now = monotonic_s()
        if len(self._owners) >= MAX_TOKENS:
            self._owners = {token: owner for token, owner in self._owners.items() if owner[1] > now}
            while len(self._owners) >= MAX_TOKENS:
                self._owners.pop(next(iter(self._owners)))
        token = secrets.token_urlsafe(32)
        self._owners[token] = (guest, now + self._life_s)
        return token

    def void(self, gone: frozenset[Guest]) -> None:
        """Those of these guests stand for nobody any more."""
        self._owners = {token: owner for token, owner in self._owners.items() if owner[0] not in gone}

    def guest_of(self, token: str) -> Guest | None:
        """Whose it is; None for one that is unknown, expired or used up."""
        owner = self._owners.pop(token, None) if self._single_use else self._owners.get(token)
        return owner[0] if owner and owner[1] > monotonic_s() else None


class Guests:
    """Everybody who may come in: by key, by the cookie that the page got for one, or by a ticket for one socket.

    Raises Misconfigured for a server without keys that others than this machine could reach, and for a file of keys that cannot be used.
    """

    def __init__(self, keys: Keys, *, host: str, loopback: bool, file: KeysFile | None = None) -> None:
        if not loopback and not keys:
            raise Misconfigured(
                SETTING,
                f"the server would listen on {host} without keys",
                accepted="tenant:key,tenant2:key2, or VOICEMIND_HOST=127.0.0.1",
            )
        self.keys = keys
        self._cookies = Tokens(life_s=COOKIE_LIFE_S, single_use=False)
        self._tickets = Tokens(life_s=TICKET_LIFE_S, single_use=True)
        self._on_revocation: list[Revoked] = []
        self._file = file
        if file is not None:
            self._settled = Settled(file.stamp())
            keys.replace(file.read())

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of the settings and of the file that they name."""
        file = KeysFile(settings.api_keys_file) if settings.api_keys_file else None
        keys = Keys(settings.api_keys.get_secret_value(), has_file=file is not None)
        return cls(keys, host=settings.host, loopback=settings.is_loopback, file=file)

    def cookie(self, guest: Guest) -> str:
        """A new one, for the page of this guest."""
        return self._cookies.issue(guest)

    def ticket(self, guest: Guest) -> str:
        """A new one, for a socket of this guest."""
        return self._tickets.issue(guest)

    def by_cookie(self, token: str) -> Guest | None:
        """Who got it; None where it or its key is not valid any more."""
        return self._still(self._cookies.guest_of(token))

    def by_ticket(self, token: str) -> Guest | None:
        """Who got it; None where it was used, or its key is not valid any more."""
        return self._still(self._tickets.guest_of(token))

    def may_stay(self, guest: Guest) -> bool:
        """Whether the key that let them in still does."""
        return not self.keys or guest in self.keys

    def when_revoked(self, tell: Revoked) -> None:
        """Have this called with those whose keys were taken away."""
        self._on_revocation.append(tell)

    async def watch(self) -> None:
        """Read the file again whenever it has changed; while it cannot be used, the keys stay as they were. Returns at once where there is none."""
        if self._file is None:
            return
        problem = ""
        while True:
            await anyio.sleep(LOOK_EVERY_S)
            has_changed = self._settled.look(await to_thread.run_sync(self._file.stamp))
            if not (has_changed or problem):
                continue
            try:
                self._renew(await to_thread.run_sync(self._file.read))
                problem = ""
            except Misconfigured as error:
                if str(error) != problem:
                    log.error("the file of keys cannot be used; the keys stay as they were", why=str(error))
                problem = str(error)

    def _renew(self, filed: Collection[Guest]) -> None:
        gone = self.keys.replace(filed)
        log.info("keys were read again", keys=len(self.keys), gone=len(gone))
        self._cookies.void(gone)
        self._tickets.void(gone)
        for tell in self._on_revocation if gone else ():
            tell(gone)

    def _still(self, guest: Guest | None) -> Guest | None:
        return guest if guest and self.may_stay(guest) else None


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
