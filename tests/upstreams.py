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
from voicemind.llm.contract import Ask, Finished, Message, Piece, TextDelta
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
server = xllamacpp.Server(params)
print("ready", flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def llama_service(model: Path) -> AsyncIterator[str]:
    """llama.cpp's own OpenAI-compatible server, in a process of its own; yields its address."""
    port = free_port()
    command = [sys.executable, "-c", _LLAMA, str(model), str(port)]
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
    return request.headers.get("authorization", "").removeprefix("Bearer ")


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
        "model", "max_tokens", "messages", "system", "stream", "thinking", "stop_sequences", "output_config", "temperature"
    }  # fmt: skip
    if unknown := set(body) - known:
        raise Objection(f"{sorted(unknown)[0]}: Extra inputs are not permitted")
    if body["messages"][0]["role"] != "user" or body["messages"][-1]["role"] != "user":
        raise Objection("messages: the conversation must start and end with a user message")
    blocks = [*body.get("system", ()), *(block for message in body["messages"] for block in message["content"])]
    if any(not block["text"].strip() for block in blocks):
        raise Objection("messages: text content blocks must be non-empty")
    if sum("cache_control" in block for block in blocks) > 4:
        raise Objection("A maximum of 4 blocks with cache_control may be provided.")
    schema = body.get("output_config", {}).get("format", {}).get("schema")
    _check(schema, {"minLength", "maxLength", "minimum", "maximum", "maxItems", "pattern"})
    messages = [Message("system", block["text"]) for block in body.get("system", ())]
    for message in body["messages"]:
        if message["role"] == "system":
            raise Objection('Unexpected role "system". The Messages API accepts a top-level `system` parameter.')
        messages.append(Message(message["role"], "\n".join(block["text"] for block in message["content"])))
    return Ask(tuple(messages), body["max_tokens"], stop=tuple(body.get("stop_sequences", ())), json_schema=schema)


def _openai_ask(body: dict[str, Any]) -> Ask:
    messages = tuple(Message(message["role"], message["content"]) for message in body["messages"])
    assert body["stream_options"] == {"include_usage": True}
    assert len(body.get("stop", ())) <= 4
    form = body.get("response_format", {}).get("json_schema", {})
    if form.get("strict"):
        _check(form["schema"], set())
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or 4096
    return Ask(messages, limit, stop=tuple(body.get("stop", ())), json_schema=form.get("schema"))


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


async def _anthropic_wire(upstream: Upstream, pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    """message_start, a block with a ping among its deltas, message_delta with what it cost, message_stop."""
    usage = {"input_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "claude-scripted"}
    yield anthropic_event("message_start", message={**message, "stop_reason": None, "usage": usage})
    yield anthropic_event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield anthropic_event("ping")
    async for piece in pieces:
        match piece:
            case TextDelta(text):
                yield anthropic_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
            case Finished(reason, spent):
                yield anthropic_event("content_block_stop", index=0)
                yield anthropic_event(
                    "message_delta",
                    delta={"stop_reason": "max_tokens" if reason == "length" else "end_turn", "stop_sequence": None},
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


async def _openai_wire(upstream: Upstream, pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    """The role, the text, the reason for the end, what it cost in a chunk without choices, [DONE]."""
    yield openai_chunk({"role": "assistant", "content": "", "refusal": None})
    async for piece in pieces:
        match piece:
            case TextDelta(text):
                yield openai_chunk({"content": text})
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
