"""What happens in a conversation, as the messages that tell a client of it. Pure."""

from __future__ import annotations

from voicemind.channels.browser import events, frames
from voicemind.engines import contract as happening

SOFT_GAIN = 0.3
"""How loud a reply goes on while the person may be speaking."""


def frame(event: happening.Event, *, timestamp_ms: int, binary: bool, sequence: int | None = None) -> str | bytes:
    """One happening as it travels: sound in a binary frame where the client takes those, everything else in a message."""
    if not isinstance(event, happening.AgentSound):
        return events.serialise(message(event), timestamp_ms=timestamp_ms, sequence=sequence)
    if binary:
        return frames.server_audio(event.pcm, generation=event.generation, position=event.position)
    chunk = events.audio_chunk(event.pcm, generation=event.generation, position=event.position)
    return events.serialise(chunk, timestamp_ms=timestamp_ms)


def message(event: happening.Event) -> events.Event:  # noqa: C901, PLR0911 - one line for each event
    """The message of a happening that is no sound."""
    match event:
        case happening.StateChanged(state):
            return events.State(state=state)
        case happening.PartialWords(text):
            return events.Transcript(text=text, final=False)
        case happening.UserTurn(turn, identity):
            return events.Transcript(text=turn.generated, final=True, turn=turn.seq, id=identity)
        case happening.AgentText(generation, text):
            return events.AgentResponse(text=text, final=False, generation=generation)
        case happening.AgentTurn(generation, turn):
            text = turn.generated if turn.heard is None else turn.heard
            return events.AgentResponse(
                text=text, final=True, generation=generation, interrupted=turn.interrupted, turn=turn.seq
            )
        case happening.Hushed(generation, heard):
            return events.Interrupted(generation=generation, heard=heard)
        case happening.Ducked(generation, is_soft):
            return events.Ducked(generation=generation, gain=SOFT_GAIN if is_soft else 1.0)
        case happening.ToolCalled(call_id, tool, arguments, status, ms):
            return events.ToolCall(call_id=call_id, tool_name=tool, arguments=arguments, status=status, ms=ms)
        case happening.TurnTimed(generation, timings_ms):
            return events.Timed(generation=generation, timings_ms=timings_ms)
        case happening.Trouble(code, message):
            return events.Error(message=message, code=code)
        case happening.Over(conversation_id, reason, turns):
            return events.Complete(conversation_id=conversation_id, reason=reason, turns=turns)
        case happening.AgentSound():
            raise AssertionError("sound has its own frame")
