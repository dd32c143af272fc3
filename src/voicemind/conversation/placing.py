"""What a request means for its conversation, beside those that came before it, and what is stored of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from anyio import to_thread

from voicemind.conversation.fillers import without_fillers
from voicemind.conversation.generation import Generation
from voicemind.conversation.transcript import Kind, Reconciled, reconcile
from voicemind.llm.contract import Finished, Message, Piece, TextDelta, ToolCall
from voicemind.mind.prompt import Channel
from voicemind.mind.reply import Situation
from voicemind.store.values import Call, NewTurn, Turn

LONG_TALK = 100
"""Turns from which on a request is compared with them in a thread: it takes milliseconds."""
MOST_SUPERSEDED = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """The fingerprints of a conversation's last request, and of those that later ones have revised."""

    last: int | None = None
    superseded: tuple[int, ...] = ()

    def then(self, request: int, *, kind: Kind) -> Asked:
        """The same after one more request."""
        revised = () if self.last is None or kind not in ("revised", "continuation") else (self.last,)
        others = [one for one in (*self.superseded, *revised) if one != request]
        return Asked(request, tuple(others[-MOST_SUPERSEDED:]))


NOTHING = Asked()


async def reconciled(
    stored: Sequence[Turn], situation: Situation, asked: Asked, current: Generation | None
) -> Reconciled:
    """What a request means; compared in a thread where there is much to compare with."""
    compare = partial(compared, stored, situation.history, asked, current, channel=situation.channel)
    return await to_thread.run_sync(compare) if len(stored) > LONG_TALK else compare()


def compared(
    stored: Sequence[Turn], messages: Sequence[Message], asked: Asked, current: Generation | None, *, channel: Channel
) -> Reconciled:
    """The same at once. `current` is the answer that is on its way."""
    return reconcile(
        stored,
        messages,
        pending=current.messages if current else None,
        spoken=without_fillers,
        superseded=asked.superseded,
        modality="speech" if channel == "voice" else "text",
    )


def turn_of(said: str, calls: tuple[ToolCall, ...], *, broke_off: bool) -> NewTurn:
    """What is stored of an answer. Of one that broke off nobody knows what was heard, and its calls were not made."""
    if broke_off:
        return NewTurn("agent", said, heard=None, interrupted=True)
    return NewTurn("agent", said, heard=said, calls=tuple(Call(call.id, call.name, call.arguments) for call in calls))


def repeated(turns: Sequence[Turn]) -> Generation:
    """The answer that was given before."""
    pieces: list[Piece] = [TextDelta(turn.generated) for turn in turns if turn.generated]
    calls = [ToolCall(call.id, call.name, call.arguments) for turn in turns for call in turn.calls]
    return Generation.given((*pieces, *calls, Finished("tool_calls" if calls else "stop")))
