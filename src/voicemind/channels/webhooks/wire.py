"""The events that ElevenLabs sends after and before a call, and what is answered before one. Pure.

Shapes: their documentation "Post-call webhooks" and "Twilio personalization" (2025-08), and the types of the PyPI package elevenlabs 2.78.0. An event is
delivered once, and a webhook that refuses ten in a row is switched off: so whatever can be read is read, and what cannot is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

from voicemind.conversation.callers import caller, somebody
from voicemind.conversation.opening import MAX_ID_CHARS
from voicemind.conversation.settling import Told
from voicemind.mind.agent import Agent
from voicemind.store.values import Call, NewTurn

TRANSCRIPT = "post_call_transcription"
FAILURE = "call_initiation_failure"
AUDIO = "post_call_audio"
UNFINISHED = frozenset({"initiated", "in-progress", "processing"})
FAILURES = frozenset({"busy", "no-answer", "unknown"})
MAX_TURNS = 5_000

Kind = Literal["over", "failed", "audio", "unfinished", "unknown"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `told` is what it says of a call, `reason` why the call failed."""

    kind: Kind
    told: Told
    reason: str


class Ringing(msgspec.Struct):
    """`POST /api/elevenlabs/initiation`: somebody calls. What is not named here is ignored."""

    caller_id: str | None = None
    agent_id: str | None = None
    called_number: str | None = None
    call_sid: str | None = None
    conversation_id: str | None = None


def event(content: Any) -> Event:
    """The event of a decoded body, whatever it is."""
    name = _text(content, "type")
    data = _at(content, "data")
    kind: Kind = "unknown"
    if name == TRANSCRIPT:
        kind = "unfinished" if _text(data, "status") in UNFINISHED else "over"
    elif name == FAILURE:
        kind = "failed"
    elif name == AUDIO:
        kind = "audio"
    reason = _text(data, "failure_reason")
    return Event(kind, _told(data), reason if reason in FAILURES else "other")


def _told(data: Any) -> Told:
    platform_id = _identity(_text(data, "conversation_id"))
    begun = _at(data, "conversation_initiation_client_data")
    extra, variables = _at(begun, "custom_llm_extra_body"), _at(begun, "dynamic_variables")
    names = (
        _text(extra, "conversation_id"),
        _text(variables, "conversation_id"),
        platform_id,
    )
    people = (
        _text(extra, "patient_id"),
        _text(extra, "user_id"),
        _text(variables, "patient_id"),
        _text(variables, "user_id"),
        _text(begun, "user_id"),
        _text(data, "user_id"),
        caller(_text(variables, "system__caller_id")) or "",
        _text(variables, "system__caller_id"),
    )
    agents = (_text(extra, "role_id"), _text(variables, "role_id"), _text(data, "agent_id"))
    return Told(
        platform_id=platform_id,
        conversations=_distinct(names),
        agents=_distinct(agents),
        people=tuple(person for person in _distinct(people) if somebody(person)),
        turns=tuple(_turns(_at(data, "transcript"))),
    )


def _turns(transcript: Any) -> Iterator[NewTurn]:
    """What was said, without what was not: no words and no calls."""
    for item in _list(transcript)[:MAX_TURNS]:
        role, heard = _text(item, "role"), _text(item, "message").strip()
        modality: Literal["speech", "text"] = "text" if _text(item, "source_medium") == "text" else "speech"
        if role == "user" and heard:
            yield NewTurn("user", heard, heard=heard, modality=modality)
        elif role == "agent":
            calls = tuple(_calls(_at(item, "tool_calls")))
            meant = _text(item, "original_message").strip() or heard
            if heard or calls:
                interrupted = _at(item, "interrupted") is True
                yield NewTurn("agent", meant, heard=heard, interrupted=interrupted, modality=modality, calls=calls)


def _calls(calls: Any) -> Iterator[Call]:
    for call in _list(calls):
        name = _text(call, "tool_name")
        if name:
            yield Call(_text(call, "request_id"), name, _text(call, "params_as_json") or "{}")


def begin(
    agent: Agent,
    *,
    conversation_id: str,
    person: str | None,
    prompt: str,
    blocks: Mapping[str, str],
    session_count: int,
    overrides: bool,
) -> dict[str, Any]:
    """The answer to a call that rings: `blocks` is what the mind holds, by label. Without `overrides`, variables alone."""
    variables: dict[str, str | int] = {
        "role_id": agent.slug,
        "agent_name": agent.name,
        "user_id": person or "",
        "conversation_id": conversation_id,
        "session_count": session_count,
        "mind": "\n\n".join(f"{block.title}\n{blocks[block.label]}" for block in agent.blocks if block.label in blocks),
        **{f"mind_{label}": text for label, text in blocks.items()},
    }
    config: dict[str, Any] = {}
    if overrides:
        config["agent"] = {
            "prompt": {"prompt": prompt},
            "first_message": agent.first_message,
            "language": agent.language.partition("-")[0],
        }
    return {
        "type": "conversation_initiation_client_data",
        "dynamic_variables": variables,
        "conversation_config_override": config,
    }


def _at(content: Any, name: str) -> Any:
    return cast("dict[str, Any]", content).get(name) if isinstance(content, dict) else None


def _list(content: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", content) if isinstance(content, list) else ()


def _text(content: Any, name: str) -> str:
    value = _at(content, name)
    return value if isinstance(value, str) else ""


def _identity(value: str) -> str:
    """An id that can be one of ours; empty for any other, and for a template that was not filled in."""
    usable = value.strip() and len(value) <= MAX_ID_CHARS and value.isprintable() and "{{" not in value
    return value if usable else ""


def _distinct(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(_identity, values))))
