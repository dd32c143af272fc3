"""The chat completions format (OpenAI API reference, "Chat", read 2025-08): requests in, completions and chunks out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from voicemind.errors import BadRequest
from voicemind.llm.contract import Finished, Message, Usage

MAX_MESSAGES = 2_000
DONE = b"data: [DONE]\n\n"


class Part(msgspec.Struct):
    """One part of a message's content; only text can be used."""

    type: str
    text: str = ""


class ChatMessage(msgspec.Struct):
    """A message as it is sent."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


class StreamOptions(msgspec.Struct):
    """Asks for the usage at the end of a stream."""

    include_usage: bool | None = None


class ExtraBody(msgspec.Struct):
    """`elevenlabs_extra_body`: which conversation this is, and whose."""

    conversation_id: str | None = None
    patient_id: str | None = None
    user_id: str | None = None
    role_id: str | None = None


class Request(msgspec.Struct):
    """The body of a request; what is not named here is ignored."""

    model: str
    messages: list[ChatMessage]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    user_id: str | None = None
    elevenlabs_extra_body: ExtraBody | None = None


@dataclass(frozen=True, slots=True)
class Chat:
    """What is asked: the talk so far (its last message is the user's), and what the caller's own system messages say."""

    history: tuple[Message, ...]
    guidance: str
    max_tokens: int | None
    temperature: float | None
    stop: tuple[str, ...]


def chat(request: Request) -> Chat:
    """Check what types cannot say. Raises BadRequest, which names the field."""
    if not request.messages:
        raise BadRequest("There are no messages.", param="messages")
    if len(request.messages) > MAX_MESSAGES:
        raise BadRequest(f"There are more than {MAX_MESSAGES} messages.", param="messages")
    if request.n not in (None, 1):
        raise BadRequest("Only one completion can be asked for.", param="n")
    if request.temperature is not None and not 0 <= request.temperature <= 2:
        raise BadRequest("The temperature lies between 0 and 2.", param="temperature")
    max_tokens = request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens
    if max_tokens is not None and max_tokens < 1:
        raise BadRequest("At least one token must be asked for.", param="max_tokens")
    texts = [(message.role, _text(message, index)) for index, message in enumerate(request.messages)]
    history = tuple(
        Message("user" if role == "user" else "assistant", text)
        for role, text in texts
        if role in ("user", "assistant") and text
    )
    if not history or history[-1].role != "user":
        raise BadRequest("The last message must be the user's.", param="messages")
    stop = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    return Chat(
        history=history,
        guidance="\n".join(text for role, text in texts if role in ("system", "developer") and text),
        max_tokens=max_tokens,
        temperature=request.temperature,
        stop=tuple(word for word in stop if word)[:4],
    )


def _text(message: ChatMessage, index: int) -> str:
    if message.content is None or isinstance(message.content, str):
        return (message.content or "").strip()
    if other := next(
        (part.type for part in message.content if part.type not in ("text", "input_text", "refusal")), None
    ):
        raise BadRequest(
            f"Content of type {other[:40]!r} cannot be used here, only text.", param=f"messages[{index}].content"
        )
    return " ".join(part.text for part in message.content).strip()


def usage(spent: Usage) -> dict[str, Any]:
    """Tokens, with those from the prompt cache."""
    return {
        "prompt_tokens": spent.prompt,
        "completion_tokens": spent.completion,
        "total_tokens": spent.prompt + spent.completion,
        "prompt_tokens_details": {"cached_tokens": spent.cached},
    }


def completion(identity: str, created: int, model: str, text: str, finished: Finished) -> dict[str, Any]:
    """A whole answer."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": None},
        "logprobs": None,
        "finish_reason": finished.reason,
    }
    return {
        "id": identity,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [choice],
        "usage": usage(finished.usage),
    }


class Chunks:
    """The frames of one streamed answer."""

    def __init__(self, identity: str, created: int, model: str) -> None:
        self._head = {"id": identity, "object": "chat.completion.chunk", "created": created, "model": model}

    def delta(self, content: dict[str, str], *, finish_reason: str | None = None) -> bytes:
        """A chunk with one delta."""
        return _frame(
            {
                **self._head,
                "choices": [{"index": 0, "delta": content, "logprobs": None, "finish_reason": finish_reason}],
            }
        )

    def usage(self, spent: Usage) -> bytes:
        """The last chunk where the caller asked for usage: no choices."""
        return _frame({**self._head, "choices": [], "usage": usage(spent)})


def error_frame(code: str, message: str) -> bytes:
    """Where an answer breaks off: an error object instead of further chunks."""
    return _frame({"error": {"message": message, "type": "server_error", "param": None, "code": code}})


def _frame(content: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(content) + b"\n\n"
