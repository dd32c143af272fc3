"""Claude, through Anthropic's Messages API."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from importlib import import_module
from typing import Any

from anyio import to_thread

from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.llm.anthropic_wire import CACHED, PROVIDER, Blocks, MessagesReader, chat_of, tools_of
from voicemind.llm.contract import Ask, Message, Piece
from voicemind.llm.door import Door
from voicemind.llm.hosted import Fields, Patience, Upstream

BASE_URL = "https://api.anthropic.com"

THINKING_ROOM = 4096
"""Tokens on top of an answer's own, for a model whose thinking cannot be switched off: it would have none left to speak."""

MOST_THOUGHTS = 64
"""Calls of which is kept what the model thought before them; a result comes within the turn, or never."""


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
        self._door: Door | None = None
        self._upstream: Upstream | None = None

    async def start(self) -> None:
        """Import the libraries; nothing is asked yet. Raises Misconfigured where they are not installed."""
        try:
            sdk = await to_thread.run_sync(import_module, "anthropic")
            await to_thread.run_sync(import_module, "aiohttp")
        except ImportError as error:
            problem = "Claude needs the extra `anthropic`: pip install 'voicemind[anthropic]'"
            raise Misconfigured("VOICEMIND_LLM", problem) from error
        async with sdk.AsyncAnthropic(api_key=self._api_key, base_url=self._base_url, open_telemetry=False) as client:
            headers = client.default_headers | client.auth_headers
            self._door = Door(str(client.base_url.join("v1/messages")), headers)
        service = _Messages(self.name, enforceable=sdk.transform_schema)
        self._upstream = Upstream(service, self._door, patience=self._patience)

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
        door, self._door, self._upstream = self._door, None, None
        if door is not None:
            await door.aclose()


class _Messages:
    """The wire: https://platform.claude.com/docs/en/api/messages and …/build-with-claude/streaming, read in October 2026."""

    provider = PROVIDER
    optional: Mapping[str, int] = {
        "temperature": 1,
        "top_p": 1,
        "thinking": 1,
        "output_config": 1,
        "stop_sequences": 1,
        "tool_choice": 1,
    }

    def __init__(self, model: str, *, enforceable: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """`enforceable` makes a schema one to which the service can hold a model."""
        self._enforceable = enforceable
        self._model = model
        self._thoughts: OrderedDict[str, Blocks] = OrderedDict()

    def fields(self, ask: Ask, refused: Mapping[str, int]) -> Fields:
        """The request. Newer models refuse a temperature, and some refuse not to think."""
        system, chat = chat_of(ask.messages, self._thoughts if "thinking" in refused else {})
        thinks = "thinking" in refused
        fields: Fields = {
            "model": self._model,
            "max_tokens": ask.max_tokens + (THINKING_ROOM if thinks and ask.max_tokens else 0),
            "messages": chat,
            "stream": True,
        }
        if system:
            fields["system"] = [{"type": "text", "text": system, "cache_control": CACHED}]
        if not thinks:
            fields["thinking"] = {"type": "disabled"}
        if stops := [stop for stop in ask.stop if stop.strip()]:
            fields["stop_sequences"] = stops
        if ask.json_schema is not None and "properties" in ask.json_schema:
            schema = self._enforceable(dict(ask.json_schema))
            fields["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        elif thinks:
            fields["output_config"] = {"effort": "low"}
        given = {name: value for name, value in fields.items() if name not in refused} | _tools(ask, refused)
        notes = _in_words(ask, given)
        if notes:
            given["system"] = [*given.get("system", ()), *({"type": "text", "text": note} for note in notes)]
        return given | _sampling(ask, refused)

    def reader(self) -> MessagesReader:
        """A reader for one answer."""
        return MessagesReader(self._remember)

    def _remember(self, call_id: str, thought: Blocks) -> None:
        self._thoughts[call_id] = thought
        while len(self._thoughts) > MOST_THOUGHTS:
            self._thoughts.popitem(last=False)


def _tools(ask: Ask, refused: Mapping[str, int]) -> Fields:
    """A model that cannot be made to call can still be kept from it."""
    blocks, choice = tools_of(ask)
    if not blocks:
        return {}
    is_taken = choice is not None and (choice["type"] == "none" or "tool_choice" not in refused)
    return {"tools": blocks, **({"tool_choice": choice} if is_taken else {})}


def _sampling(ask: Ask, refused: Mapping[str, int]) -> Fields:
    """The service takes a temperature or `top_p`, not both: the rarer wish counts."""
    if ask.top_p is not None and ask.top_p < 1 and "top_p" not in refused:
        return {"top_p": ask.top_p}
    return {} if "temperature" in refused else {"temperature": min(ask.temperature, 1)}


def _in_words(ask: Ask, given: Fields) -> list[str]:
    """What the fields cannot say: JSON of any shape, and a call by a model that takes no order to make one."""
    notes: list[str] = []
    if ask.json_schema is not None and "format" not in given.get("output_config", {}):
        notes.append("Answer with one JSON object and nothing else.")
    forced = ask.must_call or ask.tool_choice == "required"
    if ask.tools and forced and "tool_choice" not in given:
        notes.append(f"Answer by calling {ask.must_call or 'one of the tools'}.")
    return notes
