"""A language model that answers by rule: for tests, the demo and the load generator."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Literal, cast

import anyio

from voicemind.errors import ProviderRefused, ProviderUnavailable
from voicemind.llm.contract import Ask, Finished, Message, Piece, TextDelta, Tool, ToolCall, Usage

_WORD = re.compile(r"[a-z0-9']+")
_SMALL_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
        a about am an and any are as at be been but by can could did do does for from had has have he hello her
        hey hi his how i if in is it its let me mine my no not of on or our please she so tell than thanks that
        the their them then there they this to us was we were what what's when where which who who's whose why
        will with would yes you your yours
        """,
    )
)


class ScriptedLlm:
    """Says the remembered line that a question is about, else acknowledges shortly what was said; always the same.

    It calls a tool that it must call, or whose name is among the words that were said last, with the smallest arguments that are right; then it says the result.
    A token is a word. `delay_ms` passes before the first word, `token_ms` before every further one. `replies` are given
    in turn instead of the rule, over and over. With `fail_after` every answer breaks off with ProviderUnavailable after
    so many words.
    """

    name = "scripted"

    def __init__(
        self,
        *,
        delay_ms: int = 0,
        token_ms: int = 0,
        replies: Sequence[str] | None = None,
        fail_after: int | None = None,
        context_tokens: int = 8192,
    ) -> None:
        self.context_tokens = context_tokens
        self._delay_s = delay_ms / 1000
        self._token_s = token_ms / 1000
        self._replies = tuple(replies or ())
        self._fail_after = fail_after
        self._asked = 0
        self._read: set[tuple[Message, ...]] = set()

    async def start(self) -> None:
        """Nothing has to be loaded."""

    async def stream(self, ask: Ask) -> AsyncGenerator[Piece]:
        """Answer word by word."""
        prompt = sum(_tokens(message) for message in ask.messages)
        if prompt > self.context_tokens:
            problem = f"The prompt has {prompt} tokens, the context holds {self.context_tokens}."
            raise ProviderRefused(problem, provider=self.name)
        cached = self._cached(ask.messages)
        call = None if self._replies or not ask.tools else _call(ask)
        await anyio.sleep(self._delay_s)
        if call is not None:
            yield call
            yield Finished(
                "tool_calls", Usage(prompt=prompt, cached=cached, completion=len(call.arguments.split()) + 1)
            )
            return
        pieces, reason = _bounded(self._answer(ask), ask)
        for said, piece in enumerate(pieces):
            if said and self._token_s:
                await anyio.sleep(self._token_s)
            if said == self._fail_after:
                raise ProviderUnavailable("The scripted model fails on purpose.", provider=self.name)
            yield TextDelta(piece)
        yield Finished(reason, Usage(prompt=prompt, cached=cached, completion=len(pieces)))

    async def warm(self, messages: tuple[Message, ...]) -> None:
        """Remember that this beginning was read, so that `Usage.cached` tells."""
        self._read.add(messages)

    async def aclose(self) -> None:
        """Nothing has to be freed."""

    def _answer(self, ask: Ask) -> str:
        if self._replies:
            self._asked += 1
            return self._replies[(self._asked - 1) % len(self._replies)]
        if ask.json_schema is not None:
            return json.dumps(smallest_instance(ask.json_schema))
        return _reply(ask.messages)

    def _cached(self, messages: tuple[Message, ...]) -> int:
        """Words in the longest beginning that was read before."""
        length = next((length for length in range(len(messages), 0, -1) if messages[:length] in self._read), 0)
        self._read.update(messages[:count] for count in range(1, len(messages) + 1))
        return sum(_tokens(message) for message in messages[:length])


def smallest_instance(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """A value that satisfies a JSON Schema: the first of what is listed, else the smallest; booleans are true. `root` holds the definitions."""
    root = schema if root is None else root
    if "$ref" in schema:
        return smallest_instance(_referred(str(schema["$ref"]), root), root)
    listed = (*([schema["const"]] if "const" in schema else ()), *schema.get("enum", ()))
    if listed:
        return listed[0]
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        return smallest_instance(choices[0], root)
    kind = schema.get("type", "object" if "properties" in schema else "null")
    return _smallest(kind if isinstance(kind, str) else kind[0], schema, root)


def _referred(path: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `#/$defs/Name` means."""
    found: Any = root
    for name in path.removeprefix("#/").split("/"):
        found = found[name]
    return cast("Mapping[str, Any]", found)


def _smallest(kind: str, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    properties = schema.get("properties", {})
    smallest: dict[str, Callable[[], Any]] = {
        "object": lambda: {
            name: smallest_instance(properties.get(name, {}), root) for name in schema.get("required", properties)
        },
        "array": lambda: [smallest_instance(schema.get("items", {}), root) for _ in range(schema.get("minItems", 0))],
        "string": lambda: "x" * schema.get("minLength", 0),
        "boolean": lambda: True,
        "integer": lambda: max(schema.get("minimum", 0), min(0, schema.get("maximum", 0))),
        "null": lambda: None,
    }
    return smallest.get("integer" if kind == "number" else kind, smallest["null"])()


def _call(ask: Ask) -> ToolCall | None:
    """The call that has to be made, or that the person's last words name; none where the last message is a result."""
    tool = _called(ask)
    if tool is None:
        return None
    number = 1 + sum(len(message.tool_calls) for message in ask.messages)
    return ToolCall(f"call_{number}", tool.name, json.dumps(smallest_instance({"type": "object", **tool.parameters})))


def _called(ask: Ask) -> Tool | None:
    if ask.must_call:
        return next((tool for tool in ask.tools if tool.name == ask.must_call), None)
    if ask.tool_choice == "none":
        return None
    last = ask.messages[-1]
    said = set(_WORD.findall(last.content.lower())) if last.role == "user" else set[str]()
    named = (tool for tool in ask.tools if said and said.issuperset(_WORD.findall(tool.name.lower().replace("_", " "))))
    return next(named, ask.tools[0] if ask.tool_choice == "required" else None)


def _reply(messages: tuple[Message, ...]) -> str:
    """The line of the system messages that shares most content words with what was said last."""
    if messages and messages[-1].role == "tool":
        return f"It says: {messages[-1].content.strip() or 'nothing'}."
    said = next((message.content for message in reversed(messages) if message.role == "user"), "")
    wanted = _content(said)
    lines = [
        line.strip(" \t-*•")
        for message in messages
        if message.role == "system"
        for line in message.content.splitlines()
    ]
    if said.rstrip().endswith("?"):
        best = max(lines, key=lambda line: len(wanted & _content(line)), default="")
        if wanted & _content(best):
            return best
    topic = " ".join(dict.fromkeys(word for word in _WORD.findall(said.lower()) if word not in _SMALL_WORDS))
    return f"I hear you: {topic}." if topic else "I am listening."


def _content(text: str) -> set[str]:
    """The words that carry meaning, a plural or possessive s taken off."""
    words = (word.removesuffix("'s") for word in _WORD.findall(text.lower()))
    return {word.removesuffix("s") if len(word) > 3 else word for word in words if word not in _SMALL_WORDS}


def _bounded(answer: str, ask: Ask) -> tuple[list[str], Literal["stop", "length"]]:
    """The answer in words, each with the space before it, ended by the ask's stop strings and its length."""
    ends = [answer.find(stop) for stop in ask.stop if stop and stop in answer]
    pieces = re.findall(r"\s*\S+", answer[: min(ends)] if ends else answer)
    return pieces[: ask.max_tokens], "length" if len(pieces) > ask.max_tokens else "stop"


def _tokens(message: Message) -> int:
    called = sum(1 + len(call.arguments.split()) for call in message.tool_calls)
    return len(message.content.split()) + called
