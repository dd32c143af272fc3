"""Claude, through Anthropic's Messages API."""

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

PROVIDER = "anthropic"
BASE_URL = "https://api.anthropic.com"

THINKING_ROOM = 4096
"""Tokens on top of an answer's own, for a model whose thinking cannot be switched off: it would have none left to speak."""

_CACHED = {"type": "ephemeral"}
_ARRIVED = "[The person is here.]"
"""A chat begins with the person's side; ours often begins with the agent's greeting."""

_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicLlm:
    """Speaks with Claude; what the model thinks before it answers is switched off or left out.

    The prompt is marked for caching at the end of the system message and at the end of what was said before the last turn.
    """

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
        """A beginning of fewer than `shortest_prefix` tokens is not kept by the service, so it is not read ahead either."""
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
            sdk = await to_thread.run_sync(import_module, "anthropic")
        except ImportError as error:
            problem = "Claude needs the extra `anthropic`: pip install 'voicemind[anthropic]'"
            raise Misconfigured("VOICEMIND_LLM", problem) from error
        self._client = sdk.AsyncAnthropic(
            api_key=self._api_key,
            base_url=self._base_url,
            max_retries=0,
            open_telemetry=False,
            default_headers={"Accept-Encoding": "identity"},
        )
        await to_thread.run_sync(lambda: self._client.messages.with_streaming_response)  # imports more
        self._upstream = Upstream(_Messages(sdk, self._client, self.name), patience=self._patience)

    def stream(self, ask: Ask) -> AsyncGenerator[Piece]:
        """See the contract."""
        if self._upstream is None:
            raise ProviderUnavailable("Claude is not connected.", provider=PROVIDER)
        return self._upstream.stream(ask)

    async def warm(self, messages: tuple[Message, ...]) -> None:
        """Have the service keep this beginning for some minutes; one that is too short to be kept is not sent."""
        if sum(len(message.content) for message in messages) >= self._shortest_prefix * 4:
            async with aclosing(self.stream(Ask(messages, max_tokens=0, urgent=False))) as pieces:
                async for _ in pieces:
                    pass

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client, self._upstream = self._client, None, None
        if client is not None:
            await client.close()


class _Messages:
    """The wire: https://platform.claude.com/docs/en/api/messages and …/build-with-claude/streaming, read in October 2026."""

    provider = PROVIDER
    optional: Mapping[str, int] = {"temperature": 1, "thinking": 1, "output_config": 1, "stop_sequences": 1}

    def __init__(self, sdk: Any, client: Any, model: str) -> None:
        self.sdk = sdk
        self._client = client
        self._model = model

    def fields(self, ask: Ask, refused: Mapping[str, int]) -> Fields:
        """The request. Newer models refuse a temperature, and some refuse not to think."""
        system, chat = _split(ask.messages)
        thinks = "thinking" in refused
        fields: Fields = {
            "model": self._model,
            "max_tokens": ask.max_tokens + (THINKING_ROOM if thinks and ask.max_tokens else 0),
            "messages": chat,
        }
        if system:
            fields["system"] = [{"type": "text", "text": system, "cache_control": _CACHED}]
        if not thinks:
            fields["thinking"] = {"type": "disabled"}
        if stops := [stop for stop in ask.stop if stop.strip()]:
            fields["stop_sequences"] = stops
        if ask.json_schema is not None:
            schema = self.sdk.transform_schema(dict(ask.json_schema))
            fields["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        elif thinks:
            fields["output_config"] = {"effort": "low"}
        fields = {name: value for name, value in fields.items() if name not in refused}
        if "temperature" not in refused:  # gone from the library, but not from the older models
            fields["extra_body"] = {"temperature": min(ask.temperature, 1)}
        return fields

    def post(self, fields: Fields, *, timeout: Any) -> AbstractAsyncContextManager[Any]:
        """Send it."""
        sent: AbstractAsyncContextManager[Any] = self._client.messages.with_streaming_response.create(
            **fields, stream=True, timeout=timeout
        )
        return sent

    def reader(self) -> _Reader:
        """A reader for one answer."""
        return _Reader()


def _split(messages: tuple[Message, ...]) -> tuple[str, list[Fields]]:
    """The system message and the chat, as the service wants them: no empty texts, the person first and last.

    A system message in the midst of the chat goes to the person's side, said to be a note: not every model takes it elsewhere.
    """
    leading = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
    system = "\n\n".join(message.content for message in messages[:leading] if message.content.strip())
    chat: list[Fields] = []
    for message in messages[leading:]:
        if message.content.strip():
            text = f"<note>\n{message.content}\n</note>" if message.role == "system" else message.content
            role = "assistant" if message.role == "assistant" else "user"
            if chat and chat[-1]["role"] == role:
                chat[-1]["content"].append({"type": "text", "text": text})
            else:
                chat.append({"role": role, "content": [{"type": "text", "text": text}]})
    if not chat or chat[0]["role"] == "assistant":
        chat.insert(0, {"role": "user", "content": [{"type": "text", "text": _ARRIVED}]})
    if len(chat) > 1:
        chat[-2]["content"][-1]["cache_control"] = _CACHED
    return system, chat


class _Tokens(msgspec.Struct):
    """Counts of so far; None where an event does not repeat one."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    stop_reason: str | None = None


class _Started(msgspec.Struct):
    usage: _Tokens = msgspec.field(default_factory=_Tokens)


class _Happened(msgspec.Struct):
    """Any event of the stream; each has some of these."""

    type: str
    delta: _Delta | None = None
    message: _Started | None = None
    usage: _Tokens | None = None
    error: dict[str, Any] | None = None


class _Reader:
    """Texts are kept, thinking and everything unknown is passed over."""

    def __init__(self) -> None:
        self.finished: Finished | None = None
        self.over = False
        self._read_tokens = 0
        self._cached = 0
        self._decoder = msgspec.json.Decoder(_Happened)

    def read(self, event: Event) -> str:
        """The text that an event adds."""
        if not event.data or event.name == "ping":
            return ""
        happened = self._decoder.decode(event.data)
        match happened:
            case _Happened(type="content_block_delta", delta=_Delta(type="text_delta", text=text)):
                return text
            case _Happened(type="message_start", message=_Started(usage=usage)):
                self._count(usage)
            case _Happened(type="message_delta", delta=delta, usage=usage):
                self._count(usage or _Tokens())
                self._end(delta.stop_reason if delta else None, usage.output_tokens if usage else None)
            case _Happened(type="message_stop"):
                self.over = True
            case _Happened(type="error"):
                problem = Problem.of(happened.error)
                raise meaning(PROVIDER, _STATUSES.get(problem.code, 500), problem)
            case _:
                pass
        return ""

    def _count(self, usage: _Tokens) -> None:
        """What was read: the service counts cached, newly cached and other tokens apart."""
        if usage.input_tokens is not None:
            self._cached = usage.cache_read_input_tokens or 0
            self._read_tokens = usage.input_tokens + self._cached + (usage.cache_creation_input_tokens or 0)

    def _end(self, reason: str | None, written: int | None) -> None:
        if reason is None:
            return
        if reason == "refusal":
            raise refused(PROVIDER, "to answer this")
        is_cut = reason in {"max_tokens", "model_context_window_exceeded"}
        usage = Usage(prompt=self._read_tokens, cached=self._cached, completion=written or 0)
        self.finished = Finished("length" if is_cut else "stop", usage)
