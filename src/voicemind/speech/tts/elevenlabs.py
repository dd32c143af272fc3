"""ElevenLabs' voices, over sockets that are kept, with marks that say where in the text they are."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import anyio
import uuid_utils
from anyio import to_thread

from voicemind.errors import ProviderError, ProviderRefused
from voicemind.speech.elevenlabs import PROVIDER, Account, broken, closed, decoded
from voicemind.speech.hosted import SILENCE_S, Budget, Failed, refused, unavailable
from voicemind.speech.tts.contract import Sounding
from voicemind.speech.tts.elevenlabs_wire import SPEEDS, Spoken, beginning, context_of, ending, is_final

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_MOST_KEPT = 8
"""Sockets that are kept open while nobody speaks."""
_MOST_OPEN = 3
"""Interrupted texts that a socket may still be at; the service allows five contexts, and ends the socket with the sixth."""
_LONG_CHARS = 300
"""An interrupted text of which more is left is ended with its socket: the service goes on with what it was told to say, at a price."""
_IDLE_S = "180"
_GOODBYE_S = 0.5


@dataclass(slots=True)
class _Line:
    """A socket to one voice, used by one text at a time."""

    socket: ClientConnection
    voice: str
    is_used: bool = False
    interrupted: set[str] = field(default_factory=set[str])


class ElevenLabsTts:
    """Any voice that the account may use, by its id; `voice` where none is named."""

    name = PROVIDER
    languages: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    speeds = SPEEDS

    def __init__(
        self, account: Account, *, voice: str, model: str = "eleven_flash_v2_5", rate_hz: int = 24_000
    ) -> None:
        self.rate_hz = rate_hz
        self._account = account
        self._voice = voice
        self._query = {
            "model_id": model,
            "output_format": f"pcm_{rate_hz}",
            "inactivity_timeout": _IDLE_S,
            "auto_mode": "true",
            "sync_alignment": "true",
        }
        self._kept: list[_Line] = []

    async def start(self) -> None:
        """Import the library; nothing is asked yet."""
        await to_thread.run_sync(import_module, "websockets.asyncio.client")

    async def speak(self, text: str, *, voice: str | None = None, speed: float = 1.0) -> AsyncGenerator[Sounding]:
        """See the contract. A voice that breaks off is asked once to go on from the last whole word."""
        spoken, budget, has_gone_on = Spoken(text, self.rate_hz), Budget(self._account.limit_s), False
        while not spoken.is_over:
            try:
                async with aclosing(self._attempt(spoken, voice or self._voice, budget, speed=speed)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except Failed as failed:
                if spoken.has_sounded:
                    if has_gone_on or not spoken.has_marks or isinstance(failed.error, ProviderRefused):
                        raise failed.error from None
                    has_gone_on, budget = True, Budget(self._account.limit_s)
                delay_s = budget.delay_s(failed)
                if delay_s == math.inf:
                    raise _named(failed, voice or self._voice) from None
            await anyio.sleep(delay_s)
            spoken.again()

    async def aclose(self) -> None:
        """Close the sockets that are kept."""
        kept, self._kept = self._kept, []
        for line in kept:
            await closed(line.socket)

    async def _attempt(self, spoken: Spoken, voice: str, budget: Budget, *, speed: float) -> AsyncGenerator[Sounding]:
        """Say the rest over one socket."""
        from websockets.exceptions import ConnectionClosed

        line = await self._leased(voice, budget)
        context, is_over, is_fit = uuid_utils.uuid7().hex, False, len(spoken.rest) <= _LONG_CHARS
        try:
            for message in beginning(context, spoken.rest, speed=speed):
                await line.socket.send(message)
            limit_s = budget.left_s
            while not is_over:
                told = await self._next(line, context, limit_s)
                limit_s = SILENCE_S
                for piece in spoken.heard(told):
                    yield piece
                is_over = is_final(told)
        except ConnectionClosed as error:
            failed = broken(error, self._account)
            failed.counts = not line.is_used or spoken.has_sounded
            raise failed from None
        except Failed:
            is_fit = False
            raise
        finally:
            await self._given_back(line, context, is_over=is_over, is_fit=is_fit or is_over)

    async def _next(self, line: _Line, context: str, limit_s: float) -> dict[str, Any]:
        """The next message about this context; those about interrupted ones come late, and go unheard."""
        try:
            with anyio.fail_after(limit_s):
                while True:
                    message = decoded(await line.socket.recv())
                    if code := message.get("error"):
                        raise self._account.told(str(code))
                    about = context_of(message) or context
                    if about == context:
                        return message
                    if is_final(message):
                        line.interrupted.discard(about)
        except TimeoutError:
            raise Failed(unavailable(PROVIDER, "did not answer in time")) from None

    async def _leased(self, voice: str, budget: Budget) -> _Line:
        """A kept socket of this voice, the one used last, or a new one."""
        from websockets.protocol import State

        for line in reversed(self._kept):
            if line.voice == voice:
                self._kept.remove(line)
                if line.socket.state is State.OPEN:
                    line.is_used = True
                    return line
                await closed(line.socket)
        path = ("v1", "text-to-speech", voice, "multi-stream-input")
        return _Line(await self._account.opened(path, self._query, within_s=budget.left_s), voice)

    async def _given_back(self, line: _Line, context: str, *, is_over: bool, is_fit: bool) -> None:
        """Keep the socket where it can still be used; a context that is not over is closed at once."""
        from websockets.exceptions import ConnectionClosed
        from websockets.protocol import State

        if not is_over:
            line.interrupted.add(context)
            with anyio.CancelScope(shield=True), anyio.move_on_after(_GOODBYE_S), suppress(ConnectionClosed):
                await line.socket.send(ending(context))
        if (
            not is_fit
            or len(line.interrupted) > _MOST_OPEN
            or line.socket.state is not State.OPEN
            or len(self._kept) >= _MOST_KEPT
        ):
            await closed(line.socket)
        else:
            self._kept.append(line)


def _named(failed: Failed, voice: str) -> ProviderError:
    """Which voice it was that the service does not know."""
    if "voice" in failed.code:
        return refused(PROVIDER, f"the voice {voice!r}: it knows no such voice")
    return failed.error
