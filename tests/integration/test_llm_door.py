"""How a request reaches a service: with the headers of its maker's library, through the proxy of the environment, over a connection that is kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import anthropic
import anyio
import openai
import pytest
from starlette.requests import Request
from starlette.responses import Response
from tests.upstreams import KEY, Upstream, anthropic_service, openai_service, refusal

from voicemind.errors import ProviderError, ProviderRefused
from voicemind.llm.anthropic import AnthropicLlm
from voicemind.llm.contract import Ask, Finished, Message, Piece
from voicemind.llm.openai import OpenAiLlm

pytestmark = pytest.mark.anyio

SERVICES = {"anthropic": anthropic_service, "openai": openai_service}
PROVIDERS: dict[str, type[AnthropicLlm] | type[OpenAiLlm]] = {"anthropic": AnthropicLlm, "openai": OpenAiLlm}
OF_ONE_REQUEST = {"host", "connection", "content-length", "accept-encoding"}
TOLD_BY_THE_LIBRARY_ALONE = {"x-stainless-read-timeout", "x-stainless-timeout", "x-stainless-retry-count"}
ASK = Ask((Message("user", "Hello."),), max_tokens=60)
both = pytest.mark.parametrize("kind", SERVICES)


async def answers(kind: str, url: str, *, ask: Ask = ASK, times: int = 1) -> list[Piece]:
    """The last piece of each answer."""
    llm = PROVIDERS[kind](api_key=KEY, model="some", base_url=url)
    await llm.start()
    ends: list[Piece] = []
    try:
        with anyio.fail_after(10):
            for _ in range(times):
                async with aclosing(llm.stream(ask)) as pieces:
                    ends.append([piece async for piece in pieces][-1])
    finally:
        await llm.aclose()
    return ends


def noting(seen: list[Request]) -> Callable[[Request], Response]:
    """An answer that nobody repeats its question after."""

    def answer(request: Request) -> Response:
        seen.append(request)
        return refusal(404, {})(request)

    return answer


async def asked_by_the_library(kind: str, upstream: Upstream) -> None:
    messages: Any = [{"role": "user", "content": "Hello."}]
    if kind == "openai":
        async with openai.AsyncOpenAI(api_key=KEY, base_url=upstream.url, max_retries=0) as client:
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="some", messages=messages, stream=True)
    else:
        async with anthropic.AsyncAnthropic(
            api_key=KEY, base_url=upstream.url, max_retries=0, open_telemetry=False
        ) as claude:
            with pytest.raises(anthropic.NotFoundError):
                await claude.messages.create(model="some", max_tokens=60, messages=messages, stream=True)


@both
async def test_a_service_is_told_what_its_makers_library_would_tell_it(kind: str) -> None:
    seen: list[Request] = []
    async with SERVICES[kind]() as upstream:
        upstream.queue.extend([noting(seen)] * 2)
        with pytest.raises(ProviderRefused):
            await answers(kind, upstream.url)
        await asked_by_the_library(kind, upstream)
    ours, theirs = ({name: v for name, v in one.headers.items() if name not in OF_ONE_REQUEST} for one in seen)
    assert seen[0].url == seen[1].url
    assert {name: v for name, v in theirs.items() if name not in TOLD_BY_THE_LIBRARY_ALONE} == ours


@both
async def test_the_proxy_of_the_environment_is_used(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with SERVICES[kind]() as upstream:
        monkeypatch.setenv("http_proxy", upstream.url.removesuffix("/v1"))
        path = "/v1" if kind == "openai" else ""
        assert isinstance((await answers(kind, f"http://service.invalid{path}"))[0], Finished)
        monkeypatch.setenv("no_proxy", "service.invalid")
        with pytest.raises(ProviderError, match="reached"):
            await answers(kind, f"http://service.invalid{path}")


@both
async def test_one_connection_serves_one_question_after_the_other(kind: str) -> None:
    ports: list[object] = []
    async with SERVICES[kind]() as upstream:
        take = upstream.take

        async def noted(request: Request, **given: Any) -> dict[str, Any]:
            ports.append(request.client)
            return await take(request, **given)

        upstream.take = noted  # type: ignore[method-assign]
        await answers(kind, upstream.url, times=3)
    assert len(ports) == 3
    assert len(set(ports)) == 1


@both
async def test_what_cannot_be_written_is_refused_without_a_word_of_it(kind: str) -> None:
    async with SERVICES[kind]() as upstream:
        with pytest.raises(ProviderRefused) as caught:
            await answers(kind, upstream.url, ask=Ask((Message("user", "canary \ud800"),)))
        assert "canary" not in repr(caught.value)
        assert upstream.asked == []
