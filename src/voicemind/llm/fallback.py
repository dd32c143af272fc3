"""Several models as one: where the first cannot answer in time, the next is asked, as long as nothing was said."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import anyio
import structlog

from voicemind.errors import ProviderError, ProviderRefused, ProviderUnavailable
from voicemind.llm.contract import Ask, Llm, Message, Piece
from voicemind.llm.hosted import Patience
from voicemind.ops import metrics

log = structlog.get_logger(__name__)

CHARS_A_TOKEN = 3
"""Fewer than English text has on average, so that what is shortened surely fits."""


class FallbackLlm:
    """Asks one model after the other until one begins to answer. Where none does, the first error that will not pass by itself is told, else the first.

    All of them together have the time that one model alone would have: each may take half of what is left, and the last one the rest.
    """

    def __init__(self, llms: Sequence[Llm], *, patience: Patience = Patience(), waits: bool = False) -> None:  # noqa: B008 - frozen
        """`waits` lets the last model take as long as it needs: an embedded one reads for some seconds before it speaks, and nobody comes after it."""
        self.name = llms[0].name
        self.context_tokens = llms[0].context_tokens
        self._llms = tuple(llms)
        self._patience = patience
        self._waits = waits

    async def start(self) -> None:
        """Start all of them, one after the other."""
        for llm in self._llms:
            await llm.start()

    async def stream(self, ask: Ask) -> AsyncGenerator[Piece]:
        """See the contract."""
        until = anyio.current_time() + (self._patience.urgent_s if ask.urgent else self._patience.idle_s)
        errors: list[ProviderError] = []
        for at, llm in enumerate(self._llms):
            said = False
            question = ask if at == 0 else shortened(ask, context_tokens=llm.context_tokens)
            try:
                async with aclosing(_begun(llm, question, within_s=self._time_for(at, until))) as pieces:
                    async for piece in pieces:
                        said = True
                        yield piece
                _count(errors)
                return
            except ProviderError as error:
                if said:
                    raise
                errors.append(error)
                log.warning("a model did not answer", model=llm.name, code=error.code, is_last=llm is self._llms[-1])
        told = _meaningful(errors)
        _count([error for error in errors if error is not told])
        raise told

    async def warm(self, messages: tuple[Message, ...]) -> None:
        """Have the first one that can be reached read this beginning: the others are asked rarely."""
        errors: list[ProviderError] = []
        for llm in self._llms:
            try:
                await llm.warm(messages)
            except ProviderError as error:
                errors.append(error)
            else:
                return
        raise _meaningful(errors)

    async def aclose(self) -> None:
        """Close all of them."""
        for llm in self._llms:
            await llm.aclose()

    def _time_for(self, at: int, until: float) -> float:
        is_last = at == len(self._llms) - 1
        if is_last and self._waits:
            return math.inf
        left_s = max(until - anyio.current_time(), 0)
        return left_s if is_last else left_s / 2


def _meaningful(errors: Sequence[ProviderError]) -> ProviderError:
    return next((error for error in errors if isinstance(error, ProviderRefused)), errors[0])


def _count(errors: Sequence[ProviderError]) -> None:
    """Failures that nobody is told: who asks counts the others."""
    for error in errors:
        metrics.failed(error)


async def _begun(llm: Llm, ask: Ask, *, within_s: float) -> AsyncGenerator[Piece]:
    """The answer, if it begins in time."""
    if within_s < math.inf:
        ask = replace(ask, within_s=within_s)
    async with aclosing(llm.stream(ask)) as pieces:
        try:
            with anyio.fail_after(within_s):
                first = await anext(pieces)
        except TimeoutError:
            raise ProviderUnavailable(f"{llm.name} did not answer in time.", provider=llm.name) from None
        yield first
        async for piece in pieces:
            yield piece


def shortened(ask: Ask, *, context_tokens: int) -> Ask:
    """The ask for a model whose context may be smaller than that of the one it was made for: the oldest of the talk goes, never the person's last words."""
    limit = min(ask.max_tokens, context_tokens // 4)
    messages = ask.messages
    leading = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
    room = (context_tokens - limit) * CHARS_A_TOKEN - sum(len(message.content) for message in messages[:leading])
    last = next((at for at in range(len(messages) - 1, -1, -1) if messages[at].role == "user"), leading)
    start, size = leading, sum(_size(message) for message in messages[leading:])
    while size > room and start < last:
        size -= _size(messages[start])
        start += 1
    if start == leading:
        return replace(ask, max_tokens=limit)
    while start < last and messages[start].role == "tool":
        start += 1
    note = Message("user", f"[earlier messages left out: {start - leading}]")
    return replace(ask, messages=(*messages[:leading], note, *messages[start:]), max_tokens=limit)


def _size(message: Message) -> int:
    return len(message.content) + sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
