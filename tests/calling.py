"""A voice platform that tells of its calls, for tests: the events as ElevenLabs documents them."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx

from voicemind.ops.signatures import HEADER, sign

SECRET = "wsec_0123456789abcdef"
WEBHOOK = "/api/elevenlabs/webhook"
INITIATION = "/api/elevenlabs/initiation"
CALLER = "+15550001234"


def item(role: str, message: str | None, **more: Any) -> dict[str, Any]:
    """One item of a transcript, with what a real one has besides."""
    return {
        "role": role,
        "agent_metadata": {"agent_id": "agent_1", "workflow_node_id": None} if role == "agent" else None,
        "message": message,
        "tool_calls": [],
        "tool_results": [],
        "feedback": None,
        "time_in_call_secs": 1,
        "interrupted": False,
        "original_message": None,
        "source_medium": "audio" if role == "user" else None,
        **more,
    }


def said(*items: dict[str, Any], conversation_id: str = "conv_1", **more: Any) -> dict[str, Any]:
    """The event after a call in which this was said. `more` are members of `data`."""
    return {
        "type": "post_call_transcription",
        "event_timestamp": int(time.time()),
        "data": {
            "agent_id": "agent_1",
            "conversation_id": conversation_id,
            "status": "done",
            "transcript": list(items),
            "metadata": {"start_time_unix_secs": 1, "call_duration_secs": 22, "termination_reason": "Call ended"},
            "analysis": {"call_successful": "success", "transcript_summary": "A summary that nobody needs."},
            "conversation_initiation_client_data": {"conversation_config_override": {}, "dynamic_variables": {}},
            **more,
        },
    }


def begun(*, extra: dict[str, Any] | None = None, **variables: Any) -> dict[str, Any]:
    """The member of `data` that says how a call began."""
    return {
        "conversation_initiation_client_data": {"custom_llm_extra_body": extra or {}, "dynamic_variables": variables}
    }


async def tell(
    client: httpx.AsyncClient, event: Any, *, secret: str = SECRET, at_s: int | None = None, host: str | None = None
) -> httpx.Response:
    """Send a signed event."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    signature = sign(secret, body, at_s=int(time.time()) if at_s is None else at_s)
    headers = {"content-type": "application/json", HEADER: signature, **({} if host is None else {"host": host})}
    return await client.post(WEBHOOK, content=body, headers=headers)
