"""`voicemind reflections` and `meetings`: the commands and their options."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from voicemind.cli.asked import Decision, Decisions, Meeting
from voicemind.cli.options import (
    SOME,
    AgentArgument,
    AgentFilter,
    AllOption,
    ConversationArgument,
    CursorOption,
    JsonOption,
    LimitOption,
    group,
    wanted,
)
from voicemind.cli.running import load_settings, plain_errors, run

REFLECTIONS = """
\b
Examples:
  voicemind reflections list --status review
  voicemind reflections review                    what waits, one by one
  voicemind reflections review talk-1 --accept-all
  voicemind reflections retry talk-1
"""
MEETINGS = """
\b
Examples:
  voicemind meetings prepare thalia --with Ada --with Ben --topic "The harvest"
  voicemind meetings prepare marcus --with Ada --meeting council-1
  voicemind meetings end council-1
"""


class ReflectionStatus(StrEnum):
    """Where a reflection stands."""

    WAITING = "waiting"
    RUNNING = "running"
    REVIEW = "review"
    DONE = "done"
    FAILED = "failed"


class Kind(StrEnum):
    """What kind of encounter it is."""

    MEETING = "meeting"
    SPEECH = "speech"


reflections = group("What agents keep of ended conversations, and your word on it.", REFLECTIONS)
meetings = group("Encounters that agents prepare for.", MEETINGS)

MeetingArgument = Annotated[
    str, typer.Argument(metavar="MEETING", help="Its id; `voicemind meetings list` names them.")
]


@reflections.command("list")
def list_reflections(
    agent: AgentFilter = None,
    status: Annotated[ReflectionStatus | None, typer.Option(help="Only those that stand there.")] = None,
    limit: LimitOption = SOME,
    everything: AllOption = False,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reflections, the newest first."""
    from voicemind.cli import reflections as command

    many = wanted(limit, everything, cursor=cursor, as_json=as_json)
    run(partial(command.list_reflections, load_settings(), agent=agent, status=status, wanted=many))


@reflections.command("show")
def show_reflection(conversation: ConversationArgument, as_json: JsonOption = False) -> None:
    """The reflection on one conversation, and what it proposes."""
    from voicemind.cli import reflections as command

    run(partial(command.show, load_settings(), conversation, as_json=as_json))


@reflections.command("retry")
def retry_reflection(conversation: ConversationArgument, as_json: JsonOption = False) -> None:
    """Have a reflection that was given up tried again."""
    from voicemind.cli import reflections as command

    run(partial(command.retry, load_settings(), conversation, as_json=as_json))


@reflections.command("review")
def review_reflections(
    conversation: Annotated[
        str | None, typer.Argument(metavar="CONVERSATION", help="All that wait, if not said.")
    ] = None,
    accept_all: Annotated[bool, typer.Option("--accept-all", help="Accept every change, for scripts.")] = False,
    reject_all: Annotated[bool, typer.Option("--reject-all", help="Reject every change, for scripts.")] = False,
    decide: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="accept, reject or edit=TEXT, once for each change, in their order."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Accept, edit or reject what an agent would remember. What is accepted becomes a new version of its mind.

    \b
    Example:
      voicemind reflections review talk-1 --decide accept --decide "edit=Has a dog, Rollo."
    """
    from voicemind.cli import reflections as command

    if accept_all + reject_all + bool(decide) > 1:
        raise typer.BadParameter("say one of --accept-all, --reject-all and --decide.", param_hint="--decide")
    if decide and conversation is None:
        raise typer.BadParameter("say on which conversation.", param_hint="CONVERSATION")
    with plain_errors():
        each = tuple(Decision.parsed(word) for word in decide or ())
    decisions = Decisions("accept" if accept_all else "reject" if reject_all else None, each)
    run(partial(command.review, load_settings(), conversation, decisions=decisions, as_json=as_json))


@meetings.command("prepare")
def prepare_meeting(
    agent: AgentArgument,
    participants: Annotated[list[str], typer.Option("--with", metavar="NAME", help="Who takes part; once for each.")],
    topic: Annotated[str, typer.Option(help="What it is about.")] = "",
    kind: Annotated[Kind, typer.Option(help="A talk with each other, or a speech of the agent.")] = Kind.MEETING,
    meeting: Annotated[str | None, typer.Option(help="A meeting that other agents are in, or a name for one.")] = None,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="The person, for an agent with a mind for each.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Have an agent make up its mind before a meeting. Once for each agent; without a server it wakes the models first."""
    from voicemind.cli import meetings as command

    planned = Meeting(participants, topic, kind, meeting, user)
    run(partial(command.prepare, load_settings(), agent, meeting=planned, as_json=as_json))


@meetings.command("list")
def list_meetings(
    limit: LimitOption = SOME,
    everything: AllOption = False,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Meetings, the newest first."""
    from voicemind.cli import meetings as command

    many = wanted(limit, everything, cursor=cursor, as_json=as_json)
    run(partial(command.list_meetings, load_settings(), wanted=many))


@meetings.command("show")
def show_meeting(meeting: MeetingArgument, as_json: JsonOption = False) -> None:
    """One meeting, with the conversation of each agent."""
    from voicemind.cli import meetings as command

    run(partial(command.show, load_settings(), meeting, as_json=as_json))


@meetings.command("end")
def end_meeting(meeting: MeetingArgument, as_json: JsonOption = False) -> None:
    """End a meeting. Each agent then reflects on what it heard."""
    from voicemind.cli import meetings as command

    run(partial(command.end, load_settings(), meeting, as_json=as_json))
