"""A request as what is asked: checked, with nothing of the format left in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voicemind.channels.chat_completions import wire
from voicemind.channels.chat_completions.identity import Caller, caller, untagged
from voicemind.channels.chat_completions.messages import talk
from voicemind.channels.chat_completions.tools import answer_schema, chosen
from voicemind.errors import BadRequest
from voicemind.llm.contract import Message
from voicemind.mind.reply import Wishes

MAX_STOPS = 4


@dataclass(frozen=True, slots=True)
class Chat:
    """The talk so far, what the caller's own system messages say, what is wished of the answer, and who asks."""

    history: tuple[Message, ...]
    guidance: str
    wishes: Wishes
    caller: Caller


def chat(request: wire.Request, *, headers: Mapping[str, str], query: Mapping[str, str]) -> Chat:
    """Check what types cannot say. Raises BadRequest or TooLarge, which name the field."""
    if request.n not in (None, 1):
        raise BadRequest("Only one completion can be asked for.", param="n")
    said = talk(request.messages, place="messages[{}]".format)
    guidance, tagged = untagged(said.system)
    asks = caller(request, headers=headers, query=query, tagged=tagged)
    return Chat(said.history, guidance, _wishes(request, asks.intent), asks)


def _wishes(request: wire.Request, intent: str) -> Wishes:
    named = "max_tokens" if request.max_completion_tokens is None else "max_completion_tokens"
    functions, choice = [tool.function for tool in request.tools or ()], request.tool_choice
    param = "tools"
    if request.functions and not functions:
        param, functions = "functions", request.functions
        older = request.function_call
        choice = wire.ToolChoice("function", function=older) if isinstance(older, wire.Named) else older
    tools, whether, must_call = chosen(functions, choice, param=param)
    return Wishes(
        max_tokens=tokens(getattr(request, named), param=named),
        temperature=between(request.temperature, 2, param="temperature"),
        top_p=between(request.top_p, 1, param="top_p"),
        seed=_seed(request.seed),
        stop=_stop(request.stop),
        json_schema=answer_schema(request.response_format),
        tools=tools,
        tool_choice=whether,
        must_call=must_call,
        intent=intent,
    )


def tokens(count: int | None, *, param: str) -> int | None:
    """A limit that can be kept. Raises BadRequest."""
    if count is not None and count < 1:
        raise BadRequest("At least one token must be asked for.", param=param)
    return count


def between(value: float | None, most: float, *, param: str) -> float | None:
    """A number from 0 to `most`. Raises BadRequest."""
    if value is not None and not 0 <= value <= most:
        raise BadRequest(f"{param} lies between 0 and {most}.", param=param)
    return value


def _seed(seed: int | None) -> int | None:
    if seed is not None and not -(2**63) <= seed < 2**63:
        raise BadRequest("The seed has 64 bits.", param="seed")
    return seed


def _stop(stop: str | list[str] | None) -> tuple[str, ...]:
    words = (stop,) if isinstance(stop, str) else tuple(stop or ())
    if len(words) > MAX_STOPS:
        raise BadRequest(f"There are more than {MAX_STOPS} stop strings.", param="stop")
    return tuple(word for word in words if word)
