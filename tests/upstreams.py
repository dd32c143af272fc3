"""The services of others, on loopback: they answer by rule, in the wire form and with the strictness of the real ones."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from tests.serving import free_port

from voicemind.errors import ProviderRefused
from voicemind.llm.contract import Ask, Finished, Message, Piece, TextDelta, Tool, ToolCall
from voicemind.llm.scripted import ScriptedLlm
from voicemind.ops.server import listening

KEY = "sk-canary-4711"

Answer = Callable[[Request], Response]


class Objection(Exception):
    """What the service says is wrong with a request."""

    def __init__(self, message: str, *, param: str = "", code: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.code = code
        self.status = status


@dataclass
class Upstream:
    """One service. `queue` holds answers to give before the ordinary ones; `asked` is every body that came in."""

    model: ScriptedLlm
    url: str = ""
    queue: deque[Answer] = field(default_factory=deque[Answer])
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    running: int = 0
    idle: anyio.Event = field(default_factory=anyio.Event)
    unwelcome: dict[str, Objection] = field(default_factory=dict[str, Objection])
    """Fields that the model of this service does not take."""

    async def take(self, request: Request, *, keyed: bool) -> dict[str, Any]:
        """The body, as far as it is welcome."""
        body: dict[str, Any] = await request.json()
        self.asked.append(body)
        if not keyed:
            raise Objection(f"Incorrect API key provided: {KEY[:6]}***", code="invalid_api_key", status=401)
        for name in body:
            if name in self.unwelcome:
                raise self.unwelcome[name]
        return body

    @asynccontextmanager
    async def work(self) -> AsyncIterator[None]:
        """Count a generation as long as it runs."""
        self.running += 1
        self.idle = anyio.Event()
        try:
            yield
        finally:
            self.running -= 1
            if not self.running:
                self.idle.set()


@asynccontextmanager
async def anthropic_service(*, words: int = 1024, **given: Any) -> AsyncIterator[Upstream]:
    """Anthropic's Messages API."""
    upstream = Upstream(ScriptedLlm(token_ms=1, context_tokens=words, **given))

    async def messages(request: Request) -> Response:
        try:
            body = await upstream.take(request, keyed=_bearer(request) == KEY)
            if upstream.queue:
                return upstream.queue.popleft()(request)
            assert request.headers["anthropic-version"]
            ask = _anthropic_ask(body)
            pieces = await _begun(upstream, ask)
        except Objection as objection:
            kind = {401: "authentication_error", 404: "not_found_error"}.get(objection.status, "invalid_request_error")
            error = {"type": "error", "error": {"type": kind, "message": str(objection)}, "request_id": "req_1"}
            return JSONResponse(error, objection.status)
        return StreamingResponse(_anthropic_wire(upstream, pieces), media_type="text/event-stream; charset=utf-8")

    async with _served(upstream, Route("/v1/messages", messages, methods=["POST"])):
        yield upstream


@asynccontextmanager
async def openai_service(*, words: int = 1024, **given: Any) -> AsyncIterator[Upstream]:
    """OpenAI's Chat Completions API."""
    upstream = Upstream(ScriptedLlm(token_ms=1, context_tokens=words, **given))

    async def completions(request: Request) -> Response:
        try:
            body = await upstream.take(request, keyed=_bearer(request) == KEY)
            if upstream.queue:
                return upstream.queue.popleft()(request)
            pieces = await _begun(upstream, _openai_ask(body))
        except Objection as objection:
            error = {
                "message": str(objection),
                "type": "invalid_request_error",
                "param": objection.param or None,
                "code": objection.code or None,
            }
            return JSONResponse({"error": error}, objection.status)
        return StreamingResponse(_openai_wire(upstream, pieces), media_type="text/event-stream; charset=utf-8")

    async with _served(upstream, Route("/v1/chat/completions", completions, methods=["POST"])):
        upstream.url += "/v1"
        yield upstream


_LLAMA = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.hostnames = sys.argv[1], int(sys.argv[2]), ["127.0.0.1"]
params.n_ctx, params.n_parallel, params.verbosity, params.cache_ram_mib = 1024, 1, -1, 256
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.chat_template = sys.argv[3]
server = xllamacpp.Server(params)
print("ready", flush=True)
sys.stdin.read()
"""


_TEMPLATE = """
{%- if tools %}
<|im_start|>system
{{ messages[0].content if messages[0].role == "system" else "" }}

# Tools
You may call one or more functions. Function signatures within <tools></tools> XML tags:
<tools>
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
</tools>
For each call, return a json object within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
{%- elif messages[0].role == "system" %}
<|im_start|>system
{{ messages[0].content }}<|im_end|>
{%- endif %}
{%- for message in messages %}
{%- if message.role == "user" or (message.role == "system" and not loop.first) %}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{%- elif message.role == "assistant" %}
<|im_start|>assistant
{{ message.content or "" }}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{%- elif message.role == "tool" %}
<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
<|im_start|>assistant
{% endif %}
"""
"""What a model that was taught tools has inside; the smallest one has not, and its own template drops them."""


@asynccontextmanager
async def llama_service(model: Path) -> AsyncIterator[str]:
    """llama.cpp's own OpenAI-compatible server, in a process of its own; yields its address."""
    port = free_port()
    command = [sys.executable, "-c", _LLAMA, str(model), str(port), _TEMPLATE]
    async with await anyio.open_process(command, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            with anyio.fail_after(60):
                await process.stdout.receive()
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def replay(wire: bytes, *, packet: int = 0, cut: bool = False, stalls: bool = False) -> Answer:
    """Recorded traffic, in packets of so many bytes; with `cut` the connection breaks behind it, or it `stalls`."""

    async def packets() -> AsyncIterator[bytes]:
        size = packet or len(wire) or 1
        for start in range(0, len(wire), size):
            yield wire[start : start + size]
            await anyio.lowlevel.checkpoint()
        if cut:
            raise ConnectionAbortedError
        if stalls:
            await anyio.sleep_forever()

    return lambda _: StreamingResponse(packets(), media_type="text/event-stream")


def refusal(status: int, body: object, **headers: str) -> Answer:
    """An error status."""
    return lambda _: JSONResponse(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def silence(*, before_headers: bool) -> Answer:
    """A service that takes the question and says nothing more."""

    async def nothing() -> AsyncIterator[bytes]:
        await anyio.sleep_forever()
        yield b""

    class Never(Response):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

    return lambda _: Never() if before_headers else StreamingResponse(nothing(), media_type="text/event-stream")


def _bearer(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers.get("x-api-key", "")


@asynccontextmanager
async def _served(upstream: Upstream, *routes: Route) -> AsyncIterator[None]:
    async with listening(Starlette(routes=routes), host="127.0.0.1", port=0, largest_frame=1 << 20) as url:
        upstream.url = url
        yield


async def _begun(upstream: Upstream, ask: Ask) -> AsyncIterator[Piece]:
    """The answer's pieces; what the model refuses shows with the first, before any header is sent."""

    async def pieces() -> AsyncGenerator[Piece]:
        async with upstream.work(), aclosing(upstream.model.stream(ask)) as stream:
            async for piece in stream:
                yield piece

    running = pieces()
    try:
        first = await anext(running)
    except ProviderRefused:
        count = sum(len(message.content.split()) for message in ask.messages)
        message = f"prompt is too long: {count} tokens > {upstream.model.context_tokens} maximum"
        raise Objection(message, code="context_length_exceeded", param="messages") from None

    async def all_pieces() -> AsyncIterator[Piece]:
        async with aclosing(running):
            yield first
            async for piece in running:
                yield piece

    return all_pieces()


def _anthropic_ask(body: dict[str, Any]) -> Ask:
    """The request as the documentation has it; Objection for what the service does not take."""
    known = {
        "model", "max_tokens", "messages", "system", "stream", "thinking", "stop_sequences", "output_config", "temperature",
        "top_p", "tools", "tool_choice",
    }  # fmt: skip
    if unknown := set(body) - known:
        raise Objection(f"{sorted(unknown)[0]}: Extra inputs are not permitted")
    if {"temperature", "top_p"} <= set(body):
        raise Objection("`temperature` and `top_p` cannot both be specified for this model.")
    chat = body["messages"]
    if chat[0]["role"] != "user" or chat[-1]["role"] != "user":
        raise Objection("messages: the conversation must start and end with a user message")
    blocks = [*body.get("system", ()), *(block for message in chat for block in message["content"])]
    if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
        raise Objection("messages: text content blocks must be non-empty")
    if sum("cache_control" in block for block in [*blocks, *body.get("tools", ())]) > 4:
        raise Objection("A maximum of 4 blocks with cache_control may be provided.")
    if any(block["type"] == "tool_use" for block in blocks) and not body.get("tools"):
        raise Objection("Requests which include `tool_use` or `tool_result` blocks must define tools")
    schema = body.get("output_config", {}).get("format", {}).get("schema")
    _check(schema, {"minLength", "maxLength", "minimum", "maximum", "maxItems", "pattern"})
    messages = [Message("system", block["text"]) for block in body.get("system", ())]
    if any("one JSON object and nothing else" in message.content for message in messages):
        schema = {"type": "object"}  # the service knows no such mode, its models do as they are told
    waiting: list[str] = []
    for message in chat:
        if message["role"] == "system":
            raise Objection('Unexpected role "system". The Messages API accepts a top-level `system` parameter.')
        _in_order([block["tool_use_id"] for block in message["content"] if block["type"] == "tool_result"], waiting)
        messages += _said_in(message)
        waiting = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
    choice = body.get("tool_choice", {"type": "auto"})
    tools = tuple(_tool(tool, tool["input_schema"]) for tool in body.get("tools", ()))
    return Ask(
        tuple(messages),
        body["max_tokens"],
        stop=tuple(body.get("stop_sequences", ())),
        json_schema=schema,
        tools=tools,
        tool_choice={"any": "required", "none": "none"}.get(choice["type"], "auto"),  # type: ignore[arg-type]
        must_call=choice.get("name", ""),
    )


def _said_in(message: dict[str, Any]) -> list[Message]:
    """Results come before words, calls after them."""
    results, texts, calls = [], [], []
    for block in message["content"]:
        match block:
            case {"type": "text", "text": text}:
                texts.append(text)
            case {"type": "tool_result", "tool_use_id": call_id, "content": text}:
                if texts:
                    raise Objection("tool_result blocks must come first in the content of a user message")
                results.append(Message("tool", text, tool_call_id=call_id))
            case {"type": "tool_use", "id": call_id, "name": name, "input": dict(given)}:
                calls.append(ToolCall(call_id, name, json.dumps(given)))
            case {"type": "thinking", "thinking": str(), "signature": str(signature)} if signature:
                pass
            case _:
                raise Objection("messages: Input should be a valid content block")
    if texts or calls:
        return [*results, Message(message["role"], "\n".join(texts), tuple(calls))]
    return [*results]


def _in_order(given: list[str], wanted: list[str]) -> None:
    """Both services refuse a chat in which not every call has its result right behind it."""
    if sorted(given) != sorted(wanted):
        raise Objection("messages: each tool call must have a corresponding result in the next message")


def _tool(tool: dict[str, Any], schema: dict[str, Any]) -> Tool:
    if schema.get("type") != "object" or not tool["name"]:
        raise Objection("tools: the schema of a tool must be of type object")
    return Tool(tool["name"], tool.get("description", ""), schema)


def _openai_ask(body: dict[str, Any]) -> Ask:
    messages = tuple(_openai_message(message) for message in body["messages"])
    at = 0
    while at < len(messages):
        behind = [message.tool_call_id for message in messages[at + 1 :]]
        _in_order(behind[: len(messages[at].tool_calls)], [call.id for call in messages[at].tool_calls])
        at += 1 + len(messages[at].tool_calls)
        if at < len(messages) and messages[at].role == "tool":
            raise Objection("messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")
    assert body["stream_options"] == {"include_usage": True}
    assert len(body.get("stop", ())) <= 4
    response_format = body.get("response_format", {})
    if response_format.get("type") == "json_object" and not any("json" in m.content.lower() for m in messages):
        raise Objection("'messages' must contain the word 'json' in some form, to use 'json_object'.", param="messages")
    form = response_format.get("json_schema", {})
    if form.get("strict"):
        _check(form["schema"], set())
    schema = {"type": "object"} if response_format.get("type") == "json_object" else form.get("schema")
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or 4096
    choice = body.get("tool_choice", "auto")
    if "tool_choice" in body and "tools" not in body:
        raise Objection("'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    return Ask(
        messages,
        limit,
        stop=tuple(body.get("stop", ())),
        json_schema=schema,
        tools=tuple(_tool(tool["function"], tool["function"]["parameters"]) for tool in body.get("tools", ())),
        tool_choice="auto" if isinstance(choice, dict) else choice,
        must_call=choice["function"]["name"] if isinstance(choice, dict) else "",
    )


def _openai_message(message: dict[str, Any]) -> Message:
    calls = tuple(
        ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls", ())
    )
    if message["content"] is None and not calls:
        raise Objection("messages: content is required", param="messages")
    return Message(message["role"], message["content"] or "", calls, message.get("tool_call_id", ""))


def _check(schema: Any, unwelcome: set[str]) -> None:
    """What both services ask of a schema: closed objects; and what this one cannot enforce must not be there."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            raise Objection(
                "'additionalProperties' is required to be supplied and to be false", param="response_format"
            )
        if found := unwelcome & set(schema):
            raise Objection(f"output_config.format.schema: property '{found.pop()}' is not supported")
        for part in schema.values():
            _check(part, unwelcome)
    elif isinstance(schema, list):
        for part in schema:
            _check(part, unwelcome)


def anthropic_event(name: str, **values: Any) -> bytes:
    """One event, in the service's spelling."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **values}, ensure_ascii=False)}\n\n".encode()


def anthropic_call(call: ToolCall, *, index: int = 0) -> bytes:
    """A call, its arguments in pieces of three characters."""
    block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}, "caller": {"type": "direct"}}
    pieces = ["", *(call.arguments[start : start + 3] for start in range(0, len(call.arguments), 3))]
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return b"".join(
        (
            anthropic_event("content_block_start", index=index, content_block=block),
            *(anthropic_event("content_block_delta", index=index, delta=delta) for delta in deltas),
            anthropic_event("content_block_stop", index=index),
        )
    )


async def _anthropic_wire(upstream: Upstream, pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    """message_start, a block with a ping among its deltas, the calls, message_delta with what it cost, message_stop."""
    usage = {"input_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "claude-scripted"}
    yield anthropic_event("message_start", message={**message, "stop_reason": None, "usage": usage})
    yield anthropic_event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield anthropic_event("ping")
    reasons = {"length": "max_tokens", "tool_calls": "tool_use", "refusal": "refusal"}
    index = 0
    async for piece in pieces:
        match piece:
            case TextDelta(text):
                yield anthropic_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
            case ToolCall():
                index += 1
                yield anthropic_call(piece, index=index)
            case Finished(reason, spent):
                yield anthropic_event("content_block_stop", index=0)
                yield anthropic_event(
                    "message_delta",
                    delta={"stop_reason": reasons.get(reason, "end_turn"), "stop_sequence": None},
                    usage={
                        "input_tokens": spent.prompt - spent.cached,
                        "cache_creation_input_tokens": 0,
                        "cache_read_input_tokens": spent.cached,
                        "output_tokens": spent.completion,
                    },
                )
                yield anthropic_event("message_stop")


def openai_chunk(delta: dict[str, Any] | None = None, *, finish: str | None = None, **values: Any) -> bytes:
    """One chunk, in the service's spelling; without a delta it has no choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "gpt-scripted",
        "service_tier": "default",
        "system_fingerprint": "fp_1",
        "choices": choices,
        "usage": None,
        "obfuscation": "x1y2",
        **values,
    }
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


def openai_call(call: ToolCall, *, index: int = 0) -> bytes:
    """A call, its arguments in pieces of three characters."""
    begun = {
        "index": index,
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": ""},
    }
    pieces = [call.arguments[start : start + 3] for start in range(0, len(call.arguments), 3)]
    rest = [{"index": index, "function": {"arguments": piece}} for piece in pieces]
    return b"".join(openai_chunk({"tool_calls": [part]}) for part in (begun, *rest))


async def _openai_wire(upstream: Upstream, pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    """The role, the text, the reason for the end, what it cost in a chunk without choices, [DONE]."""
    yield openai_chunk({"role": "assistant", "content": "", "refusal": None})
    async for piece in pieces:
        match piece:
            case TextDelta(text):
                yield openai_chunk({"content": text})
            case ToolCall():
                yield openai_call(piece)
            case Finished(reason, spent):
                yield openai_chunk({}, finish=reason)
                usage = {
                    "prompt_tokens": spent.prompt,
                    "completion_tokens": spent.completion,
                    "total_tokens": spent.prompt + spent.completion,
                    "prompt_tokens_details": {"cached_tokens": spent.cached, "audio_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 0},
                }
                yield openai_chunk(usage=usage)
                yield b"data: [DONE]\n\n"
