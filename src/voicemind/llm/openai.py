"""GPT, and every other model behind the same Chat Completions interface: vLLM, Ollama, llama.cpp, Groq and many more."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from importlib import import_module

from anyio import to_thread

from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.llm.contract import Ask, Message, Piece
from voicemind.llm.door import Door
from voicemind.llm.hosted import Fields, Patience, Upstream
from voicemind.llm.openai_wire import PROVIDER, ChunksReader, chat_of, form_of, in_words, tools_of

BASE_URL = "https://api.openai.com/v1"

THINKING_ROOM = 4096
"""Tokens on top of an answer's own, for a model whose reasoning cannot be switched off: it would have none left to speak."""

_EFFORTS = ("none", "minimal", "low")
_MOST_STOPS = 4


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
        self._door: Door | None = None
        self._upstream: Upstream | None = None

    async def start(self) -> None:
        """Import the libraries; nothing is asked yet. Raises Misconfigured where they are not installed."""
        try:
            sdk = await to_thread.run_sync(import_module, "openai")
            await to_thread.run_sync(import_module, "aiohttp")
        except ImportError as error:
            problem = "this provider needs the extra `openai`: pip install 'voicemind[openai]'"
            raise Misconfigured("VOICEMIND_LLM", problem) from error
        async with sdk.AsyncOpenAI(api_key=self._api_key or "none", base_url=self._base_url) as client:
            headers = client.default_headers | client.auth_headers
            self._door = Door(str(client.base_url.join("chat/completions")), headers)
        service = _ChatCompletions(self.name, is_openai=self._base_url.rstrip("/") == BASE_URL)
        self._upstream = Upstream(service, self._door, patience=self._patience)

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
        door, self._door, self._upstream = self._door, None, None
        if door is not None:
            await door.aclose()


class _ChatCompletions:
    """The wire: https://platform.openai.com/docs/api-reference/chat-streaming, read in October 2026."""

    provider = PROVIDER
    optional: Mapping[str, int] = {
        "temperature": 1,
        "top_p": 1,
        "seed": 1,
        "tool_choice": 1,
        "stop": 1,
        "stream_options": 1,
        "max_tokens": 1,
        "max_completion_tokens": 1,
        "reasoning_effort": len(_EFFORTS),
        "response_format": 2,
    }

    def __init__(self, model: str, *, is_openai: bool) -> None:
        self._model = model
        self._is_openai = is_openai

    def fields(self, ask: Ask, refused: Mapping[str, int]) -> Fields:
        """The request. OpenAI's own models want `max_completion_tokens`, other servers know `max_tokens` alone."""
        takes_choice = "tool_choice" not in refused
        fields: Fields = {
            "model": self._model,
            "messages": chat_of(ask.messages) + in_words(ask, takes_choice=takes_choice),
            "temperature": ask.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
            **tools_of(ask, takes_choice=takes_choice),
        }
        fields |= {name: value for name, value in (("top_p", ask.top_p), ("seed", ask.seed)) if value is not None}
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
            fields["response_format"] = form_of(ask.json_schema, loosely="response_format" in refused)
        return fields

    def reader(self) -> ChunksReader:
        """A reader for one answer."""
        return ChunksReader()
