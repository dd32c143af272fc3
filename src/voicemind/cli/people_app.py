"""`voicemind users` and `conversations`: the commands and their options."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from voicemind.cli.options import (
    SOME,
    AgentFilter,
    AllOption,
    ConversationArgument,
    CursorOption,
    JsonOption,
    LimitOption,
    OutOption,
    UserFilter,
    YesOption,
    group,
    wanted,
)
from voicemind.cli.running import load_settings, run

USERS = """
\b
Examples:
  voicemind users show ada
  voicemind users export ada --out ada.json
  voicemind users erase ada                       asks first, and says how much it is
"""
CONVERSATIONS = """
\b
Examples:
  voicemind conversations list --user ada
  voicemind conversations show talk-1
  voicemind conversations export talk-1 --format markdown --out talk-1.md
  voicemind conversations erase talk-1
"""


class ConversationStatus(StrEnum):
    """Where a conversation stands."""

    ACTIVE = "active"
    DETACHED = "detached"
    ENDED = "ended"
    REFLECTED = "reflected"
    FAILED = "failed"


class Form(StrEnum):
    """What an exported conversation looks like."""

    JSON = "json"
    MARKDOWN = "markdown"
    ELEVENLABS = "elevenlabs"


users = group("People: what is known of them, and forgetting it.", USERS)
conversations = group("What was said.", CONVERSATIONS)

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="A person's id; `voicemind users list` names them.")]


@users.command("list")
def list_users(
    limit: LimitOption = SOME,
    everything: AllOption = False,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
) -> None:
    """The people that are known."""
    from voicemind.cli import people as command

    many = wanted(limit, everything, cursor=cursor, as_json=as_json)
    run(partial(command.list_users, load_settings(), wanted=many))


@users.command("show")
def show_user(user: UserArgument, as_json: JsonOption = False) -> None:
    """One person: who remembers how much of them, and their newest conversations."""
    from voicemind.cli import people as command

    run(partial(command.show_user, load_settings(), user, as_json=as_json))


@users.command("export")
def export_user(user: UserArgument, out: OutOption = None) -> None:
    """Everything about a person as one JSON file: conversations, reflections, and minds in all versions."""
    from voicemind.cli import people as command

    run(partial(command.export_user, load_settings(), user, file=out))


@users.command("erase")
def erase_user(user: UserArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Erase a person for good: conversations, minds, and every line that rests on them alone, in all versions.

    It asks first, and says how much it is. The receipt holds numbers and nothing that was said.
    """
    from voicemind.cli import people as command

    run(partial(command.erase_user, load_settings(), user, yes=yes, as_json=as_json))


@conversations.command("list")
def list_conversations(
    agent: AgentFilter = None,
    user: UserFilter = None,
    status: Annotated[ConversationStatus | None, typer.Option(help="Only those that stand there.")] = None,
    meeting: Annotated[str | None, typer.Option(help="Only those of this meeting.")] = None,
    limit: LimitOption = SOME,
    everything: AllOption = False,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Conversations, the newest first."""
    from voicemind.cli import people as command

    many = wanted(limit, everything, cursor=cursor, as_json=as_json)
    run(
        partial(
            command.list_conversations,
            load_settings(),
            agent=agent,
            user=user,
            status=status,
            meeting=meeting,
            wanted=many,
        )
    )


@conversations.command("show")
def show_conversation(conversation: ConversationArgument, as_json: JsonOption = False) -> None:
    """What was said, and what was heard of it where that differs."""
    from voicemind.cli import people as command

    run(partial(command.show_conversation, load_settings(), conversation, as_json=as_json))


@conversations.command("export")
def export_conversation(
    conversation: ConversationArgument,
    form: Annotated[Form, typer.Option("--format", help="Of the file.")] = Form.JSON,
    out: OutOption = None,
) -> None:
    """A conversation as a file: for people, for programs, or as ElevenLabs' conversation object."""
    from voicemind.cli import people as command

    run(partial(command.export_conversation, load_settings(), conversation, form=form, file=out))


@conversations.command("erase")
def erase_conversation(conversation: ConversationArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Erase a conversation for good, and every remembered line that rests on it alone."""
    from voicemind.cli import people as command

    run(partial(command.erase_conversation, load_settings(), conversation, yes=yes, as_json=as_json))
