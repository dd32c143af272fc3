"""Who asks, in which conversation and how: from whatever the platform can be made to send. Pure.

Each of these is asked in turn, and for each question the first that answers counts:

1. `elevenlabs_extra_body` of the request;
2. the headers `X-Conversation-Id`, `X-User-Id`, `X-Meeting-Id`, `X-Voicemind-Intent` and `X-Voicemind-Channel`;
3. a line of a system message, `voicemind: conversation=… user=… meeting=… intent=… channel=…`, which the model never sees;
4. what single platforms send: Vapi's `call.id` and `customer.number`, Hume's `custom_session_id` in the address;
5. `metadata.conversation_id` and `metadata.user_id`; then `user_id` and `user` for the person.

A value that is still a template (`{{…}}`) or that says that nobody knows counts as missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voicemind.channels.chat_completions import wire
from voicemind.channels.chat_completions.tools import PLATFORM_TOOLS, object_of
from voicemind.conversation import callers
from voicemind.conversation.opening import MAX_ID_CHARS, external_id
from voicemind.errors import BadRequest
from voicemind.mind.prompt import Channel

HEADERS = {
    "conversation": "x-conversation-id",
    "user": "x-user-id",
    "meeting": "x-meeting-id",
    "intent": "x-voicemind-intent",
    "channel": "x-voicemind-channel",
}
_CHANNELS: Mapping[str | None, Channel] = {"voice": "voice", "text": "text"}
_WHO = frozenset({"conversation", "user", "meeting"})
_TAGGED = re.compile(r"^[ \t]*voicemind:(?P<said>.*)$\n?", re.IGNORECASE | re.MULTILINE)
_PAIR = re.compile(r"(?<![^\s,;])(\w{1,40})=(\"[^\"]*\"|'[^']*'|\{\{[^{}]*\}\}|\S*)")
MAX_LINE_CHARS = 2_000
"""The longest tagged line: ids and an intent."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What a request says about itself; None and "" where it does not. `agent` is the one that it names besides `model`."""

    conversation_id: str | None = None
    person: str | None = None
    meeting_id: str | None = None
    agent: str = ""
    intent: str = ""
    channel: Channel = "text"


def untagged(system: Sequence[str]) -> tuple[str, dict[str, str]]:
    """What the system messages say without their tagged lines, and what those say; of two that say the same thing the first counts.

    Raises BadRequest for a line that is too long, and where two do not agree on who it is: one of them may be a variable that a caller chose.
    """
    said: dict[str, str] = {}

    def take(line: re.Match[str]) -> str:
        if len(line["said"]) > MAX_LINE_CHARS:
            raise BadRequest(f"The line voicemind: is longer than {MAX_LINE_CHARS} characters.", param="messages")
        for key, given in _PAIR.findall(line["said"]):
            name, value = key.lower(), given.strip("\"'")
            if said.setdefault(name, value) != value and name in _WHO:
                raise BadRequest(f"The line voicemind: says two different things for {name}=.", param="messages")
        return ""

    texts = [_TAGGED.sub(take, text).strip() if "voicemind:" in text.lower() else text for text in system]
    return "\n".join(text for text in texts if text), said


def caller(
    request: wire.Request, *, headers: Mapping[str, str], query: Mapping[str, str], tagged: Mapping[str, str]
) -> Caller:
    """Put together what the request says. Raises BadRequest for an id that cannot be one."""
    extra = request.elevenlabs_extra_body or wire.ExtraBody()
    prefix = "elevenlabs_extra_body."
    conversation = _first(
        (extra.conversation_id, prefix + "conversation_id"),
        (headers.get(HEADERS["conversation"]), "X-Conversation-Id"),
        (tagged.get("conversation"), "voicemind: conversation"),
        (_inside(request.call, "id"), "call.id"),
        (query.get("custom_session_id"), "custom_session_id"),
        (_inside(request.metadata, "conversation_id"), "metadata.conversation_id"),
    )
    person = _first(
        (_named(extra.patient_id), prefix + "patient_id"),
        (_named(extra.user_id), prefix + "user_id"),
        (_somebody(headers.get(HEADERS["user"])), "X-User-Id"),
        (_somebody(tagged.get("user")), "voicemind: user"),
        (_somebody(_number(request), read=callers.caller), "customer.number"),
        (_named(_inside(request.metadata, "user_id")), "metadata.user_id"),
        (_named(request.user_id), "user_id"),
        (_named(request.user), "user"),
    )
    meeting = _first(
        (extra.meeting_id, prefix + "meeting_id"),
        (headers.get(HEADERS["meeting"]), "X-Meeting-Id"),
        (tagged.get("meeting"), "voicemind: meeting"),
    )
    intent = _first(
        (extra.intent, prefix + "intent"),
        (headers.get(HEADERS["intent"]), "X-Voicemind-Intent"),
        (tagged.get("intent"), "voicemind: intent"),
    )
    return Caller(
        conversation_id=conversation,
        person=person,
        meeting_id=meeting,
        agent=extra.role_id or "",
        intent=intent or "",
        channel=_channel(request, headers=headers, query=query, tagged=tagged),
    )


def _channel(
    request: wire.Request, *, headers: Mapping[str, str], query: Mapping[str, str], tagged: Mapping[str, str]
) -> Channel:
    """Whether the answer will be spoken: what is said about it counts, else whether a voice platform asks."""
    for value in (query.get("channel"), headers.get(HEADERS["channel"]), tagged.get("channel")):
        if value in _CHANNELS:
            return _CHANNELS[value]
        if value and not _is_template(value):
            raise BadRequest("The channel is voice or text.", param="channel")
    names = {tool.function.name for tool in request.tools or ()}
    asks = request.elevenlabs_extra_body is not None or bool(tagged) or "custom_session_id" in query
    return "voice" if asks or _inside(request.call, "id") or names & PLATFORM_TOOLS else "text"


def _first(*said: tuple[str | int | None, str]) -> str | None:
    """The first that is there. Raises BadRequest where that one cannot be an id."""
    for value, param in said:
        text = None if value is None or _is_template(str(value)) else str(value).strip()
        if identity := external_id(text, param=param):
            return identity
    return None


def _is_template(value: str) -> bool:
    return "{{" in value and "}}" in value


def _somebody(value: str | None, *, read: Callable[[str], str | None] = callers.named) -> str | None:
    """Who it is, or may be by number; who withholds it is nobody. What can be no id at all stays, and is refused as one."""
    if value is None or len(value) > MAX_ID_CHARS or not value.isprintable():
        return value
    return read(value)


def _named(value: str | int | None) -> str | int | None:
    """An id as the caller wrote it; words that say that nobody knows are none, for all whom they are said of would share one mind."""
    return None if isinstance(value, str) and callers.is_nobody(value) else value


def _number(request: wire.Request) -> str | None:
    """The telephone number of Vapi's customer, who stands beside the call or in it."""
    places = (request.customer, (object_of(request.call) or {}).get("customer"))
    return next((number for place in places if (number := _inside(place, "number"))), None)


def _inside(value: Any, name: str) -> str | None:
    """A text in an object of somebody else's, if it is one."""
    found = (object_of(value) or {}).get(name)
    return found if isinstance(found, str) else None
