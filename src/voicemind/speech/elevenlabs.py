"""The way to ElevenLabs: one account, its sockets, and what its errors mean to us."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import anyio
import msgspec

from voicemind.errors import ProviderError, ProviderRefused, UpstreamAuth
from voicemind.speech.hosted import Failed, code_in, mapping, meaning, named_delay_s, refused, unavailable

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

PROVIDER = "elevenlabs"
BASE_URL = "https://api.elevenlabs.io"

_LARGEST_MESSAGE = 16 << 20
_GOODBYE_S = 0.5
_SCHEMES = {"https": "wss", "http": "ws"}
_LOG = logging.getLogger(f"{__name__}.socket")
_LOG.setLevel(logging.INFO)  # below that the library logs what is said, and the key

_KEY = frozenset({"auth_error", "invalid_api_key", "missing_api_key", "authentication_error", "needs_authorization"})
_TERMS = frozenset({"unaccepted_terms", "unaccepted_terms_error"})
_UNKNOWN = frozenset({"voice_not_found", "voice_id_does_not_exist", "invalid_voice_id", "voice_does_not_exist"})
_WRONG = frozenset(
    {
        "input_error",
        "invalid_request",
        "chunk_size_exceeded",
        "model_not_found",
        "unsupported_model",
        "invalid_model_id",
    }
)
_STATUSES = {"rate_limited": 429, "queue_overflow": 429, "resource_exhausted": 429, "system_busy": 429}


@dataclass(frozen=True, slots=True)
class Account:
    """Whose key is used where, whether the service may keep what it is sent, and how long it may take to begin, in seconds."""

    api_key: str = field(repr=False)
    base_url: str = BASE_URL
    keeps: bool = True
    limit_s: float = 4

    def address(self, path: tuple[str, ...], query: Mapping[str, str]) -> str:
        """A socket's address.

        >>> Account("k", "http://127.0.0.1:1/el/", keeps=False).address(("v1", "a b"), {"model_id": "m"})
        'ws://127.0.0.1:1/el/v1/a%20b?model_id=m&enable_logging=false'
        """
        parts = urlsplit(self.base_url)
        segments = (parts.path.rstrip("/"), *(quote(segment, safe="") for segment in path))
        asked = urlencode({**query, **({} if self.keeps else {"enable_logging": "false"})})
        return urlunsplit((_SCHEMES.get(parts.scheme, parts.scheme), parts.netloc, "/".join(segments), asked, ""))

    async def opened(self, path: tuple[str, ...], query: Mapping[str, str], *, within_s: float) -> ClientConnection:
        """An open socket. Raises Failed."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException

        try:
            with anyio.fail_after(within_s):
                return await connect(
                    self.address(path, query),
                    additional_headers={"xi-api-key": self.api_key},
                    compression=None,  # base64 of sound does not shrink
                    open_timeout=None,
                    close_timeout=_GOODBYE_S,
                    max_size=_LARGEST_MESSAGE,
                    logger=_LOG,
                )
        except TimeoutError:
            raise Failed(unavailable(PROVIDER, "did not answer in time")) from None
        except InvalidStatus as error:
            raise self._not_let_in(error.response) from None
        except (WebSocketException, OSError, ValueError):  # ValueError: a key that no header can hold
            raise Failed(unavailable(PROVIDER, "cannot be reached")) from None

    def _not_let_in(self, response: Any) -> Failed:
        code = code_in(bytes(response.body or b""))
        status: int = response.status_code
        if status == 403 and not self.keeps:
            return Failed(_no_zero_retention(), code=code)
        if code in _UNKNOWN or code in _WRONG:
            return Failed(problem(code), code=code)
        return Failed(meaning(PROVIDER, status, code), delay_s=named_delay_s(response.headers), code=code)

    def told(self, code: str) -> Failed:
        """What an error that comes over an open socket means."""
        if code in {"forbidden", "enterprise_required", "zero_retention_not_allowed"} and not self.keeps:
            return Failed(_no_zero_retention(), code=code)
        return Failed(problem(code), code=code)


def problem(code: str) -> ProviderError:
    """Our error for the service's own word for it.

    >>> type(problem("auth_error")).__name__, type(problem("transcriber_error")).__name__
    ('UpstreamAuth', 'ProviderUnavailable')
    """
    if code in _KEY:
        return UpstreamAuth("elevenlabs does not accept the key of this server.", provider=PROVIDER)
    if code in _TERMS:
        return refused(PROVIDER, "any request: the terms of this account have to be accepted on its website first")
    if code in _UNKNOWN:
        return refused(PROVIDER, "the request: it knows no such voice")
    if code in _WRONG:
        return refused(PROVIDER, "the request: it cannot use what it was asked, or knows no such model")
    return meaning(PROVIDER, _STATUSES.get(code, 500), code)


def broken(error: Exception, account: Account) -> Failed:
    """What it means that a socket closed: its reason sometimes begins with the word that an error would have had."""
    frame = getattr(error, "rcvd", None)
    reason = (getattr(frame, "reason", "") or "").strip().split(" ")[0].rstrip(":.,")
    failed = account.told(reason) if reason else None
    if failed is not None and isinstance(failed.error, ProviderRefused):
        return failed
    return Failed(unavailable(PROVIDER, "broke off in the middle of its answer"), delay_s=0, code="closed")


def decoded(message: str | bytes) -> dict[str, Any]:
    """One message. Raises Failed where it is none."""
    try:
        return mapping(msgspec.json.decode(message))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Failed(unavailable(PROVIDER, "sent something that is no message")) from None


async def closed(socket: ClientConnection) -> None:
    """Close it, whatever is going on; at most half a second."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(2 * _GOODBYE_S):
        await socket.close()


def _no_zero_retention() -> ProviderRefused:
    return refused(
        PROVIDER,
        "to keep nothing (403): zero retention is available on Enterprise plans only; set ELEVENLABS_ENABLE_LOGGING=true or change the plan",
    )
