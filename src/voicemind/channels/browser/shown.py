"""What happens in a conversation, as the messages that tell a client of it. Pure."""

from __future__ import annotations

from voicemind.channels.browser import events, frames
from voicemind.engines import contract as happening
from voicemind.store.values import Turn

SOFT_GAIN = 0.3
"""How loud a reply goes on while the person may be speaking."""


Kept = tuple[events.Event, str, bool]
"""A message, what it is the newest state of (empty: of nothing), and whether it is the last one of that."""


def messages(event: happening.Event) -> tuple[Kept, ...]:
    """The messages of a happening that is no sound, in order."""
    match event:
        case happening.PartialWords(text):
            return ((events.Transcript(text=text, final=False), "transcript", False),)
        case happening.UserTurn(turn, identity):
            return (
                (events.Transcript(text=turn.generated, final=True, turn=turn.seq, id=identity), "transcript", True),
            )
        case happening.AgentText(generation, text):
            said = events.AgentResponse(text=text, final=False, generation=generation)
            return ((said, f"reply {generation}", False),)
        case happening.AgentTurn(generation, turn):
            return _ended(generation, turn)
        case _:
            return ((message(event), "", True),)


def message(event: happening.Event) -> events.Event:  # noqa: PLR0911 - one line for each event
    """The one message of a happening that is not about words."""
    match event:
        case happening.StateChanged(state):
            return events.State(state=state)
        case happening.Hushed(generation, heard):
            return events.Interrupted(generation=generation, heard=heard)
        case happening.Ducked(generation, is_soft):
            return events.Ducked(generation=generation, gain=SOFT_GAIN if is_soft else 1.0)
        case happening.ToolCalled(call_id, tool, arguments, status, ms):
            return events.ToolCall(call_id=call_id, tool_name=tool, arguments=arguments, status=status, ms=ms)
        case happening.TurnTimed(generation, timings_ms):
            return events.Timed(generation=generation, timings_ms=timings_ms)
        case happening.Trouble(code, words):
            return events.Error(message=words, code=code)
        case happening.Over(conversation_id, reason, turns):
            return events.Complete(conversation_id=conversation_id, reason=reason, turns=turns)
        case _:
            raise AssertionError("words and sound have messages of their own")


def sound(event: happening.AgentSound, *, timestamp_ms: int, binary: bool) -> str | bytes:
    """A piece of sound as it travels: in a binary frame where the client takes those."""
    if binary:
        return frames.server_audio(event.pcm, generation=event.generation, position=event.position)
    chunk = events.audio_chunk(event.pcm, generation=event.generation, position=event.position)
    return events.serialise(chunk, timestamp_ms=timestamp_ms)


def _ended(generation: int, turn: Turn) -> tuple[Kept, ...]:
    """How a reply ended: its words as they count, then what was heard of them and what was not."""
    text = turn.generated if turn.heard is None else turn.heard
    said = events.AgentResponse(
        text=text, final=True, generation=generation, interrupted=turn.interrupted, turn=turn.seq
    )
    heard = events.Heard(
        generation=generation,
        turn=turn.seq,
        text=text,
        unheard=unheard(turn.generated, text),
        interrupted=turn.interrupted,
    )
    return (said, f"reply {generation}", True), (heard, "", True)


def unheard(generated: str, heard: str) -> str:
    """The rest of a reply behind what was heard of it.

    >>> unheard("One two three.", "One two"), unheard("One.", "One."), unheard("*One* two.", "One")
    ('three.', '', 'two.')
    """
    rest = generated.strip()
    if rest.startswith(heard.strip()):
        return rest[len(heard.strip()) :].strip()
    return " ".join(generated.split()[len(heard.split()) :])
