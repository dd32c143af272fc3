"""Conversations as files: Markdown for people, and ElevenLabs' conversation object for programs that read those. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from voicemind.mind.plain import one_line
from voicemind.store.values import Call, Conversation, ConversationStatus, Turn

_LONGEST_TURN = 100_000
_STATUS: dict[ConversationStatus, str] = {
    "active": "in-progress",
    "detached": "in-progress",
    "ended": "processing",
    "reflected": "done",
    "failed": "done",  # it is the reflection that failed: the conversation is whole
}


def markdown(conversation: Conversation, turns: Sequence[Turn]) -> str:
    """What was said, a paragraph for each turn, under a head of names and times."""
    head = {
        "conversation": conversation.id,
        "agent": conversation.agent,
        "user": conversation.user_id,
        "channel": conversation.channel,
        "began": conversation.created_at.isoformat(),
    }
    lines = ["---", *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in head.items()), "---"]
    names = {"user": conversation.user_id, "agent": conversation.agent}
    for turn in turns:
        lines += ["", f"**{one_line(names[turn.role])}** ({turn.created_at:%H:%M:%S}): {_plain(turn.generated)}"]
        if turn.heard is not None and turn.heard != turn.generated:
            lines.append(f"*(heard: {_plain(turn.heard) or 'nothing'})*")
        lines += [f"*(called {_plain(call.name)}: {_plain(call.arguments)})*" for call in turn.calls]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return one_line(text, limit=_LONGEST_TURN)


def elevenlabs(conversation: Conversation, turns: Sequence[Turn]) -> dict[str, Any]:
    """The answer of their `GET /v1/convai/conversations/{id}` (types of the PyPI package elevenlabs 2.78.0).

    Their `message` is what was heard; what else the agent meant to say is their `original_message`.
    """
    began = conversation.created_at.timestamp()
    ended = (conversation.ended_at or conversation.active_at).timestamp()
    spoken = any(turn.modality == "speech" for turn in turns)
    return {
        "agent_id": conversation.agent,
        "conversation_id": conversation.id,
        "status": _STATUS[conversation.status],
        "user_id": conversation.user_id,
        "transcript": [_item(turn, began) for turn in turns],
        "metadata": {
            "start_time_unix_secs": int(began),
            "accepted_time_unix_secs": int(began),
            "call_duration_secs": max(0, int(ended - began)),
            "text_only": not spoken,
        },
        "analysis": None,
        "conversation_initiation_client_data": None,
        "user_message_count": sum(turn.role == "user" for turn in turns),
        "agent_message_count": sum(turn.role == "agent" for turn in turns),
        "has_audio": False,
        "has_user_audio": False,
        "has_response_audio": False,
        "has_auxiliary_audio": False,
    }


def _item(turn: Turn, began: float) -> dict[str, Any]:
    heard = turn.generated if turn.heard is None else turn.heard
    first_s = turn.timings_ms.get("thought_first")
    metrics = {} if first_s is None else {"convai_llm_service_ttfb": {"elapsed_time": first_s / 1000}}
    return {
        "role": turn.role,
        "message": heard,
        "original_message": turn.generated if heard != turn.generated else None,
        "interrupted": turn.interrupted,
        "tool_calls": [_call(call) for call in turn.calls],
        "tool_results": [],
        "feedback": None,
        "time_in_call_secs": max(0, int(turn.created_at.timestamp() - began)),
        "conversation_turn_metrics": {"metrics": metrics} if metrics else None,
        "source_medium": ("audio" if turn.modality == "speech" else "text") if turn.role == "user" else None,
        "created_at_unix_ms": int(turn.created_at.timestamp() * 1000),
    }


def _call(call: Call) -> dict[str, Any]:
    """Their `ConversationHistoryTranscriptToolCallCommonModel`."""
    return {
        "request_id": call.id,
        "tool_name": call.name,
        "params_as_json": call.arguments,
        "tool_has_been_called": True,
    }
