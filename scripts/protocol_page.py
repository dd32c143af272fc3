"""Writes docs/protocols/voice-conversation.md from the messages themselves, so that the page says what the code does."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from voicemind.channels.browser import events, frames, wire
from voicemind.channels.browser.guard import Limits
from voicemind.conversation.ending import Patience
from voicemind.ops.sockets import SocketPatience

PAGE = Path(__file__).resolve().parent.parent / "docs/protocols/voice-conversation.md"
_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# `/voice-conversation`",
            "",
            "<!-- Written by scripts/protocol_page.py from channels/browser/wire.py and events.py: change those. -->",
            "",
            _INTRODUCTION.strip(),
            "",
            "## What the client says",
            "",
            *_messages((_wire_name(message), message) for message in wire.MESSAGES),
            "## What the server says",
            "",
            _paragraphs(events.__doc__).partition("\n\n")[2],
            "",
            *_messages((event.type, event) for event in events.EVENTS),
            "## Sound",
            "",
            _paragraphs(frames.__doc__).partition("\n\n")[2],
            "",
            _resumption(),
            "",
            _close_codes(),
            "",
            _limits(),
            "",
        ]
    )


def _messages(named: Iterable[tuple[str, type[msgspec.Struct]]]) -> list[str]:
    lines: list[str] = []
    for name, message in named:
        lines += [f"### `{name}`", "", _paragraphs(message.__doc__), ""]
        fields = msgspec.structs.fields(message)
        if fields:
            explained = _explained(message)
            lines += ["| field | what it is | otherwise |", "|---|---|---|"]
            hints = get_type_hints(message, include_extras=True)
            for field in fields:
                about = " ".join(filter(None, (_type_name(hints[field.name]), explained.get(field.name, ""))))
                lines.append(f"| `{field.encode_name}` | {about} | {_default(field)} |")
            lines.append("")
    return lines


def _wire_name(message: type[msgspec.Struct]) -> str:
    return str(message.__struct_config__.tag)


def _paragraphs(text: str | None) -> str:
    """A docstring without the word `Pure.`, which is for programmers."""
    return inspect.cleandoc(text or "").replace(" Pure.", "")


def _explained(message: type[msgspec.Struct]) -> Mapping[str, str]:
    """What stands under the fields of a class."""
    found: dict[str, str] = {}
    body = ast.parse(textwrap.dedent(inspect.getsource(message))).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def _type_name(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        plain, *limits = get_args(hint)
        return (
            _type_name(plain).removesuffix(".")
            + "".join(_bounds(limit) for limit in limits if isinstance(limit, msgspec.Meta))
            + "."
        )
    if get_origin(hint) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(hint)) + "."
    if get_origin(hint) in (Union, types.UnionType):
        named = [_type_name(part).removesuffix(".") for part in get_args(hint) if part is not type(None)]
        return " or ".join(named) + ", or null."
    if get_origin(hint) is not None:
        return "object of numbers."
    return _NAMES[hint] + "."


def _bounds(limit: msgspec.Meta) -> str:
    if limit.max_length is not None:
        return f", {limit.max_length} characters at most"
    return f", from {limit.ge} to {limit.le:.0f}"


def _default(field: Any) -> str:
    if field.default is msgspec.NODEFAULT:
        return "–"
    return f"`{msgspec.json.encode(field.default).decode()}`"


_INTRODUCTION = """
One WebSocket, one conversation. `POST /api/voice-sessions` answers with `conversationDetailId` and with `wsUrl`, the address of the socket. What it may say besides:

| in the address | what it does |
|---|---|
| `conversationDetailId=…` | which conversation; needed |
| `binary=1` | sound travels in binary frames, both ways |
| `sequence=1` | the session's messages are numbered |
| `resume=1` | the first message is `resume`: go on with a session that lost its connection |
| `channel=text` | nobody speaks: the text is the conversation |
| `greet=0` | the agent does not begin |
| `ticket=…` | lets a page in that cannot send a key; good for one socket |

Messages are JSON text frames of the form `{"type": …, "data": {…}, "timestamp": …}` from the server and `{"type": …, …fields}` from the client. New types and new fields may be added: leave
out what you do not know. A message that cannot be used is answered with an `error` (codes `bad_message`, `bad_audio`), and the conversation goes on.

The server asks for a sign of life (a WebSocket ping) every """
_INTRODUCTION += f"{SocketPatience().ping_s:.0f} seconds; browsers and libraries answer it by themselves."


def _resumption() -> str:
    patience, limits = Patience(), Limits()
    return f"""## Going on after a lost connection

A session outlives its socket. When the connection is lost, the reply that sounds is held, and the session waits {patience.detached_s:.0f} seconds (`VOICEMIND_DETACHED_S`, and `resumableForS` in `ready`).

1. Connect with `sequence=1`. Keep `sessionId` and `secret` of `ready`, and the `sequence` of the last message that you have dealt with. Send `ack` with it now and then (every second is often enough): the server
   then need not keep what you have.
2. After a loss, get a new ticket if you need one (`POST /api/voice-sessions` with the `conversation_id`), and connect to the same conversation with `resume=1` and `sequence=1`.
3. Send, within {limits.resume_s:.0f} seconds and before anything else, `{{"type": "resume", "sessionId": …, "secret": …, "sequence": …}}`. The secret is never part of an address.
4. The server answers `resumed`, which has no number. Then come the messages after yours, each once and in order, with the numbers that they had; then life goes on. There is no second greeting. Sound that was missed does not come again.
5. Send again every typed message that was not answered with its `transcript`, with the same `id`. One that had arrived is answered with `ack` and counts once.

Of at most {limits.kept_messages} messages and {limits.kept_bytes // 1024} kB that wait to be acknowledged the server keeps all. Where there are more, those go first that a later one replaces: a `transcript` that is not final, an `agent_response` that is
not final. Only these can be missing from the numbers. Where that is not enough, resuming is refused with the code `missed_too_much`.

Where the conversation ended meanwhile, resuming works for the same time (for clients with `sequence=1`): `resumed`, the rest up to `complete`, and the close code that the lost connection would have had.

A session that is unknown, over for longer, erased, another tenant's or another conversation's, and a wrong secret, are refused all alike: `error` with the code `session_not_found`, then close code 4404. Then connect without
`resume=1`: the conversation goes on in a new session, and what was stored is known there.

A second socket on a session closes the first with 4409, whether it resumes or begins anew."""


def _close_codes() -> str:
    return """## Close codes

An `error` message with a `code` comes before each of those that begin with 1008, 1013 or 4 (but 4409).

| code | why | what to do |
|---|---|---|
| 1000 | the conversation is over: `complete` says why (`end`, `idle`, `length`, `gone`, `shutdown`) | after `shutdown`, connect again: the conversation goes on |
| 1007 | a text frame was not UTF-8 | |
| 1008 | ten messages within ten seconds could not be used, or too much came too fast (`rate_limited`) | the session is left; the conversation can be gone on with |
| 1009 | a frame was larger than 256 kB | resume |
| 1011 | the session broke, or no sign of life came | if there was no `error`: resume |
| 1013 | no place (`busy`), the server stops (`draining`), or the client took nothing for too long | try again later; a slow client resumes |
| 4000 | `conversationDetailId` is missing | |
| 4001 | the session cannot be created: models missing, a language that is not spoken here, the conversation has ended (`already_ended`), or `not_rolled_out` | after `not_rolled_out`, `channel=text` is open |
| 4401 | the key was taken back while the socket was open; before it comes an `error` (`invalid_api_key`). Who has no valid key from the start is refused with HTTP 401 before the socket opens | the session is over, the conversation is kept: with a new key it can be gone on with, not resumed |
| 4404 | no such conversation, or no session to resume | |
| 4409 | another socket serves this session or conversation now | do not connect again by yourself |"""


def _limits() -> str:
    limits, sockets = Limits(), SocketPatience()
    return f"""## Limits

- Sound may come {limits.speed:.0f} times as fast as it sounds, and {limits.messages_a_second:.0f} messages a second, both counted over {limits.window_s:.0f} seconds: who was cut off for a moment may catch up.
- Before `ready` the newest {limits.early_s:.0f} seconds of sound are kept, and {limits.early_messages} other messages. After `end` nothing is taken (`already_ended`).
- Of the sound for a slow client the newest {limits.queued_s:.0f} seconds wait, the rest is dropped; messages never are. Who takes nothing for {sockets.unread_s:.0f} seconds, or too little for {limits.behind_s:.0f}, is closed with 1013.
- All places taken (`VOICEMIND_MAX_CONCURRENT_SESSIONS`): newcomers wait in line (`queue`), up to `VOICEMIND_QUEUE_PLACES` of them for up to `VOICEMIND_QUEUE_WAIT_S` seconds. A session that waits for its client keeps its place.
- A session ends after `VOICEMIND_SESSION_TIMEOUT_MINUTES` without a word (`idle`) or `VOICEMIND_MAX_SESSION_MINUTES` in all (`length`).
- While talking is rolled out (`VOICEMIND_REALTIME_PERCENT`), it is open to that share of people, the same ones each time; writing is open to all.
- Where what listens or speaks fails in the middle, the next of `VOICEMIND_VOICE_FALLBACK` takes over and, last of all, writing: `error` with the code `engine_changed` says so, and the conversation goes on."""


def main() -> None:
    """Write it."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
