"""The way to OpenAI's audio interface, or to any server that has the same: one address, one key, and what its errors mean to us."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio

from voicemind.speech.hosted import (
    LONGEST_REFUSAL,
    SILENCE_S,
    Budget,
    Failed,
    code_in,
    meaning,
    named_delay_s,
    unavailable,
)

if TYPE_CHECKING:
    import httpx

PROVIDER = "openai"
BASE_URL = "https://api.openai.com/v1"
_MOST_CONNECTIONS = 100


class AudioDoor:
    """Sends requests below one address; connections are kept. Needs the event loop."""

    def __init__(self, *, base_url: str, api_key: str) -> None:
        """An empty key is not sent."""
        import httpx

        self._faults = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(SILENCE_S),
            verify=base_url.lower().startswith("https:"),  # reading the certificates takes a twentieth of a second
            limits=httpx.Limits(max_connections=_MOST_CONNECTIONS, max_keepalive_connections=8),
        )

    async def stream(self, path: str, *, within_s: float, **request: Any) -> AsyncGenerator[bytes]:
        """Post, and yield the bytes of the answer as they come, none empty. Repeated at most twice, until something came.

        Raises ProviderError.
        """
        budget = Budget(within_s)
        while True:
            has_come = False
            try:
                async with aclosing(self._attempt(path, request, budget)) as chunks:
                    async for chunk in chunks:
                        has_come = True
                        yield chunk
                return
            except Failed as failed:
                delay_s = math.inf if has_come else budget.delay_s(failed)
                if delay_s == math.inf:
                    raise failed.error from None
            await anyio.sleep(delay_s)

    async def _attempt(self, path: str, request: dict[str, Any], budget: Budget) -> AsyncGenerator[bytes]:
        response = await self._asked(path, request, budget)
        bytes_: Any = response.aiter_bytes()
        try:
            async with aclosing(bytes_) as packets:
                limit_s = budget.left_s
                while (packet := await self._next(packets, limit_s)) is not None:
                    if packet:
                        limit_s = SILENCE_S
                        yield packet
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    async def _asked(self, path: str, request: dict[str, Any], budget: Budget) -> httpx.Response:
        """An answer that is none of an error; its body is still to come."""
        try:
            with anyio.fail_after(budget.left_s):
                response = await self._client.send(self._client.build_request("POST", path, **request), stream=True)
                if response.status_code < 300:
                    return response
                try:
                    body = await _beginning(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise Failed(unavailable(PROVIDER, "did not answer in time")) from None
        except self._faults:
            raise Failed(unavailable(PROVIDER, "cannot be reached"), delay_s=0) from None
        code = code_in(body)
        raise Failed(meaning(PROVIDER, response.status_code, code), delay_s=named_delay_s(response.headers), code=code)

    async def _next(self, packets: Any, limit_s: float) -> bytes | None:
        try:
            with anyio.fail_after(limit_s):
                packet: bytes | None = await anext(packets, None)
                return packet
        except TimeoutError:
            raise Failed(unavailable(PROVIDER, "did not answer in time")) from None
        except self._faults:
            raise Failed(unavailable(PROVIDER, "broke off in the middle of its answer"), delay_s=0) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _beginning(response: httpx.Response) -> bytes:
    body = b""
    async for packet in response.aiter_bytes():
        body += packet
        if len(body) > LONGEST_REFUSAL:
            break
    return body
