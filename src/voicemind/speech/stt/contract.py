"""What a speech recogniser does, whoever provides it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, runtime_checkable


class Utterance(Protocol):
    """One stretch of speech being recognised. Calls come one after the other, never at once."""

    async def feed(self, samples: bytes) -> None:
        """More of it: 16-bit little-endian mono samples at 16 kHz, any length. Cheap: recognition happens in the two below."""
        ...

    async def partial(self) -> str:
        """The words so far, as far as they can be told; may change later. May be empty."""
        ...

    async def finish(self) -> str:
        """The words of the whole utterance; empty where nothing was said. The last call on this object."""
        ...


class Stt(Protocol):
    """A speech recogniser. `start` before the first utterance, `aclose` after the last; many utterances may be open at once."""

    name: str
    languages: tuple[str, ...]
    """The language codes that it understands, for example `("en",)`; empty means any."""

    async def start(self) -> None:
        """Load what has to be loaded. Raises ProviderUnavailable or Misconfigured."""
        ...

    def utterance(self) -> AbstractAsyncContextManager[Utterance]:
        """Open one utterance; leaving the context frees it, finished or not. Its calls raise ProviderUnavailable."""
        ...

    async def aclose(self) -> None:
        """Free everything; safe to call twice."""
        ...


@runtime_checkable
class WholePartials(Protocol):
    """What a recogniser has besides whose `partial` always is of everything that was fed: where nothing was said since, it is as good as `finish`."""

    whole_partials: Literal[True]
