"""A tenant with something to administer: an agent of its own, a conversation that became memory, a meeting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from tests.talking import end

API = "/api/v1"
USER = "ada/lovelace"
"""A person whose id does not fit into an address as it is."""
ADA = "ada%2Flovelace"
TALK = "talk-1"
MEETING = "council"
MIND = f"{API}/minds/ferryman/{ADA}"

FERRYMAN: dict[str, Any] = {
    "slug": "ferryman",
    "name": "Charon",
    "description": "A ferryman of few words.",
    "first_message": "Step in.",
    "blocks": [
        {"label": "identity", "title": "Who you are", "text": "You are Charon, a ferryman."},
        {"label": "memory", "title": "What you remember", "scope": "user", "reflects": True, "holds": "facts"},
    ],
}


async def said(
    client: httpx.AsyncClient,
    *texts: str,
    agent: str = "ferryman",
    user_id: str = USER,
    conversation_id: str = TALK,
    headers: Mapping[str, str] | None = None,
) -> None:
    """A written conversation in which the person said this."""
    history: list[dict[str, str]] = []
    for text in texts:
        history.append({"role": "user", "content": text})
        extra = {"conversation_id": conversation_id, "user_id": user_id}
        body = {"model": agent, "messages": history, "elevenlabs_extra_body": extra}
        answer = await client.post("/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        history.append({"role": "assistant", "content": answer.json()["choices"][0]["message"]["content"]})


async def remembered(client: httpx.AsyncClient, *texts: str, **talk: Any) -> dict[str, Any]:
    """A conversation that has ended and become memory; what the end answered."""
    await said(client, *texts, **talk)
    answer = await end(client, talk.get("conversation_id", TALK))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def settle(client: httpx.AsyncClient) -> None:
    """Make the ferryman, talk with him, and prepare a meeting of Marcus's."""
    made = await client.post(f"{API}/agents", json=FERRYMAN)
    assert made.status_code == 201, made.text
    await remembered(client, "My cat is called Biscuit.")
    body = {"agent": "marcus", "participants": ["Thalia"], "topic": "the grain", "meeting_id": MEETING}
    prepared = await client.post(f"{API}/meetings/prepare", json=body)
    assert prepared.status_code == 200, prepared.text


def lines(mind: Mapping[str, Any]) -> list[str]:
    """What a mind remembers, of whichever block."""
    return [entry["text"] for block in mind["blocks"] for entry in block["entries"]]
