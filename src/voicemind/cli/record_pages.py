"""How reflections, people, conversations, meetings and receipts look in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from voicemind.cli.mind_pages import NOBODY, counted, show_change, when, whose
from voicemind.cli.rest_records import (
    Conversation,
    Meeting,
    MindRow,
    Prepared,
    Receipt,
    Reflection,
    Transcript,
    Turn,
    User,
    WholeMeeting,
)
from voicemind.cli.screen import note, out, paragraph, rows

STATES = {
    "waiting": "waits for its turn",
    "running": "is being made",
    "review": "waits for your word",
    "done": "is done",
    "failed": "was given up",
}
NOUNS = {
    "conversations": ("conversation", ""),
    "turns": ("turn", ""),
    "reflections": ("reflection", ""),
    "minds": ("mind", ""),
    "versions": ("rewritten version", ""),
    "entries": ("remembered line", ""),
    "evidence": ("piece of evidence", "pieces of evidence"),
    "users": ("person", "persons"),
}


def listing(parts: Sequence[str]) -> str:
    """Parts as one phrase.

    >>> listing(["2 turns", "1 mind", "1 person"]), listing(["1 turn"])
    ('2 turns, 1 mind and 1 person', '1 turn')
    """
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else "nothing"


def erased(counts: Mapping[str, int]) -> str:
    """What a receipt counts, in words; what there was none of is left out.

    >>> erased({"conversations": 2, "turns": 1, "minds": 0})
    '2 conversations and 1 turn'
    """
    return listing([counted(number, *NOUNS.get(name, (name, name))) for name, number in counts.items() if number])


def show_receipt(receipt: Receipt) -> None:
    """What is gone, in numbers."""
    paragraph(f"Erased: {erased(receipt.counts)}.")
    paragraph(f"Receipt {receipt.id}", style="dim")
    if not receipt.scrubbed:
        note("Single bytes may still be in the files while something else reads them; the next sweep rewrites those.")


def show_reflections(reflections: Sequence[Reflection]) -> None:
    """A row for each reflection."""
    rows(
        ("conversation", "agent", "user", "status", "attempts", "since", "versions", "error"),
        (
            (
                one.conversation_id,
                one.agent,
                one.user_id or NOBODY,
                one.status,
                one.attempts,
                when(one.created_at),
                _versions(one),
                one.error,
            )
            for one in reflections
        ),
    )


def _versions(reflection: Reflection) -> str:
    if reflection.before is None or reflection.after is None:
        return ""
    return f"{reflection.before} → {reflection.after}" if reflection.before != reflection.after else "nothing new"


def show_reflection(reflection: Reflection) -> None:
    """One reflection, with what it proposes."""
    about = whose(reflection.agent, reflection.user_id)
    paragraph(
        f"The reflection of {about} on {reflection.conversation_id} {STATES.get(reflection.status, '')}", style="bold"
    )
    told = (
        ("since", when(reflection.created_at)),
        ("attempts", str(reflection.attempts)),
        ("versions", _versions(reflection)),
        ("last error", reflection.error),
        ("notes", reflection.notes),
    )
    for name, value in told:
        if value:
            paragraph(f"{name}: {value}")
    for number, change in enumerate(reflection.proposal, 1):
        out.print()
        paragraph(f"{number} of {len(reflection.proposal)}", style="dim")
        show_change(change)


def show_users(users: Sequence[User]) -> None:
    """A row for each person."""
    rows(
        ("user", "conversations", "since", ""),
        ((user.id, user.conversations, when(user.created_at), "made up" if user.anonymous else "") for user in users),
    )


def show_user(user: User, minds: Sequence[MindRow], conversations: Sequence[Conversation]) -> None:
    """A person, who remembers what of them, and their newest conversations."""
    made_up = ", an id that was made up for one conversation" if user.anonymous else ""
    paragraph(f"{user.id}, since {when(user.created_at)}{made_up}", style="bold")
    for mind in minds:
        paragraph(f"{mind.agent} remembers {remembered([mind])}")
    paragraph(counted(user.conversations, "conversation"))
    if conversations:
        show_conversations(conversations)


def remembered(minds: Sequence[MindRow]) -> str:
    """How much some minds hold.

    >>> from datetime import UTC, datetime
    >>> remembered([MindRow("counsellor", "ada", 2, 3, 1, datetime.now(UTC))])
    '3 lines, and 1 in the archive'
    """
    lines, archived = sum(mind.entries for mind in minds), sum(mind.archived for mind in minds)
    return counted(lines, "line") + (f", and {archived:,} in the archive" if archived else "")


def show_conversations(conversations: Sequence[Conversation]) -> None:
    """A row for each conversation."""
    rows(
        ("conversation", "agent", "user", "channel", "status", "began", "turns"),
        (
            (one.id, one.agent, one.user_id, one.channel, one.status, when(one.created_at), one.turns)
            for one in conversations
        ),
    )


def show_transcript(transcript: Transcript) -> None:
    """A conversation, turn by turn, with what was heard of it."""
    talk = transcript.conversation
    paragraph(f"{talk.agent} with {talk.user_id}, {talk.channel}, {when(talk.created_at)}, {talk.status}", style="bold")
    if talk.meeting_id:
        paragraph(f"in the meeting {talk.meeting_id}")
    if talk.intent_notes:
        paragraph(f"what {talk.agent} intended: {talk.intent_notes}", style="dim")
    for turn in transcript.turns:
        _show_turn(turn, talk)


def _show_turn(turn: Turn, talk: Conversation) -> None:
    name = talk.user_id if turn.role == "user" else talk.agent
    paragraph(f"{turn.seq} {name} › {turn.generated}")
    if turn.heard is not None and turn.heard != turn.generated:
        paragraph(f"heard: {turn.heard or 'nothing'}", style="dim", indent=4)
    for call in turn.calls:
        paragraph(f"called {call.name}: {call.arguments}", style="dim", indent=4)


def show_meetings(meetings: Sequence[Meeting]) -> None:
    """A row for each meeting."""
    rows(
        ("meeting", "kind", "topic", "participants", "prepared"),
        ((one.id, one.kind, one.topic, ", ".join(one.participants), when(one.created_at)) for one in meetings),
    )


def show_meeting(meeting: WholeMeeting) -> None:
    """A meeting with the conversation of each agent."""
    paragraph(f"{meeting.kind} {meeting.id}, {when(meeting.created_at)}", style="bold")
    paragraph(f"with {', '.join(meeting.participants)}" + (f", about {meeting.topic}" if meeting.topic else ""))
    show_conversations(meeting.conversations)


def show_prepared(prepared: Prepared) -> None:
    """An agent that is ready, and how to go on."""
    meeting = prepared.meeting.id if prepared.meeting else ""
    paragraph(f"{prepared.conversation.agent} is ready for the meeting {meeting}", style="bold")
    paragraph(f"conversation: {prepared.conversation.id}")
    paragraph("what it intends, and never says:", style="dim")
    paragraph(prepared.intent_notes, indent=4)
