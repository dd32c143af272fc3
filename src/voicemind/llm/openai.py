"""GPT, and every other model behind the same Chat Completions interface: vLLM, Ollama, llama.cpp, Groq and many more."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from importlib import import_module
from typing import Any

import msgspec
from anyio import to_thread

from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.llm.contract import Ask, Finished, Message, Piece, Usage
from voicemind.llm.hosted import Fields, Patience, Upstream
from voicemind.llm.refusals import Problem, meaning, refused
from voicemind.llm.sse import Event

PROVIDER = "openai"
BASE_URL = "https://api.openai.com/v1"

THINKING_ROOM = 4096
"""Tokens on top of an answer's own, for a model whose reasoning cannot be switched off: it would have none left to speak."""

_EFFORTS = ("none", "minimal", "low")
_MOST_STOPS = 4
_STATUSES = {
    "invalid_request_error": 400,
    "invalid_api_key": 401,
    "insufficient_quota": 402,
    "context_length_exceeded": 413,
    "rate_limit_exceeded": 429,
}


class OpenAiLlm:
    """Speaks with OpenAI, or with the compatible server at `base_url`."""

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        base_url: str = BASE_URL,
        context_tokens: int = 128_000,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        shortest_prefix: int = 1024,
    ) -> None:
        """`api_key` may be empty where the server wants none. OpenAI keeps no beginning of fewer than `shortest_prefix` tokens, so it is not read ahead."""
        self.name = model
        self.context_tokens = context_tokens
        self._api_key = api_key
        self._base_url = base_url
        self._patience = patience
        self._shortest_prefix = shortest_prefix
        self._client: Any = None
        self._upstream: Upstream | None = None

    async def start(self) -> None:
        """Import the library; nothing is asked yet. Raises Misconfigured where it is not installed."""
        try:
            sdk = await to_thread.run_sync(import_module, "openai")
        except ImportError as error:
            problem = "this provider needs the extra `openai`: pip install 'voicemind[openai]'"
            raise Misconfigured("VOICEMIND_LLM", problem) from error
        self._client = sdk.AsyncOpenAI(
            api_key=self._api_key or "none",
            base_url=self._base_url,
            max_retries=0,
            default_headers={"Accept-Encoding": "identity"},
        )
        await to_thread.run_sync(
            lambda: self._client.chat.completions.with_streaming_response
        )  # imports more, for 0.3 s
        service = _ChatCompletions(sdk, self._client, self.name, is_openai=self._base_url.rstrip("/") == BASE_URL)
        self._upstream = Upstream(service, patience=self._patience)

    def stream(self, ask: Ask) -> AsyncGenerator[Piece]:
        """See the contract."""
        if self._upstream is None:
            raise ProviderUnavailable("The service is not connected.", provider=PROVIDER)
        return self._upstream.stream(ask)

    async def warm(self, messages: tuple[Message, ...]) -> None:
        """Have the server read this beginning, at the price of one token; one that is too short to be kept is not sent."""
        if sum(len(message.content) for message in messages) >= self._shortest_prefix * 4:
            async with aclosing(self.stream(Ask(messages, max_tokens=1, temperature=0, urgent=False))) as pieces:
                async for _ in pieces:
                    pass

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client, self._upstream = self._client, None, None
        if client is not None:
            await client.close()


class _ChatCompletions:
    """The wire: https://platform.openai.com/docs/api-reference/chat-streaming, read in October 2026."""

    provider = PROVIDER
    optional: Mapping[str, int] = {
        "temperature": 1,
        "stop": 1,
        "stream_options": 1,
        "max_tokens": 1,
        "max_completion_tokens": 1,
        "reasoning_effort": len(_EFFORTS),
        "response_format": 2,
    }

    def __init__(self, sdk: Any, client: Any, model: str, *, is_openai: bool) -> None:
        self.sdk = sdk
        self._client = client
        self._model = model
        self._is_openai = is_openai

    def fields(self, ask: Ask, refused: Mapping[str, int]) -> Fields:
        """The request. OpenAI's own models want `max_completion_tokens`, other servers know `max_tokens` alone."""
        fields: Fields = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in ask.messages],
            "temperature": ask.temperature,
            "stream_options": {"include_usage": True},
        }
        fields = {name: value for name, value in fields.items() if name not in refused}
        effort = refused.get("reasoning_effort", 0)
        if self._is_openai and effort < len(_EFFORTS):
            fields["reasoning_effort"] = _EFFORTS[effort]
        limits = ("max_completion_tokens", "max_tokens")
        limit = next((name for name in (limits if self._is_openai else limits[::-1]) if name not in refused), None)
        if limit is not None:
            reasons = limit == limits[0] and effort > 0
            fields[limit] = ask.max_tokens + (THINKING_ROOM if reasons else 0)
        if ask.stop and "stop" not in refused:
            fields["stop"] = list(ask.stop[:_MOST_STOPS])
        if ask.json_schema is not None and refused.get("response_format", 0) < 2:
            strict = is_strict(ask.json_schema) and "response_format" not in refused
            schema = {"name": "answer", "strict": strict, "schema": dict(ask.json_schema)}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        return fields

    def post(self, fields: Fields, *, timeout: Any) -> AbstractAsyncContextManager[Any]:
        """Send it."""
        sent: AbstractAsyncContextManager[Any] = self._client.chat.completions.with_streaming_response.create(
            **fields, stream=True, timeout=timeout
        )
        return sent

    def reader(self) -> _Reader:
        """A reader for one answer."""
        return _Reader()


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether OpenAI can hold a model to every word of the schema: objects list all their fields as required and allow no others.

    >>> is_strict({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False})
    True
    >>> is_strict({"type": "object", "properties": {"a": {"type": "string"}}})
    False
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    is_object = schema.get("type") == "object" or bool(properties)
    closed = schema.get("additionalProperties") is False and set(schema.get("required", ())) == set(properties)
    if is_object and not closed:
        return False
    inner = [*properties.values(), *schema.get("anyOf", ()), *schema.get("$defs", {}).values()]
    return all(is_strict(part) for part in (*inner, *filter(None, [schema.get("items")])))


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Tokens(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    """One chunk; Azure and others send some without choices."""

    choices: list[_Choice] | None = None
    usage: _Tokens | None = None
    error: dict[str, Any] | str | None = None


class _Reader:
    """Reads up to `[DONE]`; where that is missing, the reason for the end is enough."""

    def __init__(self) -> None:
        self.finished: Finished | None = None
        self.over = False
        self._usage = Usage()
        self._decoder = msgspec.json.Decoder(_Chunk)

    def read(self, event: Event) -> str:
        """The text that an event adds."""
        data = event.data.strip()
        if data == "[DONE]":
            self.over = True
        if not data or self.over:
            return ""
        chunk = self._decoder.decode(data)
        if chunk.error is not None:
            problem = Problem.of(chunk.error)
            raise meaning(PROVIDER, _STATUSES.get(problem.code, 500), problem)
        if chunk.usage is not None:
            self._count(chunk.usage)
        return "".join([self._said(choice) for choice in chunk.choices or ()])

    def _said(self, choice: _Choice) -> str:
        delta = choice.delta or _Delta()
        if delta.refusal or choice.finish_reason == "content_filter":
            raise refused(PROVIDER, "to answer this")
        if choice.finish_reason is not None:
            self.finished = Finished("length" if choice.finish_reason == "length" else "stop", self._usage)
        return delta.content or ""

    def _count(self, usage: _Tokens) -> None:
        """The usage comes with the last chunk, or with one of its own after the end."""
        details = usage.prompt_tokens_details
        self._usage = Usage(
            prompt=usage.prompt_tokens or 0,
            cached=(details.cached_tokens if details else None) or 0,
            completion=usage.completion_tokens or 0,
        )
        if self.finished is not None:
            self.finished = Finished(self.finished.reason, self._usage)
