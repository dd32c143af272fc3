"""What all models that somebody else runs have in common: time limits, repeats, refusals, and answers that break off."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
import structlog

from voicemind.errors import ProviderError, ProviderRefused
from voicemind.llm.contract import Ask, Finished, Piece, TextDelta, ToolCall
from voicemind.llm.door import Door, refusal_of
from voicemind.llm.refusals import Failed, Problem, meaning, named_delay_s, objection, refused, unavailable
from voicemind.llm.sse import Event, SseParser
from voicemind.llm.stops import Cutter

log = structlog.get_logger(__name__)

LONGEST_ANSWER = 2_000_000
"""Characters after which an answer is cut; the longest that any model writes has half of that."""

REPEATS = 2
FIRST_DELAY_S = 0.25
END_S = 0.1
"""How long the end of a response may take after the last event of its answer."""

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a service may take for its first byte, in seconds: where a person waits, and where nobody does.

    `silence_s` holds between two packets of an answer that has begun; the services send signs of life more often.
    """

    urgent_s: float = 4
    idle_s: float = 120
    silence_s: float = 15


class Reader(Protocol):
    """Understands the events of one answer."""

    finished: Finished | None
    """Why the answer ended, as soon as the service has said so."""
    over: bool
    """Whether nothing worth reading follows."""

    def read(self, event: Event) -> Sequence[TextDelta | ToolCall]:
        """What an event adds. Raises ProviderError for what the service says went wrong, ValueError for what is no event of its."""
        ...


class Service(Protocol):
    """One kind of wire."""

    provider: str
    optional: Mapping[str, int]
    """Fields that a request can do without, and how many forms each has, the strictest first."""

    def fields(self, ask: Ask, refused: Mapping[str, int]) -> Fields:
        """The request; `refused` says how many forms of an optional field the model has refused."""
        ...

    def reader(self) -> Reader:
        """A reader for one answer."""
        ...


class Upstream:
    """Asks a service until it answers or the time is over.

    Repeated at most twice, and only while nothing was said: what is overloaded (429, 5xx) after the pause that the service
    names, a broken connection at once. A request whose optional field a model refuses is sent without it. All later ones are too where
    the service says that the model does not know the field, and answers without it: what one asks must not change the answers to others.
    """

    def __init__(self, service: Service, door: Door, *, patience: Patience) -> None:
        self._service = service
        self._door = door
        self._provider = service.provider
        self._patience = patience
        self._refused: dict[str, int] = {}

    async def stream(self, ask: Ask) -> AsyncGenerator[Piece]:
        """See the contract."""
        own_s = self._patience.urgent_s if ask.urgent else self._patience.idle_s
        budget = _Budget(own_s if ask.within_s is None else min(own_s, ask.within_s))
        without = _Without(dict(self._refused))
        while True:
            said = False
            try:
                async with aclosing(self._attempt(ask, budget, without)) as pieces:
                    async for piece in pieces:
                        said = True
                        yield piece
                return
            except Failed as failed:
                delay_s = math.inf if said else budget.delay_s(failed)
                if delay_s == math.inf:
                    raise failed.error from failed.__cause__
            await anyio.sleep(delay_s)

    async def _attempt(self, ask: Ask, budget: _Budget, without: _Without) -> AsyncGenerator[Piece]:
        parser, reader, cutter = SseParser(), self._service.reader(), Cutter(ask.stop)
        size = 0
        async with AsyncExitStack() as stack:
            packets, chunk = await self._opened(ask, budget, without, stack=stack)
            while True:
                pieces, failed = self._read(parser, reader, chunk)
                for piece in cutter.feed(pieces):
                    size += len(piece.text) if isinstance(piece, TextDelta) else len(piece.arguments)
                    yield piece
                if failed is not None:
                    raise failed
                if not chunk or reader.over or cutter.over or size > LONGEST_ANSWER:
                    break
                chunk = await self._next(packets)
            if reader.over and not packets.at_eof():
                await self._drain(packets)
        if text := cutter.rest():
            yield TextDelta(text)
        if size > LONGEST_ANSWER:
            yield Finished("length")
        elif cutter.over:
            yield reader.finished if reader.finished else Finished()
        elif reader.finished is None:
            raise Failed(unavailable(self._provider, "broke off in the middle of its answer"))
        else:
            yield reader.finished

    async def _opened(
        self, ask: Ask, budget: _Budget, without: _Without, *, stack: AsyncExitStack
    ) -> tuple[Any, bytes]:
        """Ask; comes back with the body of the answer as aiohttp gives it, and its first bytes. After these, the connection's own limit holds."""
        fields = self._service.fields(ask, without.forms)
        silence_s = max(self._patience.silence_s, budget.limit_s)
        try:
            with anyio.fail_after(budget.left_s):
                sent = self._door.post(fields, connect_s=budget.limit_s, silence_s=silence_s)
                response = await stack.enter_async_context(sent)
                if response.status < 300:
                    self._learn(without)
                    return response.content, await self._next(response.content)
                body = await refusal_of(response)
        except TimeoutError:
            raise Failed(unavailable(self._provider, "did not answer in time")) from None
        except self._door.faults:
            raise Failed(unavailable(self._provider, "cannot be reached"), delay_s=0) from None
        except ValueError:  # what is asked cannot be written; the error would quote it
            raise Failed(refused(self._provider, "to be asked this"), delay_s=math.inf) from None
        raise self._failed(response, Problem.of(body), fields, without=without)

    async def _next(self, packets: Any) -> bytes:
        """All bytes that have come in; empty at the end."""
        try:
            chunk: bytes = await packets.readany()
        except TimeoutError:
            raise Failed(unavailable(self._provider, "did not answer in time")) from None
        except self._door.faults:
            raise Failed(unavailable(self._provider, "broke off in the middle of its answer"), delay_s=0) from None
        return chunk

    async def _drain(self, packets: Any) -> None:
        """Read to the end of what is over, so that the connection serves the next question: a new one costs more than the wait."""
        with suppress(*self._door.faults), anyio.move_on_after(END_S):
            while await packets.readany():
                pass

    def _read(
        self, parser: SseParser, reader: Reader, chunk: bytes
    ) -> tuple[list[TextDelta | ToolCall], Failed | None]:
        """What these bytes add, and what went wrong after it. At the end, what was still open is read as far as it can be."""
        said: list[TextDelta | ToolCall] = []
        try:
            for event in parser.feed(chunk) if chunk else parser.end():
                said.extend(reader.read(event))
        except ProviderError as error:
            return said, Failed(error, delay_s=math.inf if isinstance(error, ProviderRefused) else None)
        except (ValueError, RecursionError):
            if chunk:
                problem = unavailable(self._provider, "sent something that is no answer")
                return said, Failed(problem, delay_s=math.inf)
        return said, None

    def _failed(self, response: Any, problem: Problem, fields: Fields, *, without: _Without) -> Failed:
        if response.status in {400, 422} and (name := self._objected(problem, fields, without.forms)):
            kind = objection(problem)
            if kind == "value":
                return Failed(refused(self._provider, f"the value of {name} in the request"), delay_s=math.inf)
            without.forms[name] = without.forms.get(name, 0) + 1
            if kind == "always":
                without.always.add(name)
            return Failed(refused(self._provider, "the request"), delay_s=0, counts=False)
        found = meaning(self._provider, response.status, problem)
        is_final = isinstance(found, ProviderRefused)
        return Failed(found, delay_s=math.inf if is_final else named_delay_s(response.headers))

    def _learn(self, without: _Without) -> None:
        """The model has answered; so it was right that it does not know these fields."""
        for name in without.always:
            if without.forms[name] > self._refused.get(name, 0):
                self._refused[name] = without.forms[name]
                log.warning("a model does not take this field", provider=self._provider, field=name)

    def _objected(self, problem: Problem, fields: Fields, gone: Mapping[str, int]) -> str:
        """The optional field that the model does not take; empty where it is something else."""
        open_to = {name for name, forms in self._service.optional.items() if gone.get(name, 0) < forms}
        if problem.param:
            named = problem.param.split(".")[0]
            return named if named in fields.keys() & open_to else ""
        return next((name for name in sorted(fields.keys() & open_to, key=len) if name in problem.message), "")


@dataclass(frozen=True, slots=True)
class _Without:
    """What one question goes without: how many forms of a field, and of which fields because the model knows none such."""

    forms: dict[str, int]
    always: set[str] = field(default_factory=set[str])


class _Budget:
    """The time that one question may take until its answer begins, repeats included."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._until = anyio.current_time() + limit_s
        self._repeats = 0

    @property
    def left_s(self) -> float:
        return max(self._until - anyio.current_time(), 0)

    def delay_s(self, failed: Failed) -> float:
        """The pause before the next attempt; infinite where there is none."""
        delay_s = FIRST_DELAY_S * 2**self._repeats if failed.delay_s is None else failed.delay_s
        if failed.counts:
            self._repeats += 1
        return math.inf if self._repeats > REPEATS or delay_s >= self.left_s else delay_s
