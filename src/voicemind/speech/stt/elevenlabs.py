"""ElevenLabs' Scribe: understands many languages, over a socket, while they are spoken."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from voicemind.errors import ProviderError, leaves
from voicemind.speech.elevenlabs import PROVIDER, Account, broken, closed, decoded
from voicemind.speech.hosted import Budget, Failed, unavailable
from voicemind.speech.stt.elevenlabs_wire import Dictation

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_PATH = ("v1", "speech-to-text", "realtime")
_PATIENT = 3
"""A socket that breaks is replaced within so many times the time for a first answer."""


class ElevenLabsStt:
    """One socket for each utterance, opened when its first sound comes: it is there before the person has finished, and no word of an earlier one can come over it."""

    name = PROVIDER
    languages: tuple[str, ...] = ()

    def __init__(self, account: Account, *, model: str = "scribe_v2_realtime") -> None:
        self._account = account
        self._query = {"model_id": model, "audio_format": "pcm_16000", "commit_strategy": "manual"}

    async def start(self) -> None:
        """Import the library; nothing is asked yet."""
        await to_thread.run_sync(import_module, "websockets.asyncio.client")

    @asynccontextmanager
    async def utterance(self) -> AsyncGenerator[_Utterance]:
        """Open one utterance."""
        utterance = _Utterance(self._account, self._query)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(utterance.run)
                yield utterance
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:  # what its user raised, which is to come out as it is
            raise next(leaves(group)) from None

    async def aclose(self) -> None:
        """Nothing is kept open."""


class _Utterance:
    """Hands the sound over and takes the words in, beside its user, who waits for neither but at the end."""

    def __init__(self, account: Account, query: dict[str, str]) -> None:
        self._account = account
        self._query = query
        self._dictation = Dictation(account)
        self._fresh = anyio.Event()
        self._over = anyio.Event()
        self._error: ProviderError | None = None

    async def feed(self, samples: bytes) -> None:
        self._dictation.add(samples)
        self._fresh.set()

    async def partial(self) -> str:
        self._check()
        return self._dictation.text

    async def finish(self) -> str:
        dictation = self._dictation
        if not dictation.has_sound:
            return ""
        dictation.end()
        self._fresh.set()
        with anyio.move_on_after(self._account.limit_s):
            await self._over.wait()
        if not dictation.over and not dictation.is_nearly_whole:
            self._check()
            raise unavailable(PROVIDER, "did not answer in time")
        return dictation.text

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    async def run(self) -> None:
        """Until everything is committed, or cannot be."""
        await self._fresh.wait()
        budget, said = Budget(self._account.limit_s * _PATIENT), ""
        while True:
            failed = await self._told()
            if failed is None:
                break
            if self._dictation.text != said:  # it worked for a while: the next trouble is another one
                budget, said = Budget(self._account.limit_s * _PATIENT), self._dictation.text
            delay_s = budget.delay_s(failed)
            if delay_s == math.inf:
                self._error = failed.error
                break
            await anyio.sleep(delay_s)
            self._dictation.again()
        self._over.set()

    async def _told(self) -> Failed | None:
        """Over one socket; why it did not come to the end."""
        try:
            socket = await self._account.opened(_PATH, self._query, within_s=self._account.limit_s)
        except Failed as refusal:
            return refusal
        failed: Failed | None = None
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._tell, socket)
                failed = await self._hear(socket)
                tasks.cancel_scope.cancel()
        finally:
            await closed(socket)
        return failed

    async def _tell(self, socket: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        while not self._over.is_set():
            self._fresh = anyio.Event()
            while (message := self._dictation.next_message()) is not None:
                try:
                    await socket.send(message)
                except ConnectionClosed:  # the other side of it is told why
                    return
            await self._fresh.wait()

    async def _hear(self, socket: ClientConnection) -> Failed | None:
        from websockets.exceptions import ConnectionClosed

        try:
            while not self._dictation.over:
                self._dictation.hear(decoded(await socket.recv()))
        except ConnectionClosed as error:
            return broken(error, self._account)
        except Failed as failed:
            return failed
        return None
