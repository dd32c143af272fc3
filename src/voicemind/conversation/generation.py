"""One answer on its way: whoever asks the same thing joins it, and when nobody is left to take it, it is given up."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

import anyio
import structlog

from voicemind.errors import StorageUnavailable, Superseded, VoicemindError
from voicemind.llm.contract import Finished, Message, Piece, TextDelta, ToolCall

log = structlog.get_logger(__name__)

KEEP_LIMIT_S = 15.0
"""How long an answer may take to be stored, also where nobody waits for it any more: a database that is locked is waited for by the store itself."""

Keep = Callable[[str, tuple[ToolCall, ...], bool], Awaitable[None]]
"""Stores what was said, what is to be called, and whether it broke off."""


class Generation:
    """An answer to `messages`. `run` makes it, in a task of its own; `taken` gives it to as many as ask for it.

    Its pieces are kept until it is over: they are as many as the model's limit of tokens allows.
    """

    def __init__(self, messages: Sequence[Message] = ()) -> None:
        self.messages = tuple(messages)
        self.over = anyio.Event()
        """Set when nothing more will be said and what was said is stored."""
        self._pieces: list[Piece] = []
        self._error: Exception | None = None
        self._more = anyio.Event()
        self._takers = 0
        self._scope = anyio.CancelScope()
        self._is_discarded = False

    @classmethod
    def given(cls, pieces: Sequence[Piece]) -> Generation:
        """An answer that was made before; the last of `pieces` is a Finished."""
        generation = cls()
        generation._pieces.extend(pieces)
        generation.over.set()
        return generation

    async def run(self, answer: AsyncGenerator[Piece, None], keep: Keep) -> None:
        """Take the answer piece by piece and store it; the Finished is told only after that. Never raises but cancellation."""
        said: list[str] = []
        calls: list[ToolCall] = []
        finished: Finished | None = None
        try:
            with self._scope:
                async with aclosing(answer) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Finished):
                            finished = piece
                            break
                        if isinstance(piece, TextDelta):
                            said.append(piece.text)
                        else:
                            calls.append(piece)
                        self._tell(piece)
        except Exception as error:  # noqa: BLE001 - the boundary of a conversation: whoever takes the answer gets it
            self._error = error if isinstance(error, VoicemindError) else VoicemindError("Something went wrong here.")
            if error is not self._error:
                log.error("an answer failed", error=type(error).__name__)
        finally:
            with anyio.move_on_after(KEEP_LIMIT_S, shield=True) as limit:
                await self._store(keep, "".join(said), tuple(calls), broke_off=finished is None)
            if limit.cancelled_caught and self._error is None:
                self._error = StorageUnavailable("The answer could not be stored in time.")
            if finished is not None and self._error is None:
                self._tell(finished)
            elif self._error is None:
                self._error = Superseded("Something newer was said in this conversation.")
            self.over.set()
            self._more.set()

    async def taken(self, *, filler: str = "", after_s: float = math.inf) -> AsyncGenerator[Piece, None]:
        """Every piece from the first on, ending with the Finished; `filler` first, where there is nothing else for `after_s`.

        Iterate under `aclosing`; who leaves early gives the answer up unless others take it. Raises what the model raised, Superseded where
        the answer was stopped, StorageUnavailable where it could not be stored.
        """
        self._takers += 1
        at = 0
        try:
            if filler:
                with anyio.move_on_after(after_s):
                    await self._begun()
                if not self._pieces and self._error is None:
                    yield TextDelta(filler)
            while True:
                while at < len(self._pieces):
                    piece = self._pieces[at]
                    at += 1
                    yield piece
                    if isinstance(piece, Finished):
                        return
                if self._error is not None:
                    raise self._error
                await self._told_more()
        finally:
            self._takers -= 1
            if not self._takers:
                self.stop()

    @property
    def is_stopped(self) -> bool:
        """Whether it was given up: nobody may join it any more."""
        return self._scope.cancel_called

    def stop(self) -> None:
        """Have the model be silent; what was said until now is stored as broken off."""
        self._scope.cancel()

    def discard(self) -> None:
        """The same, and nothing of it is stored: it was made from what has been erased."""
        self._is_discarded = True
        self.stop()

    async def _begun(self) -> None:
        """Return as soon as there is something to take, or never will be."""
        while not self._pieces and self._error is None:
            await self._told_more()

    async def _told_more(self) -> None:
        """Return when something was told after this. An event is made for a wait, not for a piece: many pieces come at once."""
        if self._more.is_set():
            self._more = anyio.Event()
        await self._more.wait()

    async def _store(self, keep: Keep, said: str, calls: tuple[ToolCall, ...], *, broke_off: bool) -> None:
        try:
            if not self._is_discarded:
                await keep(said, calls, broke_off)
        except VoicemindError as error:
            if broke_off:  # nobody is left to be told
                log.warning("a broken-off answer was not kept", code=error.code)
            else:
                self._error = error

    def _tell(self, piece: Piece) -> None:
        self._pieces.append(piece)
        self._more.set()
