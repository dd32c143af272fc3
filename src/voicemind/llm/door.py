"""The way to a service that somebody else runs: one address, the headers of its maker's library, and connections that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec

MOST_CONNECTIONS = 1000
LONGEST_REFUSAL = 64 << 10
"""Bytes of an error's body that are looked at."""


class Door:
    """Sends requests to one address, and knows what can go wrong on the way.

    The maker's library knows how to introduce itself and then prepares each request anew, which costs several times what sending it does:
    so it is asked once for its address and headers, and aiohttp, its own transport, is used as it is.
    """

    def __init__(self, url: str, headers: Mapping[str, Any]) -> None:
        """Proxies and certificates are those of the environment, as the libraries have it. Opens nothing yet. Needs the event loop."""
        import aiohttp
        import httpx2

        own = {
            name: value for name, value in headers.items() if isinstance(value, str)
        }  # the rest is marked as left out
        secure = url.startswith("https:")
        self._url = url
        self._timeout = aiohttp.ClientTimeout
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MOST_CONNECTIONS, ssl=httpx2.create_ssl_context() if secure else True),
            headers={**own, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=_proxy(url),
        )
        self._encode = msgspec.json.Encoder().encode
        self.faults: tuple[type[Exception], ...] = (aiohttp.ClientError, OSError)
        """What a connection that does not come about, or breaks, raises; what lasts too long raises TimeoutError."""

    def post(
        self, fields: Mapping[str, Any], *, connect_s: float, silence_s: float
    ) -> AbstractAsyncContextManager[Any]:
        """Send these fields as JSON; yields aiohttp's response."""
        timeout = self._timeout(sock_connect=connect_s, sock_read=silence_s)
        sent: AbstractAsyncContextManager[Any] = self._session.post(
            self._url, data=self._encode(fields), timeout=timeout
        )
        return sent

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()


async def refusal_of(response: Any) -> object:
    """The body of an error; None where it is no JSON."""
    try:
        return msgspec.json.decode(await response.content.read(LONGEST_REFUSAL))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for this address."""
    parts = urlsplit(url)
    proxies = getproxies()
    if not proxies or proxy_bypass(parts.hostname or ""):
        return None
    named = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{named}" if named and "://" not in named else named
