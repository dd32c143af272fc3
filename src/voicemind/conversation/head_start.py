"""An answer that is begun while its question is on its way to the disk: the model takes longer than the disk, so it need not wait for it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from voicemind.conversation.generation import Generation
from voicemind.conversation.opening import Opened


class HeadStart:
    """A block that waits until the question is stored; `begin` is to be called in it, before that.

    Nothing of the answer may leave before the block does. Where the block fails, the answer is given up, and nothing of it is stored.
    """

    def __init__(self, start: Callable[[Opened], Generation | None], forget: Callable[[Opened], object]) -> None:
        """`start` makes the answer, where this is the moment for it; `forget` is told of one that is given up."""
        self._start, self._forget = start, forget
        self._opened: Opened | None = None
        self.generation: Generation | None = None
        """The answer, if it was begun."""

    def begin(self, opened: Opened) -> None:
        """The conversation is new, and not on the disk yet."""
        self._opened, self.generation = opened, self._start(opened)

    def __enter__(self) -> HeadStart:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self.generation is not None and self._opened is not None:
            self.generation.discard()
            self._forget(self._opened)
