"""The embedded language model: answers on this machine's own processor, one at a time, whoever waits first."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from voicemind.errors import Misconfigured, ProviderError, ProviderRefused, ProviderUnavailable
from voicemind.llm.contract import Ask, Finished, Message, Piece, TextDelta, ToolCall, Usage
from voicemind.llm.local_tools import Answer, request
from voicemind.models.catalog import Model, located
from voicemind.models.llama import Llama

_MIND_MIB = 48
"""Memory that keeps one mind read: about 1,700 tokens of the default model, at 28 KiB each."""


class LocalLlm:
    """llama.cpp in this process, in a thread of its own.

    One answer is generated at a time: two at once slow each other down more than waiting does, and one of them would
    have to read its whole prompt again. Urgent asks are served in the order in which they come. What is not urgent runs
    only while none is open, is broken off when one arrives, and begins again afterwards.
    """

    def __init__(
        self, *, model: Model, cache_dir: Path, context_tokens: int = 4096, threads: int = 0, warm_minds: int = 8
    ) -> None:
        """`threads` 0 takes as many as there are cores; `warm_minds` prompts stay in memory, already read."""
        self.name = model.name
        self.context_tokens = context_tokens
        self._model = model
        self._cache_dir = cache_dir
        self._threads = threads or _cores()
        self._cache_mib = warm_minds * _MIND_MIB
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="llama")
        self._slot = _Slot()
        self._run: _Run | None = None
        self._llama: Llama | None = None

    async def start(self) -> None:
        """Load the weights. Raises Misconfigured where they have not been pulled.

        The library holds the interpreter for some seconds meanwhile, event loop included: load before serving.
        """
        path = await to_thread.run_sync(located, self._model, self._cache_dir)
        if path is None:
            problem = f"{self.name} has not been downloaded yet; run `voicemind models pull`"
            raise Misconfigured("VOICEMIND_LLM_MODEL", problem)
        self._llama = await asyncio.get_running_loop().run_in_executor(self._worker, self._load, path)

    async def stream(self, ask: Ask) -> AsyncGenerator[Piece]:
        """Answer, piece by piece; what is not urgent comes in one piece when it is complete."""
        if not ask.urgent:
            for piece in await self._patiently(ask):
                yield piece
            return
        if self._run is not None and not self._run.urgent:
            self._run.leave()
        await self._slot.take(urgent=True)
        run = self._begin(ask)
        try:
            while (said := await run.next()) is not None:
                yield said
        finally:
            run.leave()
        if not run.finished:
            raise ProviderUnavailable("The embedded language model was stopped.", provider=self.name)

    async def warm(self, messages: tuple[Message, ...]) -> None:
        """Read this beginning into the cache. Gives way to urgent asks, and begins again after them."""
        await self._patiently(Ask(messages, max_tokens=1, temperature=0, urgent=False))

    async def aclose(self) -> None:
        """Break off what is running, wait for the thread and free the weights."""
        llama, self._llama = self._llama, None
        if self._run is not None:
            self._run.leave()
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._worker.shutdown)
            if llama is not None:
                await to_thread.run_sync(llama.close)

    async def _patiently(self, ask: Ask) -> list[Piece]:
        """The whole answer, begun again as often as an urgent ask breaks it off."""
        while True:
            await self._slot.take(urgent=False)
            if self._slot.wanted:
                self._slot.give()
                continue
            run = self._begin(ask)
            text: list[str] = []
            calls: list[ToolCall] = []
            try:
                while (piece := await run.next()) is not None:
                    match piece:
                        case TextDelta():
                            text.append(piece.text)
                        case ToolCall():
                            calls.append(piece)
                        case Finished():
                            return [*([TextDelta("".join(text))] if text else ()), *calls, piece]
            finally:
                run.leave()

    def _begin(self, ask: Ask) -> _Run:
        """Set the thread to work. It gives the slot back itself at its end: leaving an answer never waits for it."""
        if self._llama is None:
            self._slot.give()
            raise ProviderUnavailable("The embedded language model is not running.", provider=self.name)
        self._run = _Run(self._llama, ask, provider=self.name, on_end=self._ended)
        self._worker.submit(self._run.work)
        return self._run

    def _ended(self) -> None:
        self._run = None
        self._slot.give()

    def _load(self, path: Path) -> Llama:
        try:
            return Llama(path, context_tokens=self.context_tokens, threads=self._threads, cache_mib=self._cache_mib)
        except ImportError as error:
            problem = "the embedded model needs the extra `local`: pip install 'voicemind[local]'"
            raise Misconfigured("VOICEMIND_LLM", problem) from error
        except RuntimeError as error:
            problem = (
                f"{path} cannot be loaded; is there enough memory, and is `voicemind models list` content with it?"
            )
            raise ProviderUnavailable(problem, provider=self.name) from error


class _Slot:
    """The right to generate: held by one run at a time, handed to urgent ones first."""

    def __init__(self) -> None:
        self._held = False
        self._urgent: deque[anyio.Event] = deque()
        self._patient: deque[anyio.Event] = deque()

    @property
    def wanted(self) -> bool:
        """Whether somebody urgent waits for it."""
        return bool(self._urgent)

    async def take(self, *, urgent: bool) -> None:
        if not self._held:
            self._held = True
            return
        turn = anyio.Event()
        line = self._urgent if urgent else self._patient
        line.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self.give()
            else:
                line.remove(turn)
            raise

    def give(self) -> None:
        line = self._urgent or self._patient
        if line:
            line.popleft().set()
        else:
            self._held = False


class _Run:
    """One request: worked on in the thread, read on the event loop."""

    def __init__(self, llama: Llama, ask: Ask, *, provider: str, on_end: Callable[[], None]) -> None:
        self.urgent = ask.urgent
        self.finished = False
        self._llama = llama
        self._request = request(ask)
        self._answer = Answer(ask)
        self._provider = provider
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[Piece] = deque()  # bounded by the ask's max_tokens
        self._news = anyio.Event()
        self._over = False
        self._left = False
        self._failure: ProviderError | None = None
        self._cut = False

    def leave(self) -> None:
        """Nobody reads on: the thread stops at its next token, or its next step of the prompt."""
        self._left = True

    async def next(self) -> Piece | None:
        """The next piece; None at the end. Raises what the model refused or failed with."""
        while not self._pieces:
            if self._over:
                if self._failure is not None:
                    raise self._failure
                return None
            await self._news.wait()
            self._news = anyio.Event()
        return self._pieces.popleft()

    def work(self) -> None:
        """In the thread."""
        try:
            if not self._left:
                self._llama.chat(self._request, self._on_event)
        except ValueError:
            problem = "The embedded model cannot use this request (its JSON schema, or the order of its messages)."
            self._failure = ProviderRefused(problem, provider=self._provider)
        except RuntimeError:
            self._failure = ProviderUnavailable("The embedded model failed.", provider=self._provider)
        finally:
            self._tell(None)

    def _on_event(self, event: dict[str, Any]) -> bool:
        """In the thread, for every chunk."""
        if "error" in event:
            self._failure = self._failed(event["error"])
            return True
        for choice in event.get("choices", ()):
            self._cut = choice.get("finish_reason") == "length" or self._cut
            text = choice.get("delta", {}).get("content")
            if text and (said := self._answer.feed(text)) is not None:
                self._tell(said)
        usage = event.get("usage")
        if usage:
            self._end(_usage(usage))
        return self._left

    def _end(self, usage: Usage) -> None:
        """In the thread: a call, where one was written, and why the answer ended."""
        call = self._answer.call()
        if call is not None:
            self._tell(call)
        self._tell(Finished("tool_calls" if call else "length" if self._cut else "stop", usage))

    def _tell(self, piece: Piece | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._arrived, piece)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            self._left = True

    def _arrived(self, piece: Piece | None) -> None:
        """On the event loop; None is the end."""
        if piece is None:
            self._over = True
            self._on_end()
        else:
            self.finished = isinstance(piece, Finished)
            self._pieces.append(piece)
        self._news.set()

    def _failed(self, error: dict[str, Any]) -> ProviderError:
        if error.get("type") == "exceed_context_size_error":
            problem = f"The prompt has {error.get('n_prompt_tokens')} tokens, the context holds {error.get('n_ctx')}."
            return ProviderRefused(problem, provider=self._provider)
        if error.get("code") == 400:
            return ProviderRefused("The embedded model refused the request.", provider=self._provider)
        return ProviderUnavailable("The embedded model failed.", provider=self._provider)


def _usage(usage: dict[str, Any]) -> Usage:
    cached = usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    return Usage(prompt=usage["prompt_tokens"], cached=cached, completion=usage["completion_tokens"])


def _cores() -> int:
    """Those that this process may use; a container often has fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
