"""A whole server that thinks with somebody else's model: it answers, remembers by JSON, and starts only with a key."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import anyio
import httpx
import pytest
from tests.serving import in_process, scripted_settings
from tests.upstreams import KEY, anthropic_service, openai_service

from voicemind.assembly import House
from voicemind.errors import Misconfigured

pytestmark = pytest.mark.anyio

REMEMBERED = {
    "operations": [
        {
            "op": "add",
            "block": "patient_memory",
            "entries": [],
            "text": "The user's cat is called Biscuit.",
            "evidence": [{"turn": 1, "quote": "my cat is called Biscuit"}],
            "reason": "The user said so.",
        }
    ]
}


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
async def test_a_hosted_model_answers_and_what_it_keeps_is_there_in_the_next_conversation(
    kind: str, tmp_path: Path
) -> None:
    service = {"anthropic": anthropic_service, "openai": openai_service}[kind]
    given = {"llm": kind, f"{kind}_api_key": KEY, "first_byte_s": 30}
    replies = ("I am glad you told me.", f"```json\n{json.dumps(REMEMBERED)}\n```", "Your cat is called Biscuit.")
    with anyio.fail_after(60):
        async with (
            service(replies=replies, words=20_000) as upstream,
            in_process(tmp_path, **{**given, f"{kind}_base_url": upstream.url}) as client,
        ):
            body = {
                "model": "counsellor",
                "user_id": "ada",
                "elevenlabs_extra_body": {"conversation_id": "first"},
                "messages": [{"role": "user", "content": "Hello, my cat is called Biscuit."}],
            }
            said = await client.post("/v1/chat/completions", json=body)
            assert said.json()["choices"][0]["message"]["content"] == replies[0]
            ended = await client.post("/api/elevenlabs/end", json={"conversation_id": "first"})
            assert "Biscuit" in json.dumps(ended.json()), ended.text
            again = {
                **body,
                "elevenlabs_extra_body": {"conversation_id": "second"},
                "messages": [{"role": "user", "content": "What is my cat called?"}],
            }
            said = await client.post("/v1/chat/completions", json=again)
            assert said.json()["choices"][0]["message"]["content"] == replies[2]
    asked = json.dumps(upstream.asked[-1])
    assert "The user's cat is called Biscuit." in asked
    assert "response_format" in upstream.asked[1] or "output_config" in upstream.asked[1]


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
def test_a_server_without_the_key_of_its_model_does_not_start(kind: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        House.build(scripted_settings(tmp_path, llm=kind))
    assert refused.value.setting == f"VOICEMIND_{kind.upper()}_API_KEY"


async def test_the_service_is_given_up_when_our_client_goes_away_before_the_first_word(tmp_path: Path) -> None:
    given = {"llm": "openai", "openai_api_key": KEY, "first_byte_s": 60, "reflection": "scripted"}
    body = {
        "model": "thalia",
        "stream": True,
        "messages": [{"role": "user", "content": "Are you there?"}],
        "user": "ada",
    }
    with anyio.fail_after(60):
        async with (
            openai_service(delay_ms=50_000) as upstream,
            in_process(tmp_path, **given, openai_base_url=upstream.url) as client,
        ):
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/v1/chat/completions", json=body, timeout=3)
            (talk,) = (await client.get("/api/v1/conversations")).json()["items"]
            with anyio.fail_after(20):  # of the 50 seconds that its first word takes
                ended = await client.post("/api/elevenlabs/end", json={"conversation_id": talk["id"]})
            assert ended.json()["transcript_length"] == 1


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("kind", ["anthropic", "openai"])
async def test_the_service_stops_thinking_when_our_client_goes_away(kind: str, streams: bool, tmp_path: Path) -> None:
    service = {"anthropic": anthropic_service, "openai": openai_service}[kind]
    given = {"llm": kind, f"{kind}_api_key": KEY, "first_byte_s": 30, "reflection": "scripted"}
    body = {
        "model": "thalia",
        "stream": streams,
        "max_tokens": 30_000,
        "elevenlabs_extra_body": {"conversation_id": "call"},
        "messages": [{"role": "user", "content": "Tell me everything."}],
    }
    with anyio.fail_after(60):
        async with (
            service(replies=("word " * 30_000,), words=200_000) as upstream,
            in_process(
                tmp_path, **{**given, f"{kind}_base_url": upstream.url}, hosted_context_tokens=200_000
            ) as client,
        ):
            with pytest.raises(httpx.ReadTimeout) if not streams else nullcontext():
                patience_s = 30 if streams else 3
                async with client.stream("POST", "/v1/chat/completions", json=body, timeout=patience_s) as answer:
                    async for _ in answer.aiter_lines():
                        if upstream.running:
                            break
            with anyio.fail_after(15):  # of the half minute that the whole answer takes
                await upstream.idle.wait()
            assert (await client.post("/api/elevenlabs/end", json={"conversation_id": "call"})).status_code == 200
            said = (await client.get("/api/v1/conversations/call/turns")).json()["items"]
    assert said[0]["generated"] == "Tell me everything."
    assert [turn["interrupted"] for turn in said[1:]] == [True]
